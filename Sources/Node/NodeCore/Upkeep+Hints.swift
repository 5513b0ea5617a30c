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
            case .send(let node, let mutations): send(mutations, to: node)
            case .remove(let node, let removals, let marks): remove(node, removals, marks)
            }
        }
        wakeForHints()
    }

    private func wakeForHints() {
        hintTimer?.cancel()
        hintTimer = nil
        let now = environment.now
        guard !isStopped, let wake = dispatcher.nextWake(now: now) else { return }
        // Never a busy loop, whatever the rates say.
        let delay = max(.milliseconds(1), wake - now)
        hintTimer = environment.schedule(after: delay) { [weak self] in
            self?.feedHints { $0.resumed(now: $1, actions: &$2) }
        }
    }

    private func read(_ node: NodeID, _ range: KeyRange, _ rowsMax: Int, _ bytesMax: Int) {
        let isTaken = environment.runOnPool(.background) { store throws(StorageError) in
            try store.scanHints(range, limit: rowsMax, bytesMax: bytesMax)
        } completion: {
            [weak self] (result: Result<[(key: [UInt8], value: [UInt8])], StorageError>) in
            guard let self else { return }
            switch result {
            case .success(let page):
                let micros = environment.wallMicros
                feedHints {
                    $0.pageRead(node, page, now: $1, wallMicros: micros, actions: &$2)
                }
            case .failure(let error):
                environment.log(.error, "the hints for node \(node) cannot be read: \(error)")
                feedHints { $0.readFailed(node, now: $1, actions: &$2) }
            }
        }
        if !isTaken { feedHints { $0.readFailed(node, now: $1, actions: &$2) } }
    }

    private func send(_ mutations: [Mutation], to node: NodeID) {
        guard node != self.node else {
            replica.write(mutations) { [weak self] result in
                self?.feedHints { dispatcher, now, actions in
                    switch result {
                    case .success: dispatcher.acknowledged(by: node, now: now, actions: &actions)
                    case .failure(let failure):
                        dispatcher.failed(at: node, failure.code, now: now, actions: &actions)
                    }
                }
            }
            return
        }
        environment.request(.write(mutations), to: node, class: .hints, timeout: .seconds(10)) {
            [weak self] result in
            switch result.map(\.message) {
            case .success(.done):
                self?.feedHints { $0.acknowledged(by: node, now: $1, actions: &$2) }
            case .success:
                self?.feedHints { $0.failed(at: node, .failed, now: $1, actions: &$2) }
            case .failure(let failure):
                self?.feedHints { $0.failed(at: node, failure.code, now: $1, actions: &$2) }
            }
        }
    }

    private func remove(
        _ node: NodeID,
        _ removals: [HintDispatcher.Removal],
        _ marks: [DirtyMark]
    ) {
        var writes = StoreWrites()
        writes.durability = .periodic
        for removal in removals { writes.deleteHint(removal.key) }
        for change in noted(marks) { writes.apply(change) }
        let isTaken = environment.submit(writes) { [weak self] error in
            guard let self else { return }
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
        if !isTaken { feedHints { $0.removed(at: node, succeeded: false, now: $1, actions: &$2) } }
    }

    // MARK: Dirty slices

    /// Keeps marks of slices of which some replica lacks writes.
    ///
    /// - Parameters:
    ///   - marks: the slices, and which replica lacks writes since when.
    ///   - tellsReplicas: whether a living replica is to keep them too, as this node may be none or
    ///     die.
    ///   - completion: hears of it once the marks survive a loss of power.
    func noteDirty(
        _ marks: [DirtyMark],
        tellsReplicas: Bool,
        completion: @escaping LoopReplica.Completion<Void>
    ) {
        var writes = StoreWrites()
        for change in noted(marks) { writes.apply(change) }
        if tellsReplicas { tellReplicas(marks) }
        guard !writes.isEmpty else {
            completion(.success(()))
            return
        }
        replica.submit(writes) { [weak self] result in
            if case .failure = result {
                self?.hints.withBook { book in
                    for mark in marks { book.markFailed(mark) }
                }
            }
            completion(result)
        }
    }

    /// Another node says that slices of which this one is a replica are dirty.
    func noteDirty(_ marks: [DirtyMark], completion: @escaping LoopReplica.Completion<Void>) {
        noteDirty(marks, tellsReplicas: false, completion: completion)
    }

    /// Tells the first living replica of each mark's slice other than the one that lacks writes,
    /// which is the one that repairs it.
    private func tellReplicas(_ marks: [DirtyMark]) {
        var tables: [TableID: TableDefinition] = [:]
        for table in view.state.tables.values.flatMap(\.values) { tables[table.id] = table }
        var told: [NodeID: [DirtyMark]] = [:]
        for mark in marks {
            guard let table = tables[mark.table].flatMap(replicated) else { continue }
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
