/// One atomic batch of writes: after a crash all of it is there, or none.
///
/// Dropped prefixes are the exception: they are removed piece by piece, so that one large table
/// does not hold up everybody's writes, and a crash before the acknowledgement leaves a part;
/// dropping again finishes it.
package struct StoreWrites: Sendable {
    /// Operands to merge into rows, by row key.
    package private(set) var merges: [(key: [UInt8], operand: [UInt8])] = []
    /// Values of the node's own keys to set.
    package private(set) var localPuts: [(key: [UInt8], value: [UInt8])] = []
    /// The node's own keys to remove.
    package private(set) var localDeletes: [[UInt8]] = []
    /// Prefixes of row keys to remove with all their rows.
    package private(set) var droppedPrefixes: [[UInt8]] = []
    /// What the batch counts against the writer's queue: its keys and values, 16 for each.
    package private(set) var bytes = 0

    /// An empty batch.
    package init() {}

    /// Whether there is nothing to write.
    package var isEmpty: Bool {
        merges.isEmpty && localPuts.isEmpty && localDeletes.isEmpty && droppedPrefixes.isEmpty
    }

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

    /// Removes all rows whose key begins with `prefix`: a dropped table.
    ///
    /// Nobody may write under the prefix any more; a table id is never used again.
    package mutating func drop(prefix: [UInt8]) {
        bytes += prefix.count + 16
        droppedPrefixes.append(prefix)
    }

    /// Why the batch cannot be written whatever the state of the store, or nil.
    func problem(bytesMax: Int) -> String? {
        if bytes > bytesMax {
            return "a batch has \(bytes) bytes, the limit (writerQueueBytesMax) is \(bytesMax): "
                + "split it"
        }
        if droppedPrefixes.contains([]) {
            return "an empty prefix would drop every table: give a table's prefix"
        }
        return nil
    }
}
