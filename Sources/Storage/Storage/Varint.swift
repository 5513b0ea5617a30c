/// Unsigned LEB128 numbers in the one shortest form, read from raw memory.
enum Varint {
    /// The number at an offset and the offset behind it, or nil if the bytes end inside of it, it
    /// has more than 64 bits, or it could be shorter.
    static func read(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> (UInt64, end: Int)? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        var position = offset
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            guard shift < 63 || byte <= 1 else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return byte == 0 && shift > 0 ? nil : (value, position) }
            shift += 7
        }
        return nil
    }

    /// Appends a number.
    @inline(__always)
    static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
