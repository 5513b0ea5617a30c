internal import Catalog
internal import Coordination
internal import PeerMessages
internal import Replication
internal import Storage
internal import TokenPlacement

/// Hints: drives the dispatcher.
extension Upkeep {
    /// Begins with what was found on disk.
    func startHints() {
        let targets = hints.withBook { $0.targets }
        feedHints { dispatcher, now, actions in
            for target in targets {
                dispatcher.hintStored(for: target, now: now, actions: &actions)
            }
        }
    }

    /// A hint was written.
    func hintStored(for node: NodeID) {
        feedHints { $0.hintStored(for: node, now: $1, actions: &$2) }
    }

    /// Whether every hint for a living node was handed over.
    package var hintsAreDrained: Bool { dispatcher.isDrained }

    func hintsFollow(_ view: ClusterView) {
        dispatcher.tablesChanged(
            Set(view.state.tables.values.flatMap(\.values).map(\.id)),
            next: view.state.nextTableID
        )
        feedHints { dispatcher, now, actions in
            // This node too: its own replica may have lacked the time, or the room, for a write.
            for node in view.alive.union([view.node]).sorted() {
                dispatcher.aliveChanged(node, isAlive: true, now: now, actions: &actions)
            }
        }
    }

    func hintsFollow(_ node: NodeID, isAlive: Bool) {
        feedHints { $0.aliveChanged(node, isAlive: isAlive, now: $1, actions: &$2) }
    }

    private func feedHints(
        _ event: (inout HintDispatcher, Duration, inout [HintDispatcher.Action]) -> Void
    ) {
        guard !isStopped else { return }
        var actions: [HintDispatcher.Action] = []
        event(&dispatcher, environment.now, &actions)
        for action in actions {
            switch action {
            case .read(let node, let range, let rowsMax, let bytesMax):
                read(node, range, rowsMax, bytesMax)
            case .send(let node, let mutations, let oldestMicros):
                send(mutations, oldestMicros, to: node)
            case .remove(let node, let removals, let marks): remove(node, removals, marks)
            }
        }
        wakeForHints()
    }

    /// Sees that the dispatcher is called in time.
    ///
    /// A timer that comes early does no harm, and for every hint that is stored a new one would be
    /// much work: the loop looks through all its timers to cancel one.
    private func wakeForHints() {
        let now = environment.now
        guard !isStopped, let wake = dispatcher.nextWake(now: now) else { return }
        // Never a busy loop, whatever the rates say.
        let due = max(now + .milliseconds(1), wake)
        if let hintTimer, hintTimer.due <= due { return }
        hintTimer?.call.cancel()
        let call = environment.schedule(after: due - now) { [weak self] in
            self?.hintTimer = nil
            self?.feedHints { $0.resumed(now: $1, actions: &$2) }
        }
        hintTimer = (due, call)
    }

    private func read(_ node: NodeID, _ range: KeyRange, _ rowsMax: Int, _ bytesMax: Int) {
        let isTaken = environment.runOnPool(.background) { store throws(StorageError) in
            try store.scanHints(range, limit: rowsMax, bytesMax: bytesMax)
        } completion: {
            [weak self] (result: Result<[(key: [UInt8], value: [UInt8])], StorageError>) in
            guard let self else { return }
            switch result {
            case .success(let page):
                let (micros, seconds) = (hints.clock.micros(at: environment.now), wallSeconds)
                feedHints {
                    $0.pageRead(
                        node,
                        page,
                        now: $1,
                        steadyMicros: micros,
                        nowSeconds: seconds,
                        actions: &$2
                    )
                }
            case .failure(let error):
                environment.log(
                    .error,
                    """
                    the hints for node \(node) cannot be read; if they are damaged, start this node \
                    again: it drops them then, and repairs all slices to make up for them: \(error)
                    """
                )
                feedHints { $0.readFailed(node, now: $1, actions: &$2) }
            }
        }
        if !isTaken { feedHints { $0.readFailed(node, now: $1, actions: &$2) } }
    }

    private func send(_ mutations: [Mutation], _ oldestMicros: Int64, to node: NodeID) {
        guard node != self.node else {
            replica.write(mutations) { [weak self] result in
                switch result {
                case .success: self?.feedHints { $0.acknowledged(by: node, now: $1, actions: &$2) }
                case .failure(let failure): self?.hintsFailed(at: node, failure.code)
                }
            }
            return
        }
        environment.request(
            .deliverHints(mutations, oldestMicros: oldestMicros),
            to: node,
            class: .hints,
            timeout: .seconds(10)
        ) { [weak self] result in
            switch result.map(\.message) {
            case .success(.done):
                self?.feedHints { $0.acknowledged(by: node, now: $1, actions: &$2) }
            case .success:
                self?.hintsFailed(at: node, .failed)
            case .failure(let failure):
                self?.hintsFailed(at: node, failure.code)
            }
        }
    }

    private func hintsFailed(at node: NodeID, _ code: PeerFailure.Code) {
        let seconds = wallSeconds
        feedHints {
            $0.failed(at: node, code, now: $1, nowSeconds: seconds, actions: &$2)
        }
    }

