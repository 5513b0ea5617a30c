internal import Catalog
internal import HistoryChecking
internal import Replication
internal import Storage
internal import TokenPlacement

/// Lets the faults of a plan strike, until it is told to heal everything.
final class FaultInjector {
    private let plan: FaultPlan
    private unowned let run: Run
    private var random: SimulatedRandom
    /// For what no fault is: so that stores that have no upkeep meet the same faults.
    private var upkeepRandom: SimulatedRandom
    private var isActive = false
    private var isCut = false
    private var losses = 0
    private var crashesAfterAcknowledgement = false
    private(set) var counts: [String: Int] = [:]

    private static let clogMax = Nanoseconds.seconds(15)

    init(_ plan: FaultPlan, _ run: Run, _ random: SimulatedRandom) {
        self.plan = plan
        self.run = run
        self.random = random
        upkeepRandom = random.forked("upkeep")
    }

    /// What counts from the first moment on: clocks and slow nodes.
    func prepare() {
        for node in run.nodes {
            if plan.skewMax > 0 {
                node.clock.skew = random.number(in: -plan.skewMax...plan.skewMax)
            }
            if plan.driftMax > 0 {
                node.clock.driftPartsPerMillion = random.number(in: -plan.driftMax...plan.driftMax)
            }
        }
    }

    /// What every new life of a node gets.
    func nodeStarted(_ node: SimulatedNode) {
        guard isActive || run.kernel.now == 0 else { return }
        if node.index == plan.slowNode { node.life?.slowness = plan.slowness }
    }

    func start() {
        isActive = true
        scheduleTick()
    }

    /// Ends all faults; what has to start again does.
    ///
    /// Either all nodes start again, so that all that was wrong is only on the disks, or those alone
    /// that cannot go on, so that what is stuck in the others shows.
    func heal() {
        isActive = false
        run.network.healAll()
        run.network.faults = NetworkFaults()
        for node in run.nodes {
            node.disk.clearFaults()
            node.clock.skew = 0
            if plan.healsInPlace, let life = node.life, life.storeFailure == nil {
                life.diskDelay = 0
                life.slowness = 1
                continue
            }
            run.crash(node, losesPower: false)
            run.start(node)
        }
    }

    /// Somebody reads in the log of a node that a start would rid it of damage.
    func startAgainWhatNeedsIt() {
        for node in run.nodes where node.disk.needsStart {
            count("restart of node \(node.index), as it asks for it")
            run.crash(node, losesPower: false)
            run.start(node)
        }
    }

    /// The store of a node failed, and its program has ended for that: somebody starts it again.
    func storeFailed(_ node: SimulatedNode) {
        run.network.log?("\(run.kernel.now.secondsText) node \(node.index) ends: its store failed")
        let failure = node.life?.storeFailure
        run.crash(node, losesPower: false)
        if let failure { node.disk.storeFailed(failure) }
        if isActive {
            restart(node, within: plan.downMax)
        } else {
            run.start(node)
        }
    }

    private func count(_ name: String) {
        counts[name, default: 0] += 1
        run.network.log?("\(run.kernel.now.secondsText) FAULT \(name)")
    }

    private func scheduleTick() {
        run.kernel.schedule(after: plan.tick, node: Kernel.world, kind: .fault) {
            [unowned self] in
            guard isActive else { return }
            tick()
            scheduleTick()
        }
    }

    /// A write was acknowledged to its client: whatever it rests on must be durable by now.
    func writeAcknowledged(by node: Int) {
        guard isActive, crashesAfterAcknowledgement else { return }
        crashesAfterAcknowledgement = false
        run.kernel.after(events: 1) { [unowned self] in
            guard isActive else { return }
            if random.chance(0.5) {
                crashSome(run.nodes[node])
            } else {
                count("power loss of all nodes, right after an acknowledgement")
                for victim in run.nodes where victim.isUp { crash(victim, true) }
            }
        }
    }

