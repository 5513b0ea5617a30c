/// One atomic batch of writes: after a crash all of it is there, or none.
///
/// Sweeps and drops are the exception: they are done piece by piece behind the rest of the batch, so
/// that one large table does not hold up everybody's writes. A crash before the acknowledgement
/// leaves a part; asking again finishes it.
package struct StoreWrites: Sendable {
    /// What a batch is promised before it is acknowledged, where the node syncs at all.
    package enum Durability: UInt8, Hashable, Sendable {
        /// It is synced with the next period: a loss of power may take it back.
        case periodic = 0
        /// It is synced to the disk.
        case synced = 1
    }

    /// A row to sweep.
    package struct Sweep: Hashable, Sendable {
        /// The row's key.
        package var key: [UInt8]
        /// The second as of which cells expire.
        package var nowSeconds: Int64
        /// The second before which deletions and expiries are dropped.
        package var purgeBeforeSeconds: Int64
    }

    /// What the batch is promised before it is acknowledged.
    ///
    /// A group of batches is synced before its answers if one of them is to be, or touches the
    /// node's own keys.
    package var durability = Durability.synced
    /// Operands to merge into rows, by row key.
    package private(set) var merges: [(key: [UInt8], operand: [UInt8])] = []
    /// Values of the node's own keys to set.
    package private(set) var localPuts: [(key: [UInt8], value: [UInt8])] = []
    /// The node's own keys to remove.
    package private(set) var localDeletes: [[UInt8]] = []
    /// Hints to keep, by their keys.
    package private(set) var hintPuts: [(key: [UInt8], value: [UInt8])] = []
    /// Keys of hints to remove.
    package private(set) var hintDeletes: [[UInt8]] = []
    /// Rows to sweep.
    package private(set) var sweeps: [Sweep] = []
    /// Ranges of row keys to remove with all their rows.
    package private(set) var droppedRanges: [KeyRange] = []
    /// What the batch counts against the writer's queue: its keys and values, 16 for each.
    package private(set) var bytes = 0

    /// An empty batch.
    package init() {}

    /// Whether there is nothing to write.
    package var isEmpty: Bool { !hasPuts && !hasChores }

    /// Whether something is written at once, with the batch's group.
    package var hasPuts: Bool {
        !merges.isEmpty || touchesLocal || !hintPuts.isEmpty || !hintDeletes.isEmpty
    }

    /// Whether something is done piece by piece behind the batch's group.
    package var hasChores: Bool { !sweeps.isEmpty || !droppedRanges.isEmpty }

    /// Whether the node's own keys change.
    ///
    /// They hold the cluster log among others: what they promise must not be lost with a period.
    package var touchesLocal: Bool { !localPuts.isEmpty || !localDeletes.isEmpty }

    /// Merges `operand` into the row `key`.
    package mutating func merge(_ operand: [UInt8], into key: [UInt8]) {
        bytes += key.count + operand.count + 16
        merges.append((key, operand))
    }

    /// Sets a key of the node's own.
    package mutating func putLocal(_ value: [UInt8], for key: [UInt8]) {
        bytes += key.count + value.count + 16
        localPuts.append((key, value))
    }

    /// Removes a key of the node's own, after the puts of the same batch.
    package mutating func deleteLocal(_ key: [UInt8]) {
        bytes += key.count + 16
        localDeletes.append(key)
    }

    /// Keeps a hint.
    package mutating func putHint(_ value: [UInt8], for key: [UInt8]) {
        bytes += key.count + value.count + 16
        hintPuts.append((key, value))
    }

    /// Removes a hint, after the puts of the same batch.
    package mutating func deleteHint(_ key: [UInt8]) {
        bytes += key.count + 16
        hintDeletes.append(key)
    }

    /// Sweeps the row `key`: the writer reads it again, merged, and puts what ``RowSweep`` leaves.
    ///
    /// No merge is lost by it, as nobody else writes meanwhile. A row that cannot be decoded is
    /// left as it is.
    package mutating func sweep(
        _ key: [UInt8],
        nowSeconds: Int64,
        purgeBeforeSeconds: Int64
    ) {
        bytes += key.count + 32
        sweeps.append(
            Sweep(key: key, nowSeconds: nowSeconds, purgeBeforeSeconds: purgeBeforeSeconds)
        )
    }

    /// Removes all rows whose key begins with `prefix`: a dropped table.
    ///
    /// Nobody may write under the prefix any more; a table id is never used again.
    package mutating func drop(prefix: [UInt8]) {
        drop(range: KeyRange(lower: prefix, upper: KeyRange.successor(of: prefix)))
    }

    /// Removes all rows of a range, such as a slice that is rebuilt.
    ///
    /// What is written into the range before the batch is answered may go as well.
    package mutating func drop(range: KeyRange) {
        bytes += range.lower.count + (range.upper?.count ?? 0) + 16
        droppedRanges.append(range)
    }

    /// Why the batch cannot be written whatever the state of the store, or nil.
    package func problem(bytesMax: Int) -> String? {
        if bytes > bytesMax {
            return "a batch has \(bytes) bytes, the limit (writerQueueBytesMax) is \(bytesMax): "
                + "split it"
        }
        if droppedRanges.contains(.all) {
            return "the range of all keys would drop every table: give a table's prefix or a "
                + "slice's range"
        }
        return nil
    }
}
