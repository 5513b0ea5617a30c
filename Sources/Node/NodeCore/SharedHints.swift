internal import Catalog
internal import Coordination
internal import PeerMessages
package import Replication
internal import Storage
internal import Synchronization
internal import TokenPlacement

/// The accounts of a node's hints, shared by its loops.
package final class SharedHints: Sendable {
    /// What the ages of hints and logged batches are measured by.
    let clock: SteadyClock
    private let book: Mutex<HintBook>

    /// The accounts of what was found on disk.
    package init(settings: HintSettings, records: UpkeepRecords, clock: SteadyClock) {
        self.clock = clock
        var book = records.hints
        book.settings = settings
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
    ///   - synced: whether what is said of hints and marks must survive a loss of power; marks of
    ///     others are not waited for.
    ///   - createdMicros: when the write began, by ``steadyMicros``: a hint is as old as its write,
    ///     however late it is made.
    ///   - completion: hears what became of the mutations.
    func storeHints(
        _ mutations: [Mutation],
        for node: NodeID,
        synced: Bool,
        createdMicros: Int64,
        completion: @escaping (HintOutcome) -> Void
    ) {
        var writes = StoreWrites()
        writes.durability = synced ? .synced : .periodic
        var stored: [(key: [UInt8], valueBytes: Int, slice: SliceID)] = []
        var holes = Holes(target: node, sinceSeconds: nowSeconds, includesKnown: synced)
        let isYoung = mayBeHinted(createdMicros)
        for mutation in mutations {
            let value = mutation.encoded
            let slice = SliceID(
                mutation.table,
                SliceID.slice(of: mutation.partition.token, sliceCount: view.sliceCount)
            )
            let admission = hints.withBook { book in
                // Who hands hints over would find it too old, and mark the slice later.
                isYoung
                    ? book.admit(
                        target: node,
                        table: slice.table,
                        slice: slice.slice,
                        bytes: value.count,
                        createdMicros: createdMicros,
                        nowSeconds: holes.sinceSeconds
                    ) : .overflow(book.mark(slice, node, nowSeconds: holes.sinceSeconds))
            }
            switch admission {
            case .store(let key):
                writes.putHint(value, for: key.encoded)
                stored.append((key.encoded, value.count, slice))
            case .overflow(let mark): holes.add(slice, isNew: mark != nil)
            }
        }
        let written = { [self] (isWritten: Bool) in
            if !isWritten { forget(stored, &holes) }
            if isWritten, !stored.isEmpty { upkeep.perform { $0.hintStored(for: node) } }
            give(holes, awaited: synced, completion: completion)
        }
        guard !stored.isEmpty else {
            written(true)
            return
        }
        if !environment.submit(writes, completion: { written($0 == nil) }) { written(false) }
    }

    /// Whether a write is of an age at which its hint is handed over.
    private func mayBeHinted(_ createdMicros: Int64) -> Bool {
        let settings = hints.withBook { $0.settings }
        let (age, isOver) = steadyMicros.subtractingReportingOverflow(createdMicros)
        return !isOver && age / 1_000_000 < settings.windowSeconds
            && age / 1_000_000 >= -settings.skewMarginSeconds
    }

    /// Hints that could not be written: repair makes up for them.
    private func forget(
        _ stored: [(key: [UInt8], valueBytes: Int, slice: SliceID)],
        _ holes: inout Holes
    ) {
        let (target, seconds) = (holes.target, holes.sinceSeconds)
        for hint in stored {
            let mark = hints.withBook { book in
                book.removed(key: hint.key, valueBytes: hint.valueBytes)
                return book.mark(hint.slice, target, nowSeconds: seconds)
            }
            holes.add(hint.slice, isNew: mark != nil)
        }
    }

    /// Has marks kept, and says what became of the mutations once that is known.
    private func give(
        _ holes: Holes,
        awaited: Bool,
        completion: @escaping (HintOutcome) -> Void
    ) {
        let (marks, known) = (holes.marks, holes.knownMarks)
        guard awaited, !holes.isEmpty else {
            if !marks.isEmpty {
                upkeep.perform { $0.noteDirty(marks, tellsReplicas: true) { _ in } }
            }
            completion(holes.isEmpty ? .stored : .failed)
            return
        }
        let answer = LoopBound(completion, on: environment)
        upkeep.perform { upkeep in
            upkeep.noteDirty(marks, tellsReplicas: true) { new in
                upkeep.noteDirty(known, tellsReplicas: false) { old in
                    let outcome: HintOutcome =
                        switch (new, old) {
                        case (.success, .success): .marked
                        case (.failure, _), (_, .failure): .failed
                        }
                    answer.perform { $0(outcome) }
                }
            }
        }
    }
}

/// The slices in which a replica lacks writes without hints.
private struct Holes {
    let target: NodeID
    let sinceSeconds: Int64
    /// Whether slices count of which marks were given out lately, and are on disk perhaps.
    let includesKnown: Bool
    private(set) var isEmpty = true
    /// To be kept, and told to the replicas.
    private(set) var marks: [DirtyMark] = []
    /// To be kept unless others cover them.
    private(set) var knownMarks: [DirtyMark] = []

    init(target: NodeID, sinceSeconds: Int64, includesKnown: Bool) {
        self.target = target
        self.sinceSeconds = sinceSeconds
        self.includesKnown = includesKnown
    }

    mutating func add(_ slice: SliceID, isNew: Bool) {
        isEmpty = false
        guard isNew || includesKnown else { return }
        let mark = DirtyMark(
            table: slice.table,
            slice: slice.slice,
            target: target,
            sinceSeconds: sinceSeconds
        )
        if isNew { marks.append(mark) } else { knownMarks.append(mark) }
    }
}

extension ClusterView {
    /// The number of the ring's slices; 1 while there is no ring.
    var sliceCount: Int { state.slices?.sliceCount ?? 1 }
}