    private func remove(
        _ node: NodeID,
        _ removals: [HintDispatcher.Removal],
        _ marks: [DirtyMark]
    ) {
        guard !faults.contains(.keptHint) else {
            _ = environment.schedule(after: .zero) { [weak self] in
                self?.feedHints { $0.removed(at: node, succeeded: false, now: $1, actions: &$2) }
            }
            return
        }
        var writes = StoreWrites()
        writes.durability = .periodic
        for removal in removals { writes.deleteHint(removal.key) }
        let pending = noted(marks)
        for mark in pending { writes.apply(mark.change) }
        let isTaken = environment.submit(writes) { [weak self] error in
            guard let self else { return }
            marksWritten(pending, succeeded: error == nil)
            if error == nil {
                hints.withBook { book in
                    for removal in removals {
                        book.removed(key: removal.key, valueBytes: removal.valueBytes)
                    }
                }
                tellReplicas(marks)
            }
            feedHints { $0.removed(at: node, succeeded: error == nil, now: $1, actions: &$2) }
        }
        guard !isTaken else { return }
        marksWritten(pending, succeeded: false)
        feedHints { $0.removed(at: node, succeeded: false, now: $1, actions: &$2) }
    }

    // MARK: Lost hints

    /// A round passed, or the last step is on disk: some more slices are marked, as hints were lost
    /// that may have been theirs.
    func lostHintsRound() {
        guard !isStopped, let lost = lostHints, !marksLostHints, view.state.slices != nil else {
            return
        }
        var rest = lost
        let marks = rest.nextMarks(replicatedTables.values.map { $0 })
        guard !marks.isEmpty else {
            lostHints = nil
            environment.log(.notice, "all slices are marked for the hints that were lost")
            persist([LocalChange(key: LocalKeys.lostHints, value: nil)]) { _ in }
            return
        }
        marksLostHints = true
        noteDirty(marks, tellsReplicas: false) { [weak self] result in
            guard let self else { return }
            marksLostHints = false
            // Else these are marked once more, with the next round.
            guard case .success = result else { return }
            lostHints = rest
            // Not within this call: many steps must not pile up on the stack.
            _ = environment.schedule(after: .zero) { [weak self] in self?.lostHintsRound() }
        }
    }

    // MARK: Dirty slices

    /// Keeps marks of slices of which some replica lacks writes.
    ///
    /// - Parameters:
    ///   - marks: the slices, and which replica lacks writes since when.
    ///   - tellsReplicas: whether a living replica is to keep them too, as this node may be none or
    ///     die.
    ///   - completion: hears of it once these marks, or such as cover them, survive a loss of power.
    func noteDirty(
        _ marks: [DirtyMark],
        tellsReplicas: Bool,
        completion: @escaping LoopReplica.Completion<Void>
    ) {
        let pending = noted(marks)
        if tellsReplicas { tellReplicas(marks) }
        guard !pending.isEmpty else {
            completion(.success(()))
            return
        }
        var writes = StoreWrites()
        for mark in pending { writes.apply(mark.change) }
        replica.submit(writes) { [weak self] result in
            let isWritten = if case .success = result { true } else { false }
            self?.marksWritten(pending, succeeded: isWritten)
            if !isWritten {
                self?.hints.withBook { book in
                    for mark in marks { book.markFailed(mark) }
                }
            }
            completion(result)
        }
    }

    /// Another node says that slices are dirty.
    ///
    /// What no replica could lack is left out, so that nobody fills this node's disk with marks. Of
    /// a table that is not known here yet the sender must keep its marks.
    func noteDirty(_ marks: [DirtyMark], completion: @escaping LoopReplica.Completion<Void>) {
        let known = Set(view.state.tables.values.flatMap(\.values).map(\.id))
        var taken: [DirtyMark] = []
        var unknown: TableID?
        for mark in marks {
            if let table = replicatedTables[mark.table] {
                if table.mayLack(mark) { taken.append(mark) }
            } else if known.contains(mark.table) || mark.table >= view.state.nextTableID {
                unknown = mark.table
            }
        }
        let answer = unknown.map { replica.unknown($0) }
        noteDirty(taken, tellsReplicas: false) { result in
            completion(answer.map { .failure($0) } ?? result)
        }
    }

    /// Tells the living replicas of each mark's slice: the first of them repairs it, and none sweeps
    /// it before.
    private func tellReplicas(_ marks: [DirtyMark]) {
        var tables: [TableID: TableDefinition] = [:]
        for table in view.state.tables.values.flatMap(\.values) { tables[table.id] = table }
        var told: [NodeID: [DirtyMark]] = [:]
        for mark in marks {
            guard let table = tables[mark.table].flatMap(replicated),
                (0..<table.sliceCount).contains(mark.slice)
            else { continue }
            let replicas = table.replicas(ofSlice: mark.slice)
            for replica in replicas where replica != node && view.alive.contains(replica) {
                told[replica, default: []].append(mark)
            }
        }
        for (peer, marks) in told.sorted(by: { $0.key < $1.key }) {
            environment.request(.noteDirty(marks), to: peer, class: .request, timeout: nil) { _ in
                // Who does not hear of it: this node keeps the mark all the same.
            }
        }
    }
}