    private func tick() {
        tickNetwork()
        if random.chance(plan.crashAfterAcknowledgement) { crashesAfterAcknowledgement = true }
        if random.chance(plan.rollingChance) { restartAll() }
        run.checkCaches(&random)
        for node in run.nodes {
            if node.isUp {
                tickProcess(node)
                tickDisk(node)
                tidyUp(node)
                if let life = node.life, random.chance(life.settings.cacheDropChance) {
                    life.cache.resize(bytesMax: 0)
                    life.cache.resize(bytesMax: life.settings.cacheBytes)
                }
            }
            if random.chance(plan.jumpChance) { jump(node) }
        }
    }

    private func jump(_ node: SimulatedNode) {
        // Far, and back.
        let isBig = node.index == plan.jumpingNode && abs(node.clock.skew) <= plan.skewMax
        let longest = isBig ? plan.bigJumpMax : plan.skewMax
        node.clock.skew = random.number(in: -longest...longest)
        count("clock jump of node \(node.index) to \(node.clock.skew / 1_000_000) ms")
    }

    // MARK: Network

    private func tickNetwork() {
        let network = run.network
        if isCut {
            if random.chance(plan.healChance) {
                network.healAll()
                isCut = false
                count("heal")
            }
        } else if random.chance(plan.partitionChance) {
            isCut = true
            cut()
        }
        if random.chance(plan.clogChance) {
            let source = random.below(run.nodes.count)
            let target =
                (source + random.number(in: 1...run.nodes.count - 1)) % run.nodes.count
            count("clog \(source)->\(target)")
            // No frame may be late for as long as everything has to come to itself after the heal.
            let span = min(Self.clogMax, random.exponential(mean: plan.clogMean))
            network.clog(from: source, to: target, until: run.kernel.now + span)
        }
        if random.chance(plan.resetChance) {
            count("reset")
            network.resetOneConnection()
        }
    }

    /// The side of each node: 0 and 1 do not see each other, 2 sees both.
    private func drawSides() -> [Int] {
        let count = run.nodes.count
        var side = Array(repeating: 0, count: count)
        switch random.below(3) {
        case 0: side[random.below(count)] = 1
        case 1: side = side.map { _ in random.below(2) }
        default:
            // A bridge: one node sees both halves.
            side = side.map { _ in random.below(2) }
            side[random.below(count)] = 2
        }
        return side
    }

    private func cut() {
        let count = run.nodes.count
        var side = drawSides()
        // All on one side would be no fault.
        while !side.contains(0) || !side.contains(1) { side = drawSides() }
        let isOneWay = random.chance(plan.oneWayChance)
        self.count("cut \(side)\(isOneWay ? ", one way" : "")")
        for source in 0..<count {
            for target in 0..<count
            where side[source] != side[target] && side[source] != 2 && side[target] != 2 {
                if isOneWay, side[source] == 0 { continue }
                run.network.setBlocked(true, from: source, to: target)
            }
        }
    }

    // MARK: Processes

    private func tickProcess(_ node: SimulatedNode) {
        let weight = node.life?.hasWriteInFlight == true ? 10.0 : 1.0
        if random.chance(plan.crashChance * weight / 3) {
            // Any event may be the last one.
            let delay = random.chance(0.5) ? random.below(20) : random.below(300)
            run.kernel.after(events: delay) { [unowned self] in
                guard isActive else { return }
                crashSome(node)
            }
        }
        if random.chance(plan.pauseChance) {
            let span = random.number(
                in: .milliseconds(100)...max(.milliseconds(100), plan.pauseMax)
            )
            count("pause of node \(node.index) for \(span.secondsText) s")
            let end = run.kernel.now + span
            node.life?.pause(until: end)
            run.history.pauses.append((node.index, run.kernel.now, end))
        }
    }

    /// Restarts all nodes, one after the other, as an operator does.
    private func restartAll() {
        count("rolling restart")
        let pause = random.number(in: .milliseconds(200)...Nanoseconds.seconds(4))
        for node in run.nodes {
            run.kernel.schedule(
                after: pause * Nanoseconds(node.index),
                node: Kernel.world,
                kind: .fault
            ) { [unowned self] in
                guard isActive, node.isUp else { return }
                run.crash(node, losesPower: false)
                run.start(node)
                if !node.isUp { restart(node, within: plan.downMax) }
            }
        }
    }

