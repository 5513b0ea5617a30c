internal import Synchronization

/// A store in memory that loses what was not synced when it crashes: for the simulator and tests.
///
/// It behaves as RocksDB does with Martlet's merge operator on a disk that forgets. One object is
/// one disk: `crash` is the loss of power and the opening after it, and what failed stays failed
/// until then.
package final class ModelBackend: StoreBackend {
    /// Something that the disk does wrong once.
    package enum Fault: Hashable, Sendable {
        /// The next write (or replacement, or deletion) fails; its group may survive a crash.
        case write
        /// The next sync fails, that of a synced write too; its group may survive a crash.
        case sync
    }

    private let state: Mutex<State>

    /// An empty disk; `path` names it in errors.
    package init(path: String = "model") {
        state = Mutex(State(path: path))
    }

    // MARK: - The disk's faults

    /// Loses power and opens the store again: of the unsynced groups the `keeping` oldest survive,
    /// whole, and the others are gone.
    ///
    /// A write that failed counts as the newest group, since its bytes may have reached the disk.
    package func crash(keeping groups: Int = 0) {
        state.withLock { $0.crash(keeping: groups) }
    }

    /// The groups that a crash may take back, a failed one included.
    package var unsyncedGroups: Int {
        state.withLock { $0.undo.count + ($0.failedGroup == nil ? 0 : 1) }
    }

    /// Makes the next call of a kind fail.
    package func inject(_ fault: Fault) {
        state.withLock { _ = $0.faults.insert(fault) }
    }

    /// Fills the disk, or makes room again: while it is full every write fails, also after a crash.
    package func setFull(_ isFull: Bool) {
        state.withLock { $0.isFull = isFull }
    }

    /// Takes back the faults that have not struck yet, and makes room; a store that failed stays so.
    package func clearFaults() {
        state.withLock { state in
            state.faults = []
            state.isFull = false
        }
    }

    /// Damages a range, as a broken table file does: its rows cannot be read until `deleteRows` is
    /// called for a range that contains all of it.
    ///
    /// - Parameters:
    ///   - range: the rows.
    ///   - isUnreadable: whether reads of what is damaged fail as an I/O error from now on, and not
    ///     as a checksum that differs.
    package func damage(_ range: KeyRange, isUnreadable: Bool = false) {
        state.withLock { state in
            state.damaged.append(range)
            state.isUnreadable = isUnreadable
        }
    }

    /// Whether some range is damaged.
    package var isDamaged: Bool { state.withLock { !$0.damaged.isEmpty } }

    /// Replaces the disk by an empty one, opened.
    package func wipe() {
        state.withLock { state in
            let diskReadEvery = state.diskReadEvery
            state = State(path: state.path)
            state.diskReadEvery = diskReadEvery
        }
    }

    /// Makes every n-th ``readFromMemory(_:)`` need the disk; 0 (as at first) for none, 1 for all.
    package func needDisk(everyNthRead n: Int) {
        state.withLock { $0.diskReadEvery = n }
    }

    /// Why nothing is written any more, or nil.
    package var failure: StorageError? { state.withLock { $0.failure } }

    /// The number of rows.
    package var rowCount: Int { state.withLock { $0.rows.count } }

    // MARK: - StoreReading

    /// Reads one row if memory holds what it takes: never waits for the disk.
    package func readFromMemory(_ key: [UInt8]) throws(StorageError) -> MemoryRead {
        try access { state throws(StorageError) in
            if state.diskReadEvery > 0 {
                state.memoryReads += 1
                if state.memoryReads % state.diskReadEvery == 0 { return .needsDisk }
            }
            return try state.read(key).map { .found($0) } ?? .absent
        }
    }

    /// Reads rows in the order of the keys, nil where there is none.
    package func read(_ keys: [[UInt8]]) throws(StorageError) -> [[UInt8]?] {
        try access { state throws(StorageError) in
            var rows: [[UInt8]?] = []
            rows.reserveCapacity(keys.count)
            for key in keys { rows.append(try state.read(key)) }
            return rows
        }
    }

    /// Reads the first rows of a range.
    package func scan(
        _ range: KeyRange,
        rowsMax: Int,
        bytesMax: Int
    ) throws(StorageError) -> StoreScan {
        try access { state throws(StorageError) in
            try state.scan(range, rowsMax: rowsMax, bytesMax: bytesMax)
        }
    }

    /// Reads a value of the node's own, nil if there is none.
    package func readLocal(_ key: [UInt8]) throws(StorageError) -> [UInt8]? {
        state.withLock { $0.local[key] }
    }

    /// Reads some of the node's own values, in the order of their keys.
    package func scanLocal(
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        state.withLock { $0.local.page(range, limit: limit, bytesMax: bytesMax).found }
    }

    /// Reads some hints, in the order of their keys.
    package func scanHints(
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        state.withLock { $0.hints.page(range, limit: limit, bytesMax: bytesMax).found }
    }

    /// The rows that an error of corruption may concern; nil if it does not tell.
    package func damagedRange(_ error: StorageError) -> KeyRange? {
        guard error.asDamage != nil else { return nil }
        return state.withLock { $0.damaged.first }
    }

    // MARK: - StoreBackend

    /// Writes batches as one atomic group.
    package func write(_ batches: [StoreWrites], synced: Bool) throws(StorageError) {
        try access { state throws(StorageError) in
            try state.change(.writes(batches), "commit writes", synced: synced)
        }
    }

    /// Makes all earlier writes survive a loss of power.
    package func sync() throws(StorageError) {
        try access { state throws(StorageError) in try state.sync() }
    }

    /// Puts rows in the place of what their keys hold, as one atomic group.
    package func replace(
        _ rows: [(key: [UInt8], row: [UInt8]?)],
        synced: Bool
    ) throws(StorageError) {
        try access { state throws(StorageError) in
            try state.change(.rows(rows), "replace rows", synced: synced)
        }
    }

    /// Removes the rows of a range, a bounded piece of it, unsynced.
    package func deleteRows(
        in range: KeyRange,
        from position: [UInt8]?,
        bytesMax: Int
    ) throws(StorageError) -> [UInt8]? {
        try access { state throws(StorageError) in
            let rest = range.rest(from: position)
            try state.checkDamage(inside: range)
            var keys: [[UInt8]] = []
            var bytes = 0
            var next: [UInt8]?
            state.rows.forEach(in: rest) { entry in
                guard bytes < bytesMax else {
                    next = entry.key
                    return false
                }
                bytes += entry.key.count + 16
                keys.append(entry.key)
                return true
            }
            let piece = KeyRange(lower: rest.lower, upper: next ?? rest.upper)
            try state.change(.deletion(keys, of: piece), "delete rows", synced: false)
            return next
        }
    }

    /// `Mutex.withLock` with an error of one type.
    private func access<Value: Sendable>(
        _ body: (inout State) throws(StorageError) -> Value
    ) throws(StorageError) -> Value {
        let result = state.withLock { state in
            Result { () throws(StorageError) in try body(&state) }
        }
        return try result.get()
    }
}
