internal import ByteCoding
package import Catalog
package import Replication
package import Storage
package import TokenPlacement

/// The keys of what a node keeps for itself; those of its slices are `SliceKeys`.
package enum LocalKeys {
    /// The node's id: sixteen bytes.
    package static let nodeID = Array("node/id".utf8)
    /// There while tables may appear whose rows were lost with this node's disk: `LostDiskDuty`.
    package static let lostDisk = Array("node/lost-disk".utf8)
    /// There while not all slices have the marks that make up for hints that were lost: `LostHints`.
    package static let lostHints = Array("node/lost-hints".utf8)
    /// There while the lost disk is one whose write-ahead log was damaged: its rows are there but for
    /// what the log held.
    package static let lostLog = Array("node/lost-log".utf8)
    /// There while rows are not looked through that a compaction could not read: their range.
    package static let suspectRows = Array("node/suspect-rows".utf8)
    /// What the keys of drops begin with that a damaged file stands in the way of: at the next start
    /// it is taken out.
    package static let cutPrefix = Array("cut/".utf8)
    /// What the keys begin with of ranges whose rows were lost with a table file that the store did not
    /// open with: there until their slices are refused, and dropped to be rebuilt.
    package static let lostRowsPrefix = Array("lost-rows/".utf8)
    /// What the keys of log entries begin with.
    package static let logPrefix = Array("log/".utf8)
    /// What the keys of logged batches begin with.
    package static let batchPrefix = Array("batch/".utf8)

    /// The key of the entry of an epoch; keys sort as epochs do.
    package static func logEntry(_ epoch: Epoch) -> [UInt8] {
        logPrefix + withUnsafeBytes(of: epoch.value.bigEndian) { Array($0) }
    }

    /// The key of a logged batch.
    package static func batch(_ id: NodeID) -> [UInt8] { batchPrefix + id.bytes }

    /// The batch whose key this is; nil for other keys.
    package static func batch(decoding key: [UInt8]) -> NodeID? {
        guard key.starts(with: batchPrefix), key.count == batchPrefix.count + 16 else { return nil }
        let (high, low) = (key.dropLast(8).suffix(8), key.suffix(8))
        return NodeID(
            high: high.reduce(0) { $0 << 8 | UInt64($1) },
            low: low.reduce(0) { $0 << 8 | UInt64($1) }
        )
    }

    /// The key of a drop, by the first of its slices; its value is the range.
    package static func cut(_ slice: SliceID) -> [UInt8] {
        var writer = ByteWriter(capacity: 12)
        writer.writeBytes(cutPrefix)
        writer.writeUInt32(slice.table.value)
        writer.writeUInt32(UInt32(truncatingIfNeeded: slice.slice))
        return writer.bytes
    }

    /// The slice of the key of a drop; nil for other keys.
    package static func cut(decoding key: [UInt8]) -> SliceID? {
        guard key.starts(with: cutPrefix) else { return nil }
        var reader = ByteReader(Array(key.dropFirst(cutPrefix.count)))
        guard let table = try? reader.readUInt32(), let slice = try? reader.readUInt32(),
            reader.isAtEnd
        else { return nil }
        return SliceID(TableID(table), Int(slice))
    }

    /// The key of a range whose rows were lost; it has no value.
    package static func lostRows(_ range: KeyRange) -> [UInt8] { lostRowsPrefix + value(of: range) }

    /// The range of a key of lost rows.
    package static func lostRows(decoding key: [UInt8]) -> KeyRange {
        range(decoding: Array(key.dropFirst(lostRowsPrefix.count)))
    }

    /// A range of rows as a value: the length of its lower bound and that bound, then the upper one, if
    /// there is one, behind a 1.
    package static func value(of range: KeyRange) -> [UInt8] {
        var writer = ByteWriter(capacity: 16)
        writer.writeUInt32(UInt32(truncatingIfNeeded: range.lower.count))
        writer.writeBytes(range.lower)
        if let upper = range.upper {
            writer.writeUInt8(1)
            writer.writeBytes(upper)
        }
        return writer.bytes
    }

    /// The range that a value says; all rows if it cannot be read.
    package static func range(decoding value: [UInt8]) -> KeyRange {
        var reader = ByteReader(value)
        guard let count = try? reader.readUInt32(), Int(count) <= reader.remaining else {
            return .all
        }
        let lower = Array(value[4..<4 + Int(count)])
        let rest = value[(4 + Int(count))...]
        return KeyRange(lower: lower, upper: rest.first == 1 ? Array(rest.dropFirst()) : nil)
    }
}
