internal import Catalog
internal import Coordination
internal import PeerMessages
package import Replication
internal import Storage
internal import Synchronization
internal import TokenPlacement

/// The accounts of a node's hints, shared by its loops.
package final class SharedHints: Sendable {
    private let book: Mutex<HintBook>

    /// The accounts of what was found on disk.
    package init(settings: HintSettings, records: UpkeepRecords) {
        var book = HintBook(settings: settings)
        for hint in records.hints { book.restore(key: hint.key, valueBytes: hint.valueBytes) }
        self.book = Mutex(book)
    }

    /// Works with the accounts.
    func withBook<Value>(_ body: (inout HintBook) -> sending Value) -> sending Value {
        book.withLock { body(&$0) }
    }
}

extension LoopCoordinator {
    /// Keeps mutations for a replica that lacks them, as far as there is room; where there is not,
    /// their slices are marked for repair.
    ///
    /// - Parameters:
    ///   - mutations: what the replica lacks.
    ///   - node: the replica.
    ///   - synced: whether the hints must survive a loss of power once stored.
    ///   - completion: hears whether all mutations are kept.
    func storeHints(
        _ mutations: [Mutation],
        for node: NodeID,
        synced: Bool,
        completion: @escaping (Bool) -> Void
    ) {
        var writes = StoreWrites()
        writes.durability = synced ? .synced : .periodic
        var stored: [(key: [UInt8], valueBytes: Int, slice: SliceID)] = []
        var marks: [DirtyMark] = []
        var isComplete = true
        let micros = environment.wallMicros
        for mutation in mutations {
            let value = mutation.encoded
            let slice = SliceID(
                mutation.table,
                SliceID.slice(of: mutation.partition.token, sliceCount: view.sliceCount)
            )
            let admission = hints.withBook { book in
                book.admit(
                    target: node,
                    table: slice.table,
                    slice: slice.slice,
                    bytes: value.count,
                    wallMicros: micros
                )
            }
            switch admission {
            case .store(let key):
                writes.putHint(value, for: key.encoded)
                stored.append((key.encoded, value.count, slice))
            case .overflow(let mark):
                isComplete = false
                if let mark { marks.append(mark) }
            }
        }
        give(marks)
        guard !stored.isEmpty else {
            completion(false)
            return
        }
        let isTaken = environment.submit(writes) { [self] error in
            if error == nil {
                upkeep.perform { $0.hintStored(for: node) }
            } else {
                forget(stored, for: node)
            }
            completion(error == nil && isComplete)
        }
        guard !isTaken else { return }
        forget(stored, for: node)
        completion(false)
    }

    /// Hints that could not be written: repair makes up for them.
    private func forget(
        _ stored: [(key: [UInt8], valueBytes: Int, slice: SliceID)],
        for node: NodeID
    ) {
        let seconds = nowSeconds
        let marks = hints.withBook { book in
            stored.compactMap { hint in
                book.removed(key: hint.key, valueBytes: hint.valueBytes)
                return book.mark(hint.slice, node, nowSeconds: seconds)
            }
        }
        give(marks)
    }

    private func give(_ marks: [DirtyMark]) {
        guard !marks.isEmpty else { return }
        upkeep.perform { $0.noteDirty(marks, tellsReplicas: true) { _ in } }
    }
}

extension ClusterView {
    /// The number of the ring's slices; 1 while there is no ring.
    var sliceCount: Int { state.slices?.sliceCount ?? 1 }
}
