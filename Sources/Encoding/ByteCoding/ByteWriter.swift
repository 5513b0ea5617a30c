/// Appends big-endian values to bytes: the counterpart of ``ByteReader``.
package struct ByteWriter: Sendable {
    /// What was written so far.
    package private(set) var bytes: [UInt8]

    /// An empty writer with room for `capacity` bytes.
    package init(capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// The bytes written so far.
    package var count: Int { bytes.count }

    /// Appends one byte.
    package mutating func writeUInt8(_ value: UInt8) { bytes.append(value) }

    /// Appends two bytes.
    package mutating func writeUInt16(_ value: UInt16) { writeInteger(value) }

    /// Appends four bytes.
    package mutating func writeUInt32(_ value: UInt32) { writeInteger(value) }

    /// Appends eight bytes.
    package mutating func writeUInt64(_ value: UInt64) { writeInteger(value) }

    /// Appends four bytes.
    package mutating func writeInt32(_ value: Int32) { writeInteger(value) }

    /// Appends eight bytes.
    package mutating func writeInt64(_ value: Int64) { writeInteger(value) }

    /// Appends 0 or 1.
    package mutating func writeBool(_ value: Bool) { bytes.append(value ? 1 : 0) }

    /// Appends bytes as they are.
    package mutating func writeBytes(_ value: some Sequence<UInt8>) {
        bytes.append(contentsOf: value)
    }

    /// Appends an unsigned LEB128 number.
    package mutating func writeVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Appends a count as a varint.
    package mutating func writeCount(_ value: Int) { writeVarint(UInt64(value)) }

    /// Appends bytes behind their varint length.
    package mutating func writeSizedBytes(_ value: some Collection<UInt8>) {
        writeCount(value.count)
        bytes.append(contentsOf: value)
    }

    /// Appends UTF-8 text behind its varint length.
    package mutating func writeSizedString(_ value: String) {
        writeSizedBytes(value.utf8)
    }

    /// Overwrites the four bytes at `offset`, which were written before.
    package mutating func patchUInt32(_ value: UInt32, at offset: Int) {
        precondition(offset >= 0 && offset + 4 <= bytes.count, "patch outside of what was written")
        for index in 0..<4 {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * index))
        }
    }

    /// Forgets what was written, and keeps the room.
    package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    private mutating func writeInteger<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
