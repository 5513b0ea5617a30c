internal import Catalog
internal import Coordination
internal import PeerMessages
internal import Replication
internal import Storage
package import SystemTables
internal import TokenPlacement

/// Anti-entropy: drives the schedule, and one repair machine at a time.
extension Upkeep {
    /// The finished runs that are remembered.
    private static let runsMax = 16
    /// Every how many rounds marks are told of again.
    private static let roundsPerForwarding = 8
    /// How often a node that is overloaded is asked again, and after how long at first.
    private static let triesMax = 6
    private static let pauseMin = Duration.milliseconds(20)
    /// How often it is said of a node that its clock differs.
    private static let clockWarningPause = Duration.seconds(300)

    // MARK: Following

    func repairsFollow(_ view: ClusterView) {
        let definitions = view.state.tables.values.flatMap(\.values).sorted { $0.id < $1.id }
        let tables = definitions.compactMap(replicated)
        replicatedTables = [:]
        for table in tables { replicatedTables[table.id] = table }
        schedule.viewChanged(tables: tables, alive: view.alive)
        planner.viewChanged(tables: tables)
        let next = view.state.nextTableID
        let changes = ledger.keep(tables: Set(definitions.map(\.id)), from: next)
        if !changes.isEmpty { persist(changes) { _ in } }
    }

    func repairsFollow(alive: Set<NodeID>) {
        let tables = replicatedTables.keys.sorted().compactMap { replicatedTables[$0] }
        schedule.viewChanged(tables: tables, alive: alive)
        repairNext()
    }

    // MARK: Notes and marks

    /// Slices were repaired by all their replicas.
    func noteRepaired(_ notes: [RepairNote], completion: @escaping LoopReplica.Completion<Void>) {
        var changes: [LocalChange] = []
        for note in notes {
            guard let table = replicatedTables[note.table],
                (0..<table.sliceCount).contains(note.slice)
            else { continue }
            let noted = ledger.note(
                note,
                replicas: table.replicas(ofSlice: note.slice),
                nowSeconds: wallSeconds
            )
            guard let noted else {
                let text = """
                    a repair that began at \(note.startedSeconds) is noted at \(wallSeconds): the \
                    clocks of the two nodes differ too much
                    """
                completion(.failure(PeerFailure(code: .invalid, text: text)))
                return
            }
            changes += noted
        }
        guard !changes.isEmpty else {
            completion(.success(()))
            return
        }
        var writes = StoreWrites()
        for change in changes { writes.apply(change) }
        replica.submit(writes, completion: completion)
    }

    /// Takes up marks; tells those that are still to be written.
    ///
    /// Marks of tables that are gone would stay for ever.
    func noted(_ marks: [DirtyMark]) -> [PendingMark] {
        marks.filter { replicatedTables[$0.table] != nil || !view.state.isGone($0.table) }
            .compactMap { ledger.note($0, nowSeconds: wallSeconds) }
    }

    /// The write of marks is done, or failed.
    func marksWritten(_ pending: [PendingMark], succeeded: Bool) {
        if succeeded { ledger.persisted(pending) } else { ledger.persistFailed(pending) }
    }

    /// Writes marks anew whose write failed, and those of a clock that was ahead.
    func settleMarks() {
        let pending = ledger.settle(nowSeconds: wallSeconds)
        guard !pending.isEmpty else { return }
        persist(pending.map(\.change)) { [weak self] in
            self?.marksWritten(pending, succeeded: $0)
        }
    }

    /// Tells the replicas that repair slices of their marks, now and then, until they are gone.
    ///
    /// A node that is no replica of the slice forgets a mark once a replica keeps it.
    func forwardMarks() {
        round += 1
        guard round % Self.roundsPerForwarding == 0 else { return }
        let messages = MarkForwarding.messages(
            of: ledger.dirtySlices.flatMap { ledger.dirtyMarks(of: $0) },
            tables: replicatedTables,
            from: node,
            alive: view.alive,
            marksMax: settings.repair.marksMax
        )
        for message in messages {
            environment.request(
                .noteDirty(message.marks),
                to: message.keeper,
                class: .bulk,
                timeout: settings.requestTimeout
            ) { [weak self] result in
                guard let self, case .success(.done) = result.map(\.message) else { return }
                var writes = StoreWrites()
                for change in message.handedOver.compactMap({ ledger.handedOver($0) }) {
                    writes.apply(change)
                }
                // At once, lest it overtake a new mark; one that stays is told of once more.
                if !writes.isEmpty { replica.submit(writes) { _ in } }
            }
        }
    }

    // MARK: Runs

