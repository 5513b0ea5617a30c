/// How the values of a partition key's columns become the bytes that are hashed and stored: as
/// Cassandra does, so that drivers compute the same tokens.
///
/// One column: its value as it is. Several: CompositeType, that is each value behind its 16-bit
/// length and before a zero byte.
package enum PartitionKeyCoding {
    /// The most bytes of a serialised partition key (Cassandra's limit).
    package static let byteCountMax = 65_535

    /// The partition key of the values of its columns, in the key's order.
    package static func encode(_ values: [[UInt8]]) throws(KeyFormatError) -> [UInt8] {
        guard let first = values.first else { throw .noColumns }
        let byteCount =
            values.count == 1 ? first.count : values.reduce(0) { $0 + 3 + $1.count }
        guard byteCount <= byteCountMax else {
            throw .tooLong(limit: byteCountMax, actual: byteCount)
        }
        guard values.count > 1 else { return first }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        for value in values {
            bytes.append(UInt8(value.count >> 8))
            bytes.append(UInt8(value.count & 0xFF))
            bytes.append(contentsOf: value)
            bytes.append(0)
        }
        return bytes
    }

    /// The values of a partition key's columns.
    package static func decode(
        _ bytes: [UInt8],
        columnCount: Int
    ) throws(KeyFormatError) -> [[UInt8]] {
        guard columnCount > 0 else { throw .noColumns }
        guard columnCount > 1 else { return [bytes] }
        var values: [[UInt8]] = []
        var index = 0
        while index < bytes.count, values.count < columnCount {
            guard bytes.count - index >= 3 else { break }
            let length = Int(bytes[index]) << 8 | Int(bytes[index + 1])
            let end = index + 2 + length
            guard end < bytes.count, bytes[end] == 0 else { break }
            values.append(Array(bytes[index + 2..<end]))
            index = end + 1
        }
        guard index == bytes.count, values.count == columnCount else {
            throw .notComposite(columnCount: columnCount)
        }
        return values
    }
}
