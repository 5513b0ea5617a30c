internal import Catalog
internal import Coordination
internal import PeerMessages
internal import Replication
internal import Storage
internal import TokenPlacement

/// The batch log: batches whose coordinator did not say that they are done are written.
extension Upkeep {
    /// What was found under the key of a batch.
    private enum Entry: Sendable {
        case batch(StoredBatch)
        case unreadable
        case missing
    }

    /// Begins to write what is due, as much as may be under way: a node that does not answer must
    /// not hold up the rest.
    func replayBatches() {
        guard !isStopped else { return }
        let micros = hints.clock.micros(at: environment.now)
        for id in replica.batches.withBook({ $0.takeDue(nowMicros: micros) }) { readBatch(id) }
    }

    private func readBatch(_ id: NodeID) {
        let key = LocalKeys.batch(id)
        let isTaken = environment.runOnPool(.background) { store throws(StorageError) in
            guard let value = try store.readLocal(key) else { return Entry.missing }
            return (try? StoredBatch(decoding: value)).map(Entry.batch) ?? .unreadable
        } completion: { [weak self] (result: Result<Entry, StorageError>) in
            guard let self, !isStopped else { return }
            switch result {
            case .success(.batch(let batch)): handle(batch)
            case .success(.unreadable):
                environment.log(.error, "an entry of the batch log cannot be read; it is kept")
                postpone(id)
            // Its coordinator was faster.
            case .success(.missing): replica.batches.withBook { $0.removed(id) }
            case .failure(let error):
                environment.log(.error, "the batch log cannot be read: \(error)")
                postpone(id)
            }
            // What ended at once leaves room.
            replayBatches()
        }
        if !isTaken { postpone(id) }
    }

    private func handle(_ batch: StoredBatch) {
        // This node is behind with the cluster log: it will hear of those tables.
        let next = replica.state.nextTableID
        guard batch.mutations.allSatisfy({ $0.table < next }) else {
            postpone(batch.id)
            return
        }
        let tables = batch.mutations.map { replica.table($0.table) }
        let decision = BatchReplay.decision(
            receivedMicros: batch.createdMicros,
            nowMicros: hints.clock.micros(at: environment.now),
            ageMaxSeconds: BatchReplay.ageMaxSeconds(
                hintWindowSeconds: settings.hints.windowSeconds,
                skewMarginSeconds: settings.hints.skewMarginSeconds,
                gcGraceSeconds: tables.compactMap { $0.map { Int64($0.options.gcGraceSeconds) } }
            )
        )
        switch decision {
        case .expired: expire(batch, tables)
        case .replay: replay(batch, tables)
        }
    }

    private func replay(_ batch: StoredBatch, _ tables: [TableDefinition?]) {
        guard let coordinator else { return }
        guard !faults.contains(.droppedBatch) else {
            removeBatch(batch.id)
            return
        }
        do throws(CoordinationError) {
            let machine = try BatchReplay(
                batch: batch,
                keyspaces: tables.map { $0?.keyspace },
                view: view
            )
            ReplayOperation(machine, batch, coordinator) { [weak self] isDone in
                guard let self else { return }
                if isDone {
                    removeBatch(batch.id)
                } else {
                    postpone(batch.id)
                    replayBatches()
                }
            }.start()
        } catch {
            environment.log(.warning, "a logged batch cannot be written yet: \(error)")
            postpone(batch.id)
        }
    }

    /// Leaves what a batch has written, or not, to repair: nobody knows which replica lacks what.
    private func expire(_ batch: StoredBatch, _ tables: [TableDefinition?]) {
        var marks: [DirtyMark] = []
        var slices: Set<SliceID> = []
        for (mutation, table) in zip(batch.mutations, tables) {
            guard let table else { continue }
            guard let replicated = replicated(table) else {
                postpone(batch.id)
                return
            }
            let slice = SliceID.slice(
                of: mutation.partition.token,
                sliceCount: replicated.sliceCount
            )
            guard slices.insert(SliceID(table.id, slice)).inserted else { continue }
            marks += replicated.replicas(ofSlice: slice).map {
                DirtyMark(table: table.id, slice: slice, target: $0, sinceSeconds: wallSeconds)
            }
        }
        environment.log(
            .warning,
            """
            a logged batch was never finished and is too old to be: it is dropped, and \
            \(slices.count) slices that it wrote to, perhaps in part, are repaired
            """
        )
        // The marks first: a crash in between only repeats them.
        noteDirty(marks, tellsReplicas: true) { [weak self] result in
            switch result {
            case .success: self?.removeBatch(batch.id)
            case .failure: self?.postpone(batch.id)
            }
        }
    }

    private func removeBatch(_ id: NodeID) {
        replica.removeBatches([id]) { [weak self] result in
            guard let self else { return }
            if case .failure = result { postpone(id) }
            replayBatches()
        }
    }

    private func postpone(_ id: NodeID) {
        let micros = hints.clock.micros(at: environment.now)
        replica.batches.withBook { $0.failed(id, nowMicros: micros) }
    }
}