    /// Repairs the slices that this node coordinates, of all tables or some, once.
    package func startRepair(keyspace: String?, table: String?) {
        finishRun()
        let count = schedule.run(keyspace: keyspace, table: table)
        var run = RepairRun(
            id: NodeID(high: environment.random(), low: environment.random()),
            keyspace: keyspace,
            table: table,
            state: count == 0 ? .finished : .running,
            startedSeconds: wallSeconds
        )
        run.slicesTotal = count
        runs.append(run)
        if runs.count > Self.runsMax { runs.removeFirst(runs.count - Self.runsMax) }
        repairNext()
    }

    /// A new run takes the place of one that is under way.
    private func finishRun() {
        guard let place = runs.indices.last, runs[place].state == .running else { return }
        runs[place].state = .failed
        runs[place].error = "another run took its place"
    }

    private func followRun() {
        guard let place = runs.indices.last, runs[place].state == .running,
            let progress = schedule.progress
        else { return }
        runs[place].slicesTotal = progress.total
        runs[place].slicesDone = progress.repaired + progress.incomplete
        runs[place].rowsStreamed = progress.statistics.rowsWritten
        runs[place].bytesStreamed = progress.statistics.bytesWritten
        guard progress.isDone else { return }
        runs[place].state = progress.incomplete == 0 ? .finished : .failed
        if progress.incomplete > 0 {
            runs[place].error = """
                \(progress.incomplete) of \(progress.total) slices were not repaired by all their \
                replicas: see that all nodes are up, then run it again
                """
        }
    }

    // MARK: One slice after the other

    /// Begins the next repair, if none is under way and one is due.
    func repairNext() {
        guard !isStopped, repair == nil else { return }
        let next = schedule.next(
            nowSeconds: wallSeconds,
            now: environment.now,
            ledger: ledger,
            health: health
        )
        guard let task = next else {
            followRun()
            return
        }
        let machine = RepairMachine(
            node: node,
            task: task,
            settings: settings.repair,
            bandwidth: repairBandwidth
        )
        repairNumber += 1
        repair = (task, machine)
        environment.log(.debug, "\(task.mode) of \(task.slice) begins")
        let seconds = wallSeconds
        feedRepair(repairNumber) { $0.start(nowSeconds: seconds, now: $1, actions: &$2) }
    }

    /// Feeds the machine of a repair, unless it is over and another one runs.
    private func feedRepair(
        _ number: Int,
        _ event: (inout RepairMachine, Duration, inout [RepairMachine.Action]) -> Void
    ) {
        guard !isStopped, number == repairNumber, var current = repair else { return }
        var actions: [RepairMachine.Action] = []
        event(&current.machine, environment.now, &actions)
        repair = current
        for action in actions { perform(action, number) }
    }

    private func perform(_ action: RepairMachine.Action, _ number: Int) {
        switch action {
        case .requestDigests(let node, let request):
            let asker = self.node
            ask(.rangeDigests(request), node, number) {
                $0.digests(request, for: asker, completion: $1)
            } _: {
                if case .digests(let digests) = $0 { digests } else { nil }
            } then: {
                $0.digestsReceived(from: node, $1, now: $2, actions: &$3)
            }
        case .requestPage(let node, let request):
            ask(.scan(request), node, number, { $0.scan(request, completion: $1) }) {
                if case .page(let page) = $0 { page } else { nil }
            } then: {
                $0.pageReceived(from: node, $1, now: $2, actions: &$3)
            }
        case .write(let node, _) where faults.contains(.unwrittenRepair):
            _ = environment.schedule(after: .zero) { [weak self] in
                self?.feedRepair(number) { $0.written(by: node, now: $1, actions: &$2) }
            }
        case .write(let node, let mutations):
            ask(.write(mutations), node, number, { $0.write(mutations, completion: $1) }) {
                if case .done = $0 { () } else { nil }
            } then: { machine, _, now, actions in
                machine.written(by: node, now: now, actions: &actions)
            }
        case .sendNote(let node, let note):
            ask(.noteRepaired([note]), node, number, nil) {
                if case .done = $0 { () } else { nil }
            } then: { machine, _, now, actions in
                machine.noted(by: node, now: now, actions: &actions)
            }
        case .noteHere(let note):
            noteRepaired([note]) { [weak self] result in
                guard let self, case .failure(let failure) = result else { return }
                noteRefused(by: self.node, failure)
            }
        case .wait(let until):
            let delay = max(.milliseconds(1), until - environment.now)
            _ = environment.schedule(after: delay) { [weak self] in
                self?.feedRepair(number) { $0.resumed(now: $1, actions: &$2) }
            }
        case .finish(let outcome): finished(outcome)
        }
    }

