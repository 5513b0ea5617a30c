/// Walks over the fields of one protobuf message, and checks every bound.
///
/// Only what an ONNX file needs: numbers, fixed words and bytes; groups are refused. It copies
/// nothing, and does not recurse: the caller opens a nested message by its range.
struct ProtobufFields {
    /// A field's value: a number, or where its bytes stand.
    enum Value: Equatable {
        case varint(UInt64)
        case fixed
        case bytes(Range<Int>)
    }

    private let bytes: [UInt8]
    private var position: Int
    private let end: Int

    /// The fields of the message that stands at `range`.
    init(_ bytes: [UInt8], in range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next field, or nil at the message's end.
    mutating func next() throws(ModelInspectionError) -> (number: Int, value: Value)? {
        guard position < end else { return nil }
        let start = position
        let tag = try varint()
        let number = tag >> 3
        guard number >= 1, number < 1 << 29 else {
            throw .malformed(what: "a field numbered \(number)", offset: start)
        }
        switch tag & 7 {
        case 0: return (Int(number), .varint(try varint()))
        case 1:
            try skip(8)
            return (Int(number), .fixed)
        case 2:
            let count = try varint()
            guard count <= UInt64(end - position) else {
                throw .malformed(
                    what: "a field of \(count) bytes where \(end - position) are left",
                    offset: start
                )
            }
            let first = position
            position += Int(count)
            return (Int(number), .bytes(first..<position))
        case 5:
            try skip(4)
            return (Int(number), .fixed)
        case let wireType:
            throw .malformed(what: "a field of wire type \(wireType)", offset: start)
        }
    }

    private mutating func skip(_ count: Int) throws(ModelInspectionError) {
        guard count <= end - position else {
            throw .malformed(what: "the end within a field", offset: position)
        }
        position += count
    }

    private mutating func varint() throws(ModelInspectionError) -> UInt64 {
        let start = position
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < end {
            let byte = bytes[position]
            position += 1
            guard shift < 63 || byte <= 1 else {
                throw .malformed(what: "a number of more than 64 bits", offset: start)
            }
            value |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        throw .malformed(what: "the end within a number", offset: start)
    }
}
