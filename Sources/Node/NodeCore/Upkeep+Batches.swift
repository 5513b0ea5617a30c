internal import Catalog
internal import Coordination
internal import PeerMessages
internal import Replication
internal import Storage
internal import TokenPlacement

/// The batch log: batches whose coordinator did not say that they are done are written.
extension Upkeep {
    /// The most entries that are looked at in one round.
    private static let entriesMax = 64
    /// The most batches that are written at once.
    private static let underWayMax = 16

    /// Looks for batches to write, one round after the other.
    func replayBatches() {
        guard !isStopped, !isReplaying else { return }
        isReplaying = true
        var range = SliceKeys.range(of: LocalKeys.batchPrefix)
        if let batchCursor { range.lower = batchCursor + [0] }
        let keys = range
        let isTaken = environment.runOnPool(.background) { store throws(StorageError) in
            try store.scanLocal(keys, limit: Self.entriesMax)
        } completion: {
            [weak self] (result: Result<[(key: [UInt8], value: [UInt8])], StorageError>) in
            guard let self else { return }
            let entries = (try? result.get()) ?? []
            // A full page: the next round goes on behind it.
            batchCursor = entries.count == Self.entriesMax ? entries.last?.key : nil
            replaysWaiting = entries[...]
            advanceReplays()
        }
        if !isTaken { isReplaying = false }
    }

    /// Begins what may be under way at once: a node that does not answer must not hold up the rest.
    private func advanceReplays() {
        while !isStopped, replaysUnderWay < Self.underWayMax,
            let entry = replaysWaiting.popFirst()
        {
            replay(entry.value)
        }
        if isStopped || (replaysUnderWay == 0 && replaysWaiting.isEmpty) { isReplaying = false }
    }

    private func replay(_ entry: [UInt8]) {
        guard let coordinator, let batch = try? StoredBatch(decoding: entry) else {
            environment.log(.error, "an entry of the batch log cannot be read; it is kept")
            return
        }
        let decision = BatchReplay.decision(
            createdMicros: batch.createdMicros,
            nowMicros: environment.wallMicros,
            writeTimeout: coordinator.settings.writeTimeout,
            hintWindow: .seconds(settings.hints.windowSeconds)
        )
        switch decision {
        case .wait: return
        case .expired:
            environment.log(
                .warning,
                "a logged batch was never finished and is too old to be: it is dropped"
            )
            replica.removeBatches([batch.id])
        case .replay:
            let keyspaces = batch.mutations.map { replica.table($0.table)?.keyspace }
            do throws(CoordinationError) {
                let machine = try BatchReplay(batch: batch, keyspaces: keyspaces, view: view)
                replaysUnderWay += 1
                ReplayOperation(machine, batch, coordinator) { [weak self] isDone in
                    guard let self else { return }
                    replaysUnderWay -= 1
                    if isDone { replica.removeBatches([batch.id]) }
                    advanceReplays()
                }.start()
            } catch {
                environment.log(.warning, "a logged batch cannot be written yet: \(error)")
            }
        }
    }
}
