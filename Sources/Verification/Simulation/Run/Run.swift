internal import Catalog
internal import HistoryChecking
internal import NodeCore
internal import PeerMessages
internal import Storage
internal import TokenPlacement

/// One run of a whole cluster under one seed: load and faults, then heal, rest, and the checks.
package final class Run {
    let kernel: Kernel
    let network: SimulatedNetwork
    let setup: ClusterSetup
    private(set) var nodes: [SimulatedNode] = []
    var history = History()
    private(set) var rules: CheckingRules

    let plan: FaultPlan
    private let options: RunOptions
    let workloadPlan: WorkloadPlan
    let program: any SubjectProgram
    private let root: SimulatedRandom
    /// Which slices may be dropped.
    var dropRule = DropRule()
    private var injector: FaultInjector?
    private var workload: Workload?
    private(set) var violations: [Violation] = []

    /// A run that has not begun.
    package init(_ options: RunOptions) throws {
        self.options = options
        root = SimulatedRandom(seed: options.seed)
        var random = root.forked("plan")
        var program = options.makeProgram(options.mutant)
        let features = program.features
        let shape = ClusterShape(options, features: features, &random)
        setup = try ClusterSetup(shape, &random)
        var plan = FaultPlan(
            options.scenario,
            nodeCount: shape.nodeCount,
            features: features,
            &random
        )
        var workloadPlan = WorkloadPlan(
            operations: options.operations,
            features: features,
            hasSchemaChanges: plan.classes.contains(.schema),
            isSweeping: options.scenario == .sweeping,
            &random
        )
        options.mutant?.sharpen(&plan, &workloadPlan)
        self.plan = plan
        self.workloadPlan = workloadPlan
        var circumstances = Circumstances()
        circumstances.isTiny = plan.classes.contains(.knobs)
        circumstances.isSweeping = options.scenario == .sweeping
        circumstances.clockMarginSeconds = plan.clockMarginSeconds
        var tuning = root.forked("tuning")
        program.tune(for: circumstances, &tuning)
        self.program = program
        let settings = MachineSettings(
            options,
            isTiny: plan.classes.contains(.knobs),
            &random
        )
        kernel = Kernel(nodeCount: shape.nodeCount)
        network = SimulatedNetwork(
            kernel: kernel,
            ids: setup.nodeIDs,
            random: root.forked("network")
        )
        network.log = options.log
        rules = CheckingRules(options, plan, shape, settings, program.limits)
        for key in 0..<workloadPlan.keys {
            let partition = PartitionRef(key: Workload.partitionKey(key))
            rules.holders[key] = setup.replicas(of: partition.token)
        }
        for index in 0..<shape.nodeCount {
            let disk: any NodeDisk =
                switch options.store {
                case .model:
                    ModelDisk(path: "node\(index)", diskReadEvery: settings.diskReadEvery)
                case .rocks:
                    RocksDisk(path: "node\(index)", seed: root.forked("disk", index).firstNumber)
                }
            nodes.append(
                SimulatedNode(
                    index: index,
                    disk: disk,
                    kernel: kernel,
                    network: network,
                    settings: settings,
                    program: program,
                    setup: setup,
                    random: root.forked("node", index)
                )
            )
        }
    }

    /// The mistake that is planted.
    var mutant: Mutant? { options.mutant }

    // MARK: What faults do

    func start(_ node: SimulatedNode) {
        if node.start() {
            noteUnfinishedDrops(of: node)
            injector?.nodeStarted(node)
        } else {
            network.log?("node \(node.index) did not start: \(node.startProblem ?? "")")
        }
    }

    func crash(_ node: SimulatedNode, losesPower: Bool) {
        guard node.isUp else { return }
        if losesPower { history.powerLosses.append((kernel.now, node.index)) }
        node.crash(losesPower: losesPower)
        workload?.nodeDied(node.index)
    }

    /// Puts what every node of the cluster has from the start on an empty disk.
    func prepareDisk(of node: SimulatedNode, isReplacement: Bool = true) {
        do {
            let store = try node.disk.open()
            // A disk that does not open now says nothing.
            let others = isReplacement ? nodes.filter { $0 !== node } : []
            let survivors = others.compactMap { $0.life?.store ?? (try? $0.disk.open()) }
            try program.prepareDisk(
                store,
                node: node.index,
                setup: setup,
                isReplacement: isReplacement,
                survivors: survivors
            )
            node.disk.processEnded()
            for other in others where !other.isUp { other.disk.processEnded() }
        } catch {
            let text = "the empty disk of node \(node.index) cannot be written: \(error)"
            report(Violation(.nodesStart, text))
        }
    }

    func report(_ violation: Violation) { violations.append(violation) }

    /// The store of a node takes no more writes: its program sees that soon, and ends.
    private func storeFailed(_ life: NodeLife) {
        let node = nodes[life.node]
        let delay = life.random.number(in: 0...Nanoseconds.milliseconds(200))
        kernel.schedule(after: delay, node: life.node, kind: .fault) { [unowned self] in
            injector?.storeFailed(node)
        }
    }

    func writeAcknowledged(by node: Int) { injector?.writeAcknowledged(by: node) }

    // MARK: The phases

    /// Runs from the first event to the last check.
    package func execute() -> RunReport {
        let injector = FaultInjector(plan, self, root.forked("faults"))
        self.injector = injector
        network.hintsWillGo = { [unowned self] life, keys in checkHints(life, keys) }
        network.rangeWillGo = { [unowned self] life, range in checkDrop(life, range) }
        network.cacheAnswered = { [unowned self] life, key, row in checkCache(life, key, row) }
        network.storeFailed = { [unowned self] life in storeFailed(life) }
        injector.prepare()
        for node in nodes {
            prepareDisk(of: node, isReplacement: false)
            start(node)
        }
        kernel.run(until: .seconds(3))
        network.faults = plan.network
        injector.start()
        let load = Workload(workloadPlan, self, root.forked("workload"))
        runClients(load, until: kernel.now + options.loadTime)
        injector.heal()
        for node in nodes where !node.isUp {
            report(
                Violation(
                    .nodesStart,
                    "node \(node.index) does not start: \(node.startProblem ?? "unknown")"
                )
            )
        }
        if violations.isEmpty {
            // Who is paused wakes up in its own time.
            let awake = nodes.compactMap { $0.life?.pausedUntil }.max() ?? 0
            kernel.run(until: max(kernel.now, awake) + options.settleTime) { isOverLimit }
            probe()
            rest()
            check()
        }
        return finish(injector)
    }

    private var isOverLimit: Bool { kernel.eventCount > options.eventsMax }

    private func runClients(_ load: Workload, until end: Nanoseconds) {
        workload = load
        load.start()
        kernel.run(until: end) { load.isDone || isOverLimit }
        guard !load.isDone else { return }
        let open = history.operations.first { $0.outcome == .open }
        let name = open.map { HistoryText.line($0, key: nil) } ?? "no operation is open"
        let text =
            isOverLimit
            ? "\(kernel.eventCount) events have happened and it goes on; open: \(name)"
            : "at \(kernel.now.secondsText) there is still no answer: \(name)"
        report(Violation(.everythingAnswers, text))
    }

    /// Requests to every node succeed now.
    private func probe() {
        var plan = WorkloadPlan()
        plan.keys = workloadPlan.keys
        plan.clients = nodes.count
        plan.script = [.insert, .read, .read, .insert, .deleteRow, .read, .setCell, .read]
        if program.features.contains(.scans) { plan.script.insert(.scan, at: 3) }
        if program.features.contains(.batches) { plan.script.insert(.batch, at: 5) }
        plan.operations = nodes.count * plan.script.count
        let mayRefuse = self.plan.classes.contains(.knobs)
        plan.thinkMean = .milliseconds(mayRefuse ? 300 : 100)
        plan.ownTimestamps = 0
        let first = history.nextID
        let probe = Workload(plan, self, root.forked("probe"), isPinned: true)
        runClients(probe, until: kernel.now + .seconds(60))
        // Tiny queues refuse some, which is their right; a node that serves hardly any is broken.
        for node in nodes where violations.isEmpty {
            let own = history.operations[first...].filter { $0.node == node.index }
            var failed = own.filter { $0.outcome != .done }
            if mayRefuse, failed.count * 2 <= own.count {
                // Damage that is found only now takes one replica, and a tiny queue another.
                failed.removeAll { $0.isOverload || $0.hasMetDamage }
            }
            guard let example = failed.first else { continue }
            let text =
                "\(options.settleTime / 1_000_000_000) s after everything was healed and awake "
                + "\(failed.count) of \(own.count) requests to node \(node.index) fail: "
                + HistoryText.line(example, key: nil)
            report(Violation(.clusterServes, text))
        }
    }

    /// Waits until nothing is left to do.
    private func rest() {
        let end = kernel.now + options.quiesceTime
        var unrest: (invariant: Invariant, text: String)?
        while kernel.now < end, !isOverLimit {
            kernel.run(until: kernel.now + .seconds(1)) { isOverLimit }
            unrest = findUnrest().map { (.pendingIsEmpty, $0) }
            if unrest == nil { unrest = findRemains().map { (.droppedIsGone, $0) } }
            if unrest == nil { break }
            injector?.startAgainWhatNeedsIt()
        }
        if let unrest {
            let span = options.quiesceTime / 1_000_000_000
            report(Violation(unrest.invariant, "\(span) s after the heal \(unrest.text)"))
        }
    }

    private func findUnrest() -> String? {
        for node in nodes {
            guard let store = node.life?.store, let subject = node.subject else {
                return "node \(node.index) is down"
            }
            if let unrest = subject.unrest { return "node \(node.index): \(unrest)" }
            do throws(StorageError) {
                if let hint = try store.scanHints(.all, limit: 1, bytesMax: 1).first {
                    return "node \(node.index) has hints, such as \(hint.key)"
                }
                let prefix = LocalKeys.batchPrefix
                let range = KeyRange(lower: prefix, upper: KeyRange.successor(of: prefix))
                if try !store.scanLocal(range, limit: 1, bytesMax: 1).isEmpty {
                    return "node \(node.index) has logged batches"
                }
            } catch {
                return "node \(node.index) cannot be read: \(error)"
            }
        }
        for row in finalRows() {
            guard let first = row.replicas.first else { continue }
            if row.replicas.contains(where: { $0.digest != first.digest }) {
                return "replicas of key \(row.key) of table \(row.table) still differ"
            }
        }
        return nil
    }

    // MARK: The end

    private var nowSeconds: Int64 { NodeClock.trueSeconds(at: kernel.now) }

    private func finalRows() -> [FinalRow] {
        history.writtenRows.map { name in
            let table = setup.tables[name.table]
            let partition = PartitionRef(key: Workload.partitionKey(name.key))
            let key = RowKey(table: table.id, token: partition.token, partitionKey: partition.key)
            let replicas = setup.replicas(of: partition.token).map { node in
                replica(node, key.encoded, table.options.gcGraceSeconds)
            }
            return FinalRow(table: name.table, key: name.key, replicas: replicas)
        }
    }

    private func replica(_ node: Int, _ key: [UInt8], _ gcGrace: Int32) -> FinalReplica {
        guard let store = nodes[node].life?.store else {
            return FinalReplica(node: node, row: [:], digest: "down")
        }
        do throws(StorageError) {
            let row = try store.read([key])[0]
            return FinalReplica(
                node: node,
                row: RowCoding.visible(row, rules.columns, nowSeconds: nowSeconds),
                digest: RowCoding.digest(row, nowSeconds: nowSeconds, gcGraceSeconds: gcGrace)
            )
        } catch {
            return FinalReplica(node: node, row: [:], digest: "unreadable: \(error)")
        }
    }

    private func check() {
        var checker = HistoryChecker(history, rules)
        checker.checkReads()
        checker.checkTimes()
        checker.checkFinal(finalRows(), nowSeconds: nowSeconds)
        // What is wrong with the data comes first: that something is left to do may follow from it.
        violations = checker.violations + violations
    }

    private func finish(_ injector: FaultInjector) -> RunReport {
        let report = RunReport(
            seed: options.seed,
            scenario: options.scenario,
            faults: plan.text,
            operations: (
                history.operations.count, history.operations.count { $0.outcome == .done }
            ),
            virtualTime: kernel.now,
            events: kernel.eventCount,
            frames: network.frameCount,
            faultCount: injector.counts.values.reduce(0, +),
            trace: kernel.trace,
            violations: violations
        )
        // Nothing may keep a run in memory: soaks go through thousands.
        for node in nodes {
            node.crash(losesPower: false)
            node.disk.close()
        }
        kernel.removeAll()
        network.removeAll()
        self.injector = nil
        workload = nil
        return report
    }
}