    /// Asks a node, or does it here, and tells the machine what came of it.
    private func ask<Value>(
        _ message: PeerMessage,
        _ peer: NodeID,
        _ number: Int,
        _ here: ((LoopReplica, @escaping LoopReplica.Completion<Value>) -> Void)?,
        _ value: @escaping (PeerMessage) -> Value?,
        tries: Int = 0,
        then:
            @escaping (
                inout RepairMachine, Value, Duration, inout [RepairMachine.Action]
            ) -> Void
    ) {
        let answered: LoopReplica.Completion<Value> = { [weak self] result in
            guard let self else { return }
            switch result {
            case .success(let value):
                feedRepair(number) { then(&$0, value, $1, &$2) }
            case .failure(let failure) where failure.code == .overloaded && tries < Self.triesMax:
                // Later, and not when all others come back too.
                let pause = Self.pauseMin * (1 << tries)
                _ = environment.schedule(after: pause.jittered(environment.random())) {
                    [weak self] in
                    guard let self, number == repairNumber, repair != nil else { return }
                    ask(message, peer, number, here, value, tries: tries + 1, then: then)
                }
            case .failure(let failure):
                environment.log(.debug, "repair: node \(peer): \(failure.text)")
                if case .noteRepaired = message { noteRefused(by: peer, failure) }
                feedRepair(number) { $0.failed(at: peer, now: $1, actions: &$2) }
            }
        }
        if peer == node, let here {
            here(replica, answered)
            return
        }
        let timeout =
            if case .rangeDigests = message { settings.digestTimeout } else {
                settings.requestTimeout
            }
        environment.request(message, to: peer, class: .bulk, timeout: timeout) { result in
            answered(
                result.flatMap { answer in
                    value(answer.message).map { .success($0) } ?? .failure(.mismatch(from: peer))
                }
            )
        }
    }

    /// A repair does not count, since clocks differ: nothing is swept until somebody sets them.
    ///
    /// Said once in a while of each node, as every slice has its notes.
    private func noteRefused(by peer: NodeID, _ failure: PeerFailure) {
        guard failure.code == .invalid else { return }
        if let last = toldOfClocks[peer], environment.now < last + Self.clockWarningPause { return }
        toldOfClocks[peer] = environment.now
        environment.log(.warning, "node \(peer) does not count a repair: \(failure.text)")
    }

    /// Ends a repair that is under way of one of some slices.
    func abandonRepair(of slices: [SliceID]) {
        guard let task = repair?.task, slices.contains(task.slice) else { return }
        finished(.incomplete(missing: [node]))
    }

    private func finished(_ outcome: RepairOutcome) {
        guard let (task, machine) = repair else { return }
        repair = nil
        repairBandwidth = machine.bandwidth
        let over = { [self] in
            schedule.finished(
                task,
                outcome,
                machine.statistics,
                nowSeconds: wallSeconds,
                now: environment.now
            )
        }
        switch outcome {
        // Under way until its state is on disk, or it would be begun once more.
        case .rebuilt:
            toldSourceless.remove(task.slice)
            rebuilt(task.slice, completion: over)
        case .noSource:
            if toldSourceless.insert(task.slice).inserted {
                environment.log(
                    .critical,
                    """
                    no replica has all of \(task.slice): reads of it fail until one has; else drop \
                    its table, create it anew and load it from a backup
                    """
                )
            }
            over()
        case .incomplete(let missing):
            environment.log(.debug, "\(task.slice) is repaired without \(missing)")
            over()
        case .repaired:
            environment.log(.debug, "\(task.slice) is repaired")
            over()
        }
        followRun()
        // Not within this call: many small slices must not pile up on the stack. The schedule itself
        // pauses between repairs that nobody waits for.
        _ = environment.schedule(after: .zero) { [weak self] in self?.repairNext() }
    }

    // MARK: What is known

    /// What this node knows about its own work.
    package var activity: NodeActivity {
        var activity = NodeActivity()
        for id in replicatedTables.keys.sorted() {
            guard let table = replicatedTables[id] else { continue }
            for number in 0..<table.sliceCount {
                let replicas = table.replicas(ofSlice: number)
                guard replicas.contains(node) else { continue }
                let slice = SliceID(id, number)
                activity.sliceRepairs.append(
                    SliceRepair(
                        table: id,
                        slice: number,
                        lastRepairSeconds: ledger.repairedSeconds(slice, replicas: replicas),
                        isDirty: ledger.isDirty(slice),
                        state: health.state(of: slice) == nil ? .readable : .rebuilding
                    )
                )
            }
        }
        activity.repairRuns = runs
        activity.hints = hints.withBook { book in
            book.targets.map { target in
                let account = book.account(of: target)
                return HintQueue(
                    target: target,
                    count: account.count,
                    bytes: account.bytes,
                    oldestMillis: account.oldestMicros.map { $0 / 1000 }
                )
            }
        }
        return activity
    }
}
