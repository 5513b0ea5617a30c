/// Why bytes could not be decoded: what was being read, where, and how much was there.
package enum ByteDecodingError: Error, Equatable, CustomStringConvertible {
    /// The bytes ended before the value did.
    case truncated(what: StaticStringName, offset: Int, needed: Int, available: Int)
    /// The value was read whole, but it is not one that may stand here.
    case invalid(what: String)
    /// A count or a length is over what the decoder accepts.
    case overLimit(what: StaticStringName, limit: Int, actual: Int)

    package var description: String {
        switch self {
        case .truncated(let what, let offset, let needed, let available):
            "truncated \(what.text) at byte \(offset): \(needed) bytes needed, \(available) left"
        case .invalid(let what): "invalid \(what)"
        case .overLimit(let what, let limit, let actual):
            "\(what.text) is \(actual), the limit is \(limit)"
        }
    }
}

/// A name given as a literal, so that naming what is read costs no allocation.
package struct StaticStringName: Equatable, Sendable, ExpressibleByStringLiteral {
    private let name: StaticString

    package init(stringLiteral value: StaticString) { name = value }

    /// The name as text.
    package var text: String { "\(name)" }

    package static func == (left: Self, right: Self) -> Bool { left.text == right.text }
}

/// Reads big-endian values from bytes, and checks every bound.
///
/// All integers between nodes, on disk and in the native protocol are big-endian, so that one
/// reader serves them all.
package struct ByteReader: Sendable {
    private let bytes: [UInt8]
    private let end: Int

    /// The index of the next byte, counted from the start of the array that is read.
    package private(set) var position: Int

    /// A reader of the whole array.
    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        position = 0
        end = bytes.count
    }

    /// A reader of a part of an array; `position` then counts from the start of the slice.
    package init(_ slice: ArraySlice<UInt8>) {
        self.init(Array(slice))
    }

    /// The bytes that are left.
    package var remaining: Int { end - position }

    /// Whether every byte was read.
    package var isAtEnd: Bool { position == end }

    private mutating func take(
        _ count: Int,
        _ what: StaticStringName
    ) throws(ByteDecodingError) -> Int {
        guard count >= 0, count <= end - position else {
            throw .truncated(what: what, offset: position, needed: count, available: end - position)
        }
        let start = position
        position += count
        return start
    }

    /// The next byte.
    package mutating func readUInt8(
        _ what: StaticStringName = "byte"
    ) throws(ByteDecodingError) -> UInt8 {
        bytes[try take(1, what)]
    }

    /// The next two bytes.
    package mutating func readUInt16(
        _ what: StaticStringName = "16-bit integer"
    ) throws(ByteDecodingError) -> UInt16 {
        let start = try take(2, what)
        return UInt16(bytes[start]) << 8 | UInt16(bytes[start + 1])
    }

    /// The next four bytes.
    package mutating func readUInt32(
        _ what: StaticStringName = "32-bit integer"
    ) throws(ByteDecodingError) -> UInt32 {
        let start = try take(4, what)
        return bytes.withUnsafeBytes {
            UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: start, as: UInt32.self))
        }
    }

    /// The next eight bytes.
    package mutating func readUInt64(
        _ what: StaticStringName = "64-bit integer"
    ) throws(ByteDecodingError) -> UInt64 {
        let start = try take(8, what)
        return bytes.withUnsafeBytes {
            UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: start, as: UInt64.self))
        }
    }

    /// The next four bytes as a signed number.
    package mutating func readInt32(
        _ what: StaticStringName = "32-bit integer"
    ) throws(ByteDecodingError) -> Int32 {
        Int32(bitPattern: try readUInt32(what))
    }

    /// The next eight bytes as a signed number.
    package mutating func readInt64(
        _ what: StaticStringName = "64-bit integer"
    ) throws(ByteDecodingError) -> Int64 {
        Int64(bitPattern: try readUInt64(what))
    }

    /// One byte that must be 0 or 1.
    package mutating func readBool(
        _ what: StaticStringName = "flag"
    ) throws(ByteDecodingError) -> Bool {
        switch try readUInt8(what) {
        case 0: return false
        case 1: return true
        case let other: throw .invalid(what: "\(what.text): \(other) is neither 0 nor 1")
        }
    }

    /// The next `count` bytes.
    package mutating func readBytes(
        _ count: Int,
        _ what: StaticStringName = "bytes"
    ) throws(ByteDecodingError) -> [UInt8] {
        let start = try take(count, what)
        return Array(bytes[start..<start + count])
    }

    /// All the bytes that are left.
    package mutating func readRemaining() -> [UInt8] {
        defer { position = end }
        return Array(bytes[position..<end])
    }

    /// Steps over `count` bytes.
    package mutating func skip(
        _ count: Int,
        _ what: StaticStringName = "bytes"
    ) throws(ByteDecodingError) {
        _ = try take(count, what)
    }

    /// An unsigned LEB128 number (seven bits a byte, least significant first, at most ten bytes).
    ///
    /// One number has one encoding: needless zeros at the end are refused, so that what was read
    /// and is written again, for a digest say, has the same bytes.
    package mutating func readVarint(
        _ what: StaticStringName = "varint"
    ) throws(ByteDecodingError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = bytes[try take(1, what)]
            guard shift < 63 || byte <= 1 else {
                throw .invalid(what: "\(what.text): more than 64 bits")
            }
            guard shift == 0 || byte != 0 else {
                throw .invalid(what: "\(what.text): a varint with needless zeros")
            }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
    }

    /// A varint that counts things which follow, each of at least one byte, so that a hostile count
    /// never reserves more than the bytes that came.
    package mutating func readCount(
        _ what: StaticStringName = "count",
        atMost limit: Int = .max
    ) throws(ByteDecodingError) -> Int {
        let value = try readVarint(what)
        let bound = min(limit, remaining)
        guard value <= UInt64(bound) else {
            throw .overLimit(
                what: what,
                limit: bound,
                actual: Int(clamping: value)
            )
        }
        return Int(value)
    }

    /// Bytes behind their varint length.
    package mutating func readSizedBytes(
        _ what: StaticStringName = "bytes"
    ) throws(ByteDecodingError) -> [UInt8] {
        try readBytes(try readCount(what), what)
    }

    /// UTF-8 text behind its varint length.
    package mutating func readSizedString(
        _ what: StaticStringName = "text"
    ) throws(ByteDecodingError) -> String {
        let utf8 = try readSizedBytes(what)
        guard let text = String(validating: utf8, as: UTF8.self) else {
            throw .invalid(what: "\(what.text): not UTF-8")
        }
        return text
    }

    /// Throws unless every byte was read.
    package func requireEnd(_ what: StaticStringName) throws(ByteDecodingError) {
        guard isAtEnd else {
            throw .invalid(what: "\(what.text): \(remaining) bytes behind its end")
        }
    }
}