    /// Crashes a node, or all of them.
    private func crashSome(_ node: SimulatedNode) {
        let losesPower = random.chance(plan.powerLossShare)
        let victims = random.chance(plan.wholeClusterShare) ? run.nodes : [node]
        let who = victims.count == 1 ? "node \(node.index)" : "all nodes"
        count((losesPower ? "power loss of " : "kill of ") + who)
        for victim in victims where victim.isUp { crash(victim, losesPower) }
    }

    private func crash(_ node: SimulatedNode, _ losesPower: Bool) {
        run.crash(node, losesPower: losesPower)
        restart(node, within: plan.downMax)
    }

    private func restart(_ node: SimulatedNode, within longest: Nanoseconds) {
        let span = random.number(in: .milliseconds(50)...longest)
        run.kernel.schedule(after: span, node: Kernel.world, kind: .fault) { [unowned self] in
            guard isActive, !node.isUp else { return }
            if random.chance(plan.hintLossChance), run.loseHints(of: node) {
                count("loss of the hints of node \(node.index)")
            }
            count("start of node \(node.index)")
            run.start(node)
            if !node.isUp { restart(node, within: longest) }
            guard node.isUp, random.chance(plan.crashDuringRecovery) else { return }
            run.kernel.after(events: random.below(60)) { [unowned self] in
                guard isActive, node.isUp else { return }
                count("crash of node \(node.index) while it starts")
                crash(node, random.chance(plan.powerLossShare))
            }
        }
    }

    // MARK: Disks

    private func tickDisk(_ node: SimulatedNode) {
        if random.chance(plan.slowDiskChance) {
            let isSlow = node.life?.diskDelay != 0
            count("disk of node \(node.index) is \(isSlow ? "fast again" : "slow")")
            node.life?.diskDelay = isSlow ? 0 : plan.slowDiskMean
        }
        // A loss hurts most while another replica misses writes.
        let isHard = isCut || run.nodes.contains { !$0.isUp }
        if losses < plan.diskLossesMax, random.chance(plan.diskLossChance * (isHard ? 8 : 1)) {
            lose(node)
            return
        }
        guard random.chance(plan.diskFaultChance) else { return }
        let fault = random.pick([DiskFault.failedWrite, .failedSync, .full])
        count("disk of node \(node.index): \(fault)")
        node.disk.inject(fault)
        // Somebody notices after a while and starts the node again.
        let span = random.number(in: .milliseconds(500)...Nanoseconds.seconds(8))
        run.kernel.schedule(after: span, node: Kernel.world, kind: .fault) { [unowned self] in
            guard isActive else { return }
            node.disk.inject(.roomy)
            guard node.isUp else { return }
            // A fault that has not struck goes with the process.
            crash(node, random.chance(plan.powerLossShare))
        }
    }

    /// What stores do by themselves, now and then.
    private func tidyUp(_ node: SimulatedNode) {
        guard let life = node.life, upkeepRandom.chance(plan.tidyingChance) else { return }
        node.disk.tidyUp(mayCompact: life.mayCompact && upkeepRandom.chance(0.5))
    }

    private func lose(_ node: SimulatedNode) {
        // What only the disk of the one that decides had is decided anew: a known limit (docs/plan.md).
        let decides = run.setup.state.founder == node.id
        guard !decides || !plan.classes.contains(.schema) else { return }
        if random.chance(plan.wipeShare) {
            losses += 1
            count("wipe of node \(node.index)")
            run.history.diskLosses.append(DiskLoss(at: run.kernel.now, node: node.index))
            run.crash(node, losesPower: true)
            node.disk.replace()
            run.prepareDisk(of: node)
            restart(node, within: plan.downMax)
            return
        }
        let table = random.pick(run.setup.tables).id
        let first = Token(Int64(bitPattern: random.next()))
        let (end, isOver) = first.value.addingReportingOverflow(
            Int64.max / Int64(random.number(in: 2...32))
        )
        let range = RowKey.sliceRange(table: table, tokens: first...Token(isOver ? .max : end))
        // What is lost of it is known once it is dropped.
        let isUnreadable = random.chance(0.5)
        guard node.disk.damage(range, isUnreadable: isUnreadable) else { return }
        losses += 1
        count(
            (isUnreadable ? "unreadable sectors" : "damage") + " on the disk of node \(node.index)"
        )
    }
}
