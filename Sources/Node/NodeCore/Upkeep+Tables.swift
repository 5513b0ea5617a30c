package import Catalog
internal import Coordination
internal import Storage

/// The rows of a table that is gone go once no loop takes any more.
extension Upkeep {
    /// Notes the tables that are gone since a state.
    ///
    /// At the start that is every table that ever was and is not any more: a crash may have come
    /// before all its rows were dropped.
    func tablesFollow(from old: ClusterState, to new: ClusterState) {
        let before =
            old.epoch == .zero ? Set(new.formerTables) : Set(old.tableIDs).subtracting(new.tableIDs)
        goneTables += before.sorted().map { ($0, new.epoch, .zero) }
    }

    /// A loop uses the state of an epoch: it takes no more writes to tables that are gone by then.
    func loopAdopted(_ epoch: Epoch, on loop: Int) {
        adoptedEpochs[loop] = epoch
        dropGoneTables()
    }

    /// Drops the rows of tables that are gone, one after the other; what fails is tried again after a
    /// while, and what finds no room with the next round.
    ///
    /// What a loop took before it knew is in the writer's queue by then, in front of the drop.
    func dropGoneTables() {
        let now = environment.now
        guard !isDroppingTables, !isStopped, let adopted = adoptedEpochs.min(),
            let gone = goneTables.first(where: { $0.epoch <= adopted && $0.due <= now })
        else { return }
        var writes = StoreWrites()
        writes.drop(prefix: RowKey.tablePrefix(gone.table))
        isDroppingTables = environment.submit(writes) { [weak self] error in
            guard let self else { return }
            isDroppingTables = false
            goneTables.removeAll { $0.table == gone.table }
            if let error {
                let pause = settings.interval * Self.roundsPerFailedDrop
                goneTables.append((gone.table, gone.epoch, environment.now + pause))
                tellOfGoneTables(error)
            }
            dropGoneTables()
        }
    }

    /// A drop that failed reads all that it came past once more.
    private static let roundsPerFailedDrop = 10

    private func tellOfGoneTables(_ error: StorageError) {
        guard !toldOfGoneTables else { return }
        toldOfGoneTables = true
        environment.log(
            .warning,
            "the rows of \(goneTables.count) dropped tables stay until they can be dropped: \(error)"
        )
    }

    /// The tables that were there once and are not any more.
    package var formerTables: [TableID] { view.state.formerTables }
}

extension ClusterState {
    /// Whether a table was there once and is not any more.
    func isGone(_ table: TableID) -> Bool {
        table < nextTableID && !tables.values.contains { $0.values.contains { $0.id == table } }
    }

    fileprivate var tableIDs: [TableID] { tables.values.flatMap(\.values).map(\.id) }

    fileprivate var formerTables: [TableID] {
        let present = Set(tableIDs)
        return (1..<max(1, nextTableID.value)).map(TableID.init).filter { !present.contains($0) }
    }
}
