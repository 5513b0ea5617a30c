import ByteCoding
import Catalog

/// A number as messages write it, such as `0x0A`.
func hexText(_ value: some FixedWidthInteger & UnsignedInteger) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    let width = value.bitWidth / 4
    return "0x" + String(repeating: "0", count: width - digits.count) + digits
}

/// The notations of the protocol (native_protocol_v4.spec, section 3), as they are read.
extension ByteReader {
    /// A 16-bit count of things that follow, each of at least `elementBytesMin` bytes: a hostile
    /// count fails before anything is reserved for it.
    mutating func readShortCount(
        _ what: StaticStringName,
        atMost limit: Int = .max,
        elementBytesMin: Int
    ) throws(ByteDecodingError) -> Int {
        let count = Int(try readUInt16(what))
        try require(count, what, atMost: limit, elementBytesMin: elementBytesMin)
        return count
    }

    /// Throws unless a count is within its limit and the elements can be in the bytes left.
    func require(
        _ count: Int,
        _ what: StaticStringName,
        atMost limit: Int,
        elementBytesMin: Int
    ) throws(ByteDecodingError) {
        guard count <= limit else { throw .overLimit(what: what, limit: limit, actual: count) }
        let (needed, overflows) = count.multipliedReportingOverflow(by: elementBytesMin)
        guard !overflows, needed <= remaining else {
            throw .truncated(
                what: what,
                offset: position,
                needed: overflows ? .max : needed,
                available: remaining
            )
        }
    }

    private mutating func readUTF8(
        _ count: Int,
        _ what: StaticStringName
    ) throws(ByteDecodingError) -> String {
        guard let text = String(validating: try readBytes(count, what), as: UTF8.self) else {
            throw .invalid(what: "\(what.text): not UTF-8")
        }
        return text
    }

    /// A [string].
    mutating func readString(_ what: StaticStringName) throws(ByteDecodingError) -> String {
        try readUTF8(Int(try readUInt16(what)), what)
    }

    /// A [long string].
    mutating func readLongString(_ what: StaticStringName) throws(ByteDecodingError) -> String {
        let count = try readInt32(what)
        guard count >= 0 else { throw .invalid(what: "\(what.text): its length is \(count)") }
        return try readUTF8(Int(count), what)
    }

    /// A [bytes], where a negative length is null.
    mutating func readOptionalBytes(
        _ what: StaticStringName,
        atMost limit: Int = .max
    ) throws(ByteDecodingError) -> [UInt8]? {
        let count = Int(try readInt32(what))
        guard count >= 0 else { return nil }
        guard count <= limit else { throw .overLimit(what: what, limit: limit, actual: count) }
        return try readBytes(count, what)
    }

    /// A [short bytes].
    mutating func readShortBytes(_ what: StaticStringName) throws(ByteDecodingError) -> [UInt8] {
        try readBytes(Int(try readUInt16(what)), what)
    }

    /// A [value].
    mutating func readBoundValue() throws(ByteDecodingError) -> BoundValue {
        let count = try readInt32("length of a value")
        switch count {
        case 0...: return .bytes(try readBytes(Int(count), "value"))
        case -1: return .null
        case -2: return .unset
        default: throw .invalid(what: "length of a value: \(count); the least is -2 (not set)")
        }
    }

    /// A [consistency].
    mutating func readConsistency(
        _ what: StaticStringName = "consistency level"
    ) throws(ByteDecodingError) -> ConsistencyLevel {
        let code = try readUInt16(what)
        guard let level = ConsistencyLevel(rawValue: code) else {
            throw .invalid(what: "\(what.text) \(hexText(code)); the greatest is 0x000A")
        }
        return level
    }

    /// A [string list].
    mutating func readStringList(
        _ what: StaticStringName,
        atMost limit: Int = .max
    ) throws(ByteDecodingError) -> [String] {
        let count = try readShortCount(what, atMost: limit, elementBytesMin: 2)
        var list: [String] = []
        list.reserveCapacity(count)
        for _ in 0..<count { list.append(try readString(what)) }
        return list
    }

    /// A [bytes map].
    mutating func readPayload(
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) -> [PayloadEntry] {
        let what: StaticStringName = "custom payload"
        let limit = limits.customPayloadEntriesMax
        let count = try readShortCount(what, atMost: limit, elementBytesMin: 6)
        var entries: [PayloadEntry] = []
        entries.reserveCapacity(count)
        for _ in 0..<count {
            let key = try readString("key of the custom payload")
            entries.append(PayloadEntry(key: key, value: try readOptionalBytes(what)))
        }
        return entries
    }

    /// An [inet] with its port.
    mutating func readEndpoint() throws(ByteDecodingError) -> InetEndpoint {
        let count = try readUInt8("size of an address")
        let bytes = try readBytes(Int(count), "address")
        guard let address = InetAddress(bytes: bytes) else {
            throw .invalid(what: "size of an address: \(count); it must be 4 or 16")
        }
        let port = try readInt32("port")
        guard let port = UInt16(exactly: port) else { throw .invalid(what: "port \(port)") }
        return InetEndpoint(address: address, port: port)
    }
}
