internal import Catalog
internal import Storage
internal import TokenPlacement

/// The part of a key by which the cache finds it: its table and its token.
///
/// Tokens are hashes already, so little mixing is left to do; that of different keys may be equal,
/// so whoever finds a position compares the partition keys too.
struct RowCachePosition: Equatable {
    /// The table's number.
    let table: UInt32
    /// The token, as the store sorts it: with its sign bit flipped.
    let ordered: UInt64

    @inline(__always)
    init(_ key: RowKey) {
        table = key.table.value
        ordered = UInt64(bitPattern: key.token.value) ^ 1 << 63
    }

    /// The position in a storage key, or nil if it is too short to be that of a row.
    @inline(__always)
    init?(encoded key: UnsafeRawBufferPointer) {
        guard key.count >= Self.encodedByteCount + 3 else { return nil }
        table = UInt32(bigEndian: key.loadUnaligned(as: UInt32.self))
        ordered = UInt64(bigEndian: key.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
    }

    /// The bytes of a position in a storage key.
    static let encodedByteCount = 12

    /// The stripe is taken from the upper half, the place within it from the lower one.
    @inline(__always)
    var hash: UInt64 {
        var mixed = ordered ^ UInt64(table) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 32) &* 0xD6E8_FEB8_6659_FD93
        return mixed ^ mixed >> 32
    }

    /// The position as a number: the first twelve bytes of the storage key.
    var number: UInt128 { UInt128(table) << 64 | UInt128(ordered) }
}

/// The positions that a range of keys touches.
struct RowCacheSpan {
    private let numbers: Range<UInt128>

    init(_ range: KeyRange) {
        let first = Self.number(range.lower)
        let end = range.upper.map { upper in
            // A row's key is longer than a position, so it is behind a bound that is none.
            Self.number(upper) + (upper.count > RowCachePosition.encodedByteCount ? 1 : 0)
        }
        numbers = first..<max(first, end ?? .max)
    }

    /// Whether a key at the position may lie in the range.
    func contains(_ position: RowCachePosition) -> Bool { numbers.contains(position.number) }

    /// Whether every position of another span is one of this span.
    func contains(_ other: Self) -> Bool {
        numbers.lowerBound <= other.numbers.lowerBound
            && other.numbers.upperBound <= numbers.upperBound
    }

    /// The first twelve bytes of a key, those that lack taken for zeros.
    private static func number(_ key: [UInt8]) -> UInt128 {
        (0..<RowCachePosition.encodedByteCount).reduce(0) { number, index in
            number << 8 | UInt128(index < key.count ? key[index] : 0)
        }
    }
}

/// Comparisons of partition keys that allocate nothing.
enum RowCacheKey {
    /// Whether two partition keys are the same bytes.
    @inline(__always)
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in
                var index = 0
                while index + 8 <= left.count {
                    let a = left.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                    let b = right.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                    if a != b { return false }
                    index += 8
                }
                while index < left.count {
                    if left[index] != right[index] { return false }
                    index += 1
                }
                return true
            }
        }
    }

    /// Whether a storage key is that of the row with a partition key, its position left aside.
    ///
    /// In a storage key a zero byte is followed by 0xFF, and two zeros end the partition key; the
    /// kind stands behind them (``RowKey``).
    @inline(__always)
    static func isEncoding(
        _ encoded: UnsafeRawBufferPointer,
        of partitionKey: [UInt8]
    ) -> Bool {
        guard encoded.count >= RowCachePosition.encodedByteCount + partitionKey.count + 3 else {
            return false
        }
        return partitionKey.withUnsafeBytes { partitionKey in
            var position = RowCachePosition.encodedByteCount
            for byte in partitionKey {
                guard position < encoded.count, encoded[position] == byte else { return false }
                position += 1
                guard byte == 0 else { continue }
                guard position < encoded.count, encoded[position] == 0xFF else { return false }
                position += 1
            }
            return encoded.count == position + 3
                && encoded[position] == 0
                && encoded[position + 1] == 0
                && encoded[position + 2] == RowKey.Kind.row.rawValue
        }
    }
}
