package import Catalog
package import TokenPlacement

/// Where a row of a table without clustering key is stored.
///
/// Keys sort by table, token and partition key, so that a slice of the ring is one range.
package struct RowKey: Hashable, Comparable, Sendable {
    /// What a key of a partition holds, in the order in which they sort.
    package enum Kind: UInt8, Sendable {
        case partitionTombstone = 0x10
        case rangeTombstone = 0x20
        case staticRow = 0x30
        case row = 0x40
    }

    /// The table.
    package var table: TableID
    /// The partition key's token.
    package var token: Token
    /// The serialised partition key (``PartitionKeyCoding``).
    package var partitionKey: [UInt8]

    /// A key with all its parts.
    package init(table: TableID, token: Token, partitionKey: [UInt8]) {
        self.table = table
        self.token = token
        self.partitionKey = partitionKey
    }

    /// The key of a partition key, whose token is computed.
    package init(table: TableID, partitionKey: [UInt8]) {
        self.init(
            table: table,
            token: Token(partitionKey: partitionKey),
            partitionKey: partitionKey
        )
    }

    /// The row's key in the store.
    package var encoded: [UInt8] { encoded(.row) }

    /// The key in the store of something else that belongs to the same partition.
    package func encoded(_ kind: Kind) -> [UInt8] {
        var bytes = Self.prefix(table: table, token: token, capacity: partitionKey.count + 19)
        for byte in partitionKey {
            bytes.append(byte)
            if byte == 0 { bytes.append(0xFF) }
        }
        bytes.append(0)
        bytes.append(0)
        bytes.append(kind.rawValue)
        return bytes
    }

    /// The key that is stored as some bytes, which must be those of a row without clustering key.
    package init(decoding bytes: [UInt8]) throws(KeyFormatError) {
        guard bytes.count >= 15 else { throw .truncated(byteCount: bytes.count) }
        table = TableID(bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) })
        let position = bytes[4..<12].reduce(0) { $0 << 8 | UInt64($1) }
        token = Token(Int64(bitPattern: position ^ 1 << 63))
        partitionKey = []
        partitionKey.reserveCapacity(bytes.count - 15)
        var index = 12
        while true {
            guard index + 1 < bytes.count else { throw .truncated(byteCount: bytes.count) }
            guard bytes[index] == 0 else {
                partitionKey.append(bytes[index])
                index += 1
                continue
            }
            let second = bytes[index + 1]
            index += 2
            if second == 0 { break }
            guard second == 0xFF else { throw .malformedEscape(offset: index - 1) }
            partitionKey.append(0)
        }
        guard index < bytes.count else { throw .truncated(byteCount: bytes.count) }
        guard bytes[index] == Kind.row.rawValue else { throw .notARow(kind: bytes[index]) }
        guard index + 1 == bytes.count else {
            throw .trailingBytes(count: bytes.count - index - 1)
        }
    }

    /// What all keys of a table begin with.
    package static func tablePrefix(_ table: TableID) -> [UInt8] {
        withUnsafeBytes(of: table.value.bigEndian) { Array($0) }
    }

    /// The range of all keys of a table.
    package static func tableRange(_ table: TableID) -> KeyRange {
        let prefix = tablePrefix(table)
        return KeyRange(lower: prefix, upper: KeyRange.successor(of: prefix))
    }

    /// The range of all keys of a table with tokens from the first to the last, both included.
    package static func sliceRange(table: TableID, tokens: ClosedRange<Token>) -> KeyRange {
        let last = tokens.upperBound.value
        return KeyRange(
            lower: prefix(table: table, token: tokens.lowerBound, capacity: 12),
            upper: last == .max
                ? KeyRange.successor(of: tablePrefix(table))
                : prefix(table: table, token: Token(last + 1), capacity: 12)
        )
    }

    private static func prefix(table: TableID, token: Token, capacity: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(capacity)
        withUnsafeBytes(of: table.value.bigEndian) { bytes.append(contentsOf: $0) }
        let position = UInt64(bitPattern: token.value) ^ 1 << 63
        withUnsafeBytes(of: position.bigEndian) { bytes.append(contentsOf: $0) }
        return bytes
    }

    package static func < (left: Self, right: Self) -> Bool {
        if left.table != right.table { return left.table < right.table }
        if left.token != right.token { return left.token < right.token }
        return ByteOrder.precedes(left.partitionKey, right.partitionKey)
    }
}
