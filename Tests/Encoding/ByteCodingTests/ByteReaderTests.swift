import ByteCoding
import Testing

struct ByteReaderTests {
    @Test func `an empty array is at its end`() {
        var reader = ByteReader([])
        #expect(reader.isAtEnd)
        #expect(reader.remaining == 0)
        #expect(reader.readRemaining().isEmpty)
        #expect(throws: ByteDecodingError.self) { try reader.readUInt8() }
        #expect(throws: Never.self) { try reader.requireEnd("message") }
    }

    @Test func `a truncated value says what, where and how much`() {
        var reader = ByteReader([1, 2, 3, 4, 5])
        #expect(throws: Never.self) { try reader.skip(2) }
        let error = #expect(throws: ByteDecodingError.self) { try reader.readUInt32("epoch") }
        #expect(error == .truncated(what: "epoch", offset: 2, needed: 4, available: 3))
        #expect(error?.description == "truncated epoch at byte 2: 4 bytes needed, 3 left")
        #expect(reader.position == 2, "what could not be read was not taken")
        #expect(reader.readRemaining() == [3, 4, 5])
    }

    @Test func `a slice is read from its own start`() throws {
        let bytes: [UInt8] = [9, 9, 1, 2, 9]
        var reader = ByteReader(bytes[2..<4])
        #expect(reader.position == 0)
        #expect(try reader.readUInt16() == 0x0102)
        #expect(reader.isAtEnd)
        #expect(throws: ByteDecodingError.self) { try reader.readUInt8() }
    }

    @Test(arguments: [-1, Int.min, 4, Int.max])
    func `a length that is not there is refused`(count: Int) {
        var reader = ByteReader([1, 2, 3])
        #expect(throws: ByteDecodingError.self) { try reader.readBytes(count) }
        #expect(throws: ByteDecodingError.self) { try reader.skip(count) }
        #expect(reader.remaining == 3)
    }

    @Test(arguments: [-1, Int.max])
    func `a length is refused in the middle too, without overflow`(count: Int) throws {
        var reader = ByteReader([1, 2, 3])
        try reader.skip(2)
        let error = #expect(throws: ByteDecodingError.self) { try reader.readBytes(count) }
        #expect(error == .truncated(what: "bytes", offset: 2, needed: count, available: 1))
    }

    @Test func `a flag is 0 or 1`() throws {
        var reader = ByteReader([0, 1, 2])
        #expect(try reader.readBool() == false)
        #expect(try reader.readBool() == true)
        let error = #expect(throws: ByteDecodingError.self) { try reader.readBool("is local") }
        #expect(error?.description == "invalid is local: 2 is neither 0 nor 1")
    }

    @Test func `bytes behind the end are refused`() {
        let error = #expect(throws: ByteDecodingError.self) {
            try ByteReader([1, 2]).requireEnd("entry")
        }
        #expect(error?.description == "invalid entry: 2 bytes behind its end")
    }

    @Test func `text that is not UTF-8 is refused`() {
        let broken: [[UInt8]] = [
            [1, 0xFF], [2, 0xC3, 0x28], [2, 0xC0, 0x80], [3, 0xED, 0xA0, 0x80],
        ]
        for bytes in broken {
            var reader = ByteReader(bytes)
            #expect(throws: ByteDecodingError.invalid(what: "name: not UTF-8")) {
                try reader.readSizedString("name")
            }
        }
    }

    @Test(arguments: [
        // The tenth byte holds the 64th bit alone.
        [UInt8](repeating: 0xFF, count: 9) + [0x02],
        [UInt8](repeating: 0xFF, count: 9) + [0x7F],
        [UInt8](repeating: 0xFF, count: 9) + [0x81, 0x00],
        [UInt8](repeating: 0xFF, count: 10),
        [UInt8](repeating: 0x80, count: 10) + [0x00],
        [UInt8](repeating: 0x80, count: 1000),
    ])
    func `a varint of more than 64 bits is refused`(bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        #expect(throws: ByteDecodingError.invalid(what: "length: more than 64 bits")) {
            try reader.readVarint("length")
        }
    }

    @Test(arguments: 1...9)
    func `a varint that goes on behind the end is truncated`(count: Int) {
        var reader = ByteReader([UInt8](repeating: 0x80, count: count))
        let error = #expect(throws: ByteDecodingError.self) { try reader.readVarint("length") }
        #expect(error == .truncated(what: "length", offset: count, needed: 1, available: 0))
    }

    @Test func `a varint with needless zeros is refused`() {
        // One number has one encoding, so that equal values have equal digests.
        for bytes in [[0x80, 0x00], [0x81, 0x00], [0xFF, 0x80, 0x00]] as [[UInt8]] {
            var reader = ByteReader(bytes)
            #expect(throws: ByteDecodingError.invalid(what: "length: a varint with needless zeros"))
            {
                try reader.readVarint("length")
            }
        }
    }

    @Test(arguments: [4, 1 << 20, UInt64(Int.max), UInt64(Int.max) + 1, .max])
    func `a hostile count is refused before anything is reserved`(count: UInt64) {
        var writer = ByteWriter()
        writer.writeVarint(count)
        writer.writeBytes([1, 2, 3])
        let refused = ByteDecodingError.overLimit(
            what: "rows",
            limit: 3,
            actual: Int(clamping: count)
        )
        var reader = ByteReader(writer.bytes)
        #expect(throws: refused) { try reader.readCount("rows") }
        reader = ByteReader(writer.bytes)
        #expect(throws: refused) { try reader.readSizedBytes("rows") }
        reader = ByteReader(writer.bytes)
        #expect(throws: refused) { try reader.readSizedString("rows") }
    }

    @Test func `a count holds to its own limit`() throws {
        var reader = ByteReader([3, 0, 0, 0])
        #expect(try reader.readCount("keys", atMost: 3) == 3)
        reader = ByteReader([3, 0, 0, 0])
        let error = #expect(throws: ByteDecodingError.self) {
            try reader.readCount("keys", atMost: 2)
        }
        #expect(error?.description == "keys is 3, the limit is 2")
        reader = ByteReader([0])
        #expect(try reader.readCount("keys", atMost: 0) == 0)
    }
}
