import ByteCoding
import Testing

struct ByteWriterTests {
    @Test func `integers are written big-endian`() {
        var writer = ByteWriter()
        writer.writeUInt8(0x01)
        writer.writeUInt16(0x0203)
        writer.writeUInt32(0x0405_0607)
        writer.writeUInt64(0x0809_0A0B_0C0D_0E0F)
        #expect(writer.bytes == Array(1...15))
        #expect(writer.count == 15)
    }

    @Test func `signed integers are written in two's complement`() {
        var writer = ByteWriter()
        writer.writeInt32(-2)
        writer.writeInt64(.min)
        #expect(writer.bytes == [255, 255, 255, 254, 128, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test(
        arguments: [
            (0, [0x00]),
            (1, [0x01]),
            (127, [0x7F]),
            (128, [0x80, 0x01]),
            (300, [0xAC, 0x02]),
            (16_383, [0xFF, 0x7F]),
            (16_384, [0x80, 0x80, 0x01]),
            (.max, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
        ] as [(UInt64, [UInt8])]
    )
    func `varints hold seven bits a byte, the least first`(value: UInt64, expected: [UInt8]) throws
    {
        var writer = ByteWriter()
        writer.writeVarint(value)
        #expect(writer.bytes == expected)
        var reader = ByteReader(expected)
        #expect(try reader.readVarint() == value)
        #expect(reader.isAtEnd)
    }

    @Test func `sized values stand behind their length`() {
        var writer = ByteWriter(capacity: 16)
        writer.writeSizedBytes([7, 8])
        writer.writeSizedString("né")
        writer.writeBool(true)
        writer.writeBool(false)
        writer.writeBytes([9])
        #expect(writer.bytes == [2, 7, 8, 3, 0x6E, 0xC3, 0xA9, 1, 0, 9])
    }

    @Test func `a patch overwrites four bytes and nothing else`() {
        for offset in 0...4 {
            var writer = ByteWriter()
            writer.writeBytes([UInt8](repeating: 0xEE, count: 8))
            writer.patchUInt32(0x0102_0304, at: offset)
            var expected = [UInt8](repeating: 0xEE, count: 8)
            expected.replaceSubrange(offset..<offset + 4, with: [1, 2, 3, 4])
            #expect(writer.bytes == expected)
        }
    }

    @Test func `what was written can be forgotten`() {
        var writer = ByteWriter()
        writer.writeUInt64(1)
        writer.removeAll()
        #expect(writer.bytes.isEmpty)
        writer.writeUInt8(5)
        #expect(writer.bytes == [5])
    }
}
