internal import ByteCoding
package import Storage
package import TokenPlacement

/// The key of a hint: for one node and slice they sort by time.
///
///     target(16) slice(4) created(8) sequence(4)      big-endian
package struct HintKey: Hashable, Comparable, Sendable {
    /// The bytes of a key.
    package static let byteCount = 32

    /// The node that lacks the write.
    package var target: NodeID
    /// The slice that the write is for.
    package var slice: Int
    /// The wall clock when it was made, in microseconds; never negative.
    package var createdMicros: Int64
    /// Tells hints of one microsecond apart.
    package var sequence: UInt32

    /// A key with all its parts.
    package init(target: NodeID, slice: Int, createdMicros: Int64, sequence: UInt32) {
        self.target = target
        self.slice = slice
        self.createdMicros = max(0, createdMicros)
        self.sequence = sequence
    }

    /// The key that the bytes are, or nil if they are none.
    package init?(decoding bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        var reader = ByteReader(bytes)
        guard let high = try? reader.readUInt64(), let low = try? reader.readUInt64(),
            let slice = try? reader.readUInt32(), let created = try? reader.readInt64(),
            let sequence = try? reader.readUInt32(), created >= 0
        else { return nil }
        self.init(
            target: NodeID(high: high, low: low),
            slice: Int(slice),
            createdMicros: created,
            sequence: sequence
        )
    }

    /// The key's bytes.
    package var encoded: [UInt8] {
        var writer = ByteWriter(capacity: Self.byteCount)
        writer.writeUInt64(target.high)
        writer.writeUInt64(target.low)
        writer.writeUInt32(UInt32(clamping: slice))
        writer.writeInt64(createdMicros)
        writer.writeUInt32(sequence)
        return writer.bytes
    }

    package static func < (left: Self, right: Self) -> Bool {
        if left.target != right.target { return left.target < right.target }
        return (left.slice, left.createdMicros, left.sequence)
            < (right.slice, right.createdMicros, right.sequence)
    }
}

/// Ranges of hints' keys.
package enum HintKeys {
    /// All hints for a node.
    package static func range(of target: NodeID) -> KeyRange {
        KeyRange(lower: target.bytes, upper: KeyRange.successor(of: target.bytes))
    }

    /// The hints for a node from a key on.
    package static func range(of target: NodeID, from key: [UInt8]?) -> KeyRange {
        let all = range(of: target)
        return KeyRange(lower: key ?? all.lower, upper: all.upper)
    }

    /// The least key of a node's hints for a slice.
    package static func start(of target: NodeID, slice: Int) -> [UInt8] {
        HintKey(target: target, slice: slice, createdMicros: 0, sequence: 0).encoded
    }

    /// The least key behind another one.
    package static func behind(_ key: [UInt8]) -> [UInt8] { key + [0] }
}
