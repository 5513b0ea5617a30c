internal import Catalog
internal import Coordination
internal import PeerMessages
internal import Replication
internal import Storage
internal import TokenPlacement

/// Which slices of this node's disk can be read: what was found at the start, a disk that was lost,
/// and slices that are whole again.
extension Upkeep {
    // MARK: Restoring

    /// Takes up the states that were found on disk, and marks everything if the disk was lost.
    ///
    /// Called with each new view, before any loop gets it.
    func healthFollows(_ view: ClusterView) {
        if health.sliceCount != view.sliceCount {
            var restored = SliceHealth(sliceCount: view.sliceCount)
            for state in foundStates { restored.restore(key: state.key, value: state.value) }
            health = restored
            healthChanged(health)
            let lost = refuseLostRows()
            for slice in health.slices(.purging) + health.slices(.damaged)
            where !lost.contains(slice) {
                suspect(slice)
            }
            suspectRows()
        }
        markLostDisk(view)
        let tables = Set(view.state.tables.values.flatMap(\.values).map(\.id))
        let changes = health.keep(tables: tables)
        if !changes.isEmpty {
            healthChanged(health)
            persist(changes) { _ in }
        }
        tellOfLostSlices()
    }

    /// The disk was lost: the slices of all tables must be rebuilt, those of one replica too, which
    /// nothing can rebuild: an empty answer would be a lie.
    private func markLostDisk(_ view: ClusterView) {
        guard var duty = lostDisk, view.state.slices != nil, !faults.contains(.wipedNodeAnswers)
        else { return }
        let tables = view.state.tables.values.flatMap(\.values).compactMap(replicated)
        let slices = duty.tablesSeen(tables, on: node)
        guard duty.value != lostDisk?.value else { return }
        lostDisk = duty
        // What says that they are marked comes last: a crash before it only marks them once more.
        let changes =
            slices.compactMap { health.set(.rebuilding, $0) }
            + slices.compactMap { ledger.forgetRepair(of: $0) }
            + [LocalChange(key: LocalKeys.lostDisk, value: duty.value)]
        healthChanged(health)
        environment.log(
            .notice,
            "\(slices.count) slices are rebuilt from their replicas: this node's disk was lost"
        )
        dutiesUnderWay += 1
        persist(changes) { [weak self] _ in self?.dutiesUnderWay -= 1 }
    }

    /// Says once of each table what is lost for good.
    private func tellOfLostSlices() {
        guard !health.isWell else { return }
        var counts: [TableID: Int] = [:]
        for slice in health.slices(.rebuilding) where others(of: slice).isEmpty {
            counts[slice.table, default: 0] += 1
        }
        let remedy =
            lostLog
            ? """
            only the write-ahead log is damaged: start this node with --accept-log-loss to read what is \
            left of them
            """ : "drop the table, create it anew and load it from a backup"
        for (id, count) in counts.sorted(by: { $0.key < $1.key })
        where toldLost.insert(id).inserted {
            let name = table(id)?.qualifiedName ?? "table \(id)"
            environment.log(
                .critical,
                """
                \(count) slices of \(name) are lost with this node's disk, as they had no other \
                replica: reads of them fail; \(remedy)
                """
            )
        }
    }

    /// A round passed: once the log has surely caught up, tables that appear are new.
    ///
    /// The node that decides has all of it. If that is this one, what it decided and lost is with
    /// any of the others.
    func lostDiskRound() {
        guard var duty = lostDisk, view.state.slices != nil, dutiesUnderWay == 0,
            !faults.contains(.wipedNodeAnswers)
        else { return }
        let others = view.state.nodes.keys.filter { $0 != node }
        let founder = view.state.founder
        let sources = founder == node ? others : others.filter { $0 == founder }
        let isDone = duty.roundPassed(areSourcesAlive: areAlive(sources))
        lostDisk = isDone ? nil : duty
        if isDone { persist([LocalChange(key: LocalKeys.lostDisk, value: nil)]) { _ in } }
    }

    // MARK: Slices

    /// The other replicas of a slice.
    func others(of slice: SliceID) -> [NodeID] {
        guard let table = replicatedTables[slice.table], slice.slice < table.sliceCount else {
            return []
        }
        return table.replicas(ofSlice: slice.slice).filter { $0 != node }
    }

    /// The table with an id, if there is one.
    func table(_ id: TableID) -> TableDefinition? {
        view.state.tables.values.lazy.flatMap(\.values).first { $0.id == id }
    }

    /// All other replicas have given their rows of a slice; `completion` is called once that is on
    /// disk, or could not be written.
    func rebuilt(_ slice: SliceID, completion: @escaping () -> Void) {
        guard health.state(of: slice) == .rebuilding else {
            completion()
            return
        }
        persist([SliceHealth.change(to: nil, slice)]) { [weak self] isWritten in
            // Meanwhile it may have turned out to be damaged again.
            if let self, isWritten, health.state(of: slice) == .rebuilding {
                health.set(nil, slice)
                healthChanged(health)
                if health.isWell { allIsWell() }
            }
            completion()
        }
    }

    private func allIsWell() {
        environment.log(.notice, "all slices can be read again")
        guard lostLog else { return }
        lostLog = false
        persist([LocalChange(key: LocalKeys.lostLog, value: nil)]) { _ in }
    }

    /// Makes changes of the node's own keys last, however many they are, one call behind the other:
    /// what is written late must not come over what is newer.
    ///
    /// A full queue is waited for; false says that the store has failed, or that the node ends.
    func persist(_ changes: [LocalChange], _ completion: @escaping (Bool) -> Void) {
        persisting.append((changes[...], completion))
        if persisting.count == 1 { persistNext() }
    }

    private func persistNext() {
        guard let (changes, completion) = persisting.first else { return }
        let part = changes.prefix(settings.changesMax)
        var writes = StoreWrites()
        for change in part { writes.apply(change) }
        replica.submit(writes) { [weak self] result in
            guard let self, !isStopped else { return }
            switch result {
            case .success where part.count < changes.count:
                persisting[0].changes = changes.dropFirst(part.count)
                persistNext()
            case .success:
                persisting.removeFirst()
                persistNext()
                completion(true)
            case .failure(let failure) where failure.code == .overloaded:
                _ = environment.schedule(after: settings.interval) { [weak self] in
                    self?.persistNext()
                }
            case .failure:
                persisting.removeFirst()
                persistNext()
                completion(false)
            }
        }
    }
}
