/// Why bytes are not a key of the kind that was expected.
package enum KeyFormatError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The key ends too early.
    case truncated(byteCount: Int)
    /// A zero byte of an escaped part is followed by neither 0x00 nor 0xFF.
    case malformedEscape(offset: Int)
    /// The key is not that of a row.
    case notARow(kind: UInt8)
    /// The key goes on behind its end.
    case trailingBytes(count: Int)
    /// A partition key, or a column's part of one, is too long.
    case tooLong(limit: Int, actual: Int)
    /// A partition key has no columns.
    case noColumns
    /// The bytes of a partition key are not those of so many columns.
    case notComposite(columnCount: Int)

    package var description: String {
        switch self {
        case .truncated(let count): "the storage key ends too early, after \(count) bytes"
        case .malformedEscape(let offset):
            "the storage key is malformed at byte \(offset): 0x00 or 0xFF expected behind 0x00"
        case .notARow(let kind): "the storage key is of kind \(kind), not a row's"
        case .trailingBytes(let count): "the storage key has \(count) bytes behind its end"
        case .tooLong(let limit, let actual):
            "the partition key has \(actual) bytes, the limit is \(limit): use a shorter key"
        case .noColumns: "a partition key needs at least one column"
        case .notComposite(let count):
            "the partition key is not that of a table whose key has \(count) columns"
        }
    }
}
