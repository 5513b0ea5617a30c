/// The order of byte strings as unsigned bytes, the shorter first where one begins the other.
enum ByteOrder {
    /// Less than, equal to or greater than 0, as the left string is before, equal or behind.
    @inline(__always)
    static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        let common = min(left.count, right.count)
        var index = 0
        while index + 8 <= common {
            let a = left.loadUnaligned(fromByteOffset: index, as: UInt64.self).bigEndian
            let b = right.loadUnaligned(fromByteOffset: index, as: UInt64.self).bigEndian
            if a != b { return a < b ? -1 : 1 }
            index += 8
        }
        while index < common {
            let a = left[index]
            let b = right[index]
            if a != b { return a < b ? -1 : 1 }
            index += 1
        }
        return left.count - right.count
    }

    /// Whether the left string is before the right one.
    static func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.withUnsafeBytes { left in right.withUnsafeBytes { compare(left, $0) < 0 } }
    }
}

extension UnsafeRawBufferPointer {
    /// A part of the buffer, as a buffer.
    @inline(__always)
    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[range])
    }
}
