import ByteCoding
import Testing

/// Random messages of every kind of value: written, read, cut short, and made of noise.
struct ByteCodingPropertyTests {
    private enum Value: Equatable {
        case uint8(UInt8), uint16(UInt16), uint32(UInt32), uint64(UInt64)
        case int32(Int32), int64(Int64)
        case bool(Bool)
        case varint(UInt64)
        case sizedBytes([UInt8])
        case sizedString(String)
        case rawBytes([UInt8])
    }

    private static let edges: [UInt64] = [
        0, 1, 0x7F, 0x80, 0xFF, 0x3FFF, 0x4000, 0xFFFF, 1 << 31, 0xFFFF_FFFF, 1 << 63, .max,
    ]
    private static let texts = ["", "a", "naïve", "日本語", "🦜\u{0}🇳🇱", "e\u{301}"]

    private func integer(_ generator: inout SplitMix) -> UInt64 {
        if UInt8.random(in: 0..<3, using: &generator) == 0 {
            return Self.edges[Int.random(in: 0..<Self.edges.count, using: &generator)]
        }
        return generator.next() >> UInt64.random(in: 0..<64, using: &generator)
    }

    private func value(_ generator: inout SplitMix) -> Value {
        let number = integer(&generator)
        let bytes = (0..<Int.random(in: 0..<200, using: &generator)).map { _ in
            UInt8.random(in: 0...255, using: &generator)
        }
        let text = Self.texts[Int.random(in: 0..<Self.texts.count, using: &generator)]
        switch Int.random(in: 0..<11, using: &generator) {
        case 0: return .uint8(UInt8(truncatingIfNeeded: number))
        case 1: return .uint16(UInt16(truncatingIfNeeded: number))
        case 2: return .uint32(UInt32(truncatingIfNeeded: number))
        case 3: return .uint64(number)
        case 4: return .int32(Int32(truncatingIfNeeded: number))
        case 5: return .int64(Int64(bitPattern: number))
        case 6: return .bool(number % 2 == 1)
        case 7: return .varint(number)
        case 8: return .sizedBytes(bytes)
        case 9: return .sizedString(text)
        default: return .rawBytes(bytes)
        }
    }

    private func write(_ values: [Value]) -> [UInt8] {
        var writer = ByteWriter()
        for value in values {
            switch value {
            case .uint8(let number): writer.writeUInt8(number)
            case .uint16(let number): writer.writeUInt16(number)
            case .uint32(let number): writer.writeUInt32(number)
            case .uint64(let number): writer.writeUInt64(number)
            case .int32(let number): writer.writeInt32(number)
            case .int64(let number): writer.writeInt64(number)
            case .bool(let flag): writer.writeBool(flag)
            case .varint(let number): writer.writeVarint(number)
            case .sizedBytes(let bytes): writer.writeSizedBytes(bytes)
            case .sizedString(let text): writer.writeSizedString(text)
            case .rawBytes(let bytes): writer.writeBytes(bytes)
            }
        }
        return writer.bytes
    }

    /// Reads values of the kinds (and raw lengths) of those given.
    private func read(
        _ bytes: [UInt8],
        like kinds: [Value]
    ) throws(ByteDecodingError) -> [Value] {
        var reader = ByteReader(bytes)
        var values: [Value] = []
        for kind in kinds {
            let before = reader.position
            switch kind {
            case .uint8: values.append(.uint8(try reader.readUInt8()))
            case .uint16: values.append(.uint16(try reader.readUInt16()))
            case .uint32: values.append(.uint32(try reader.readUInt32()))
            case .uint64: values.append(.uint64(try reader.readUInt64()))
            case .int32: values.append(.int32(try reader.readInt32()))
            case .int64: values.append(.int64(try reader.readInt64()))
            case .bool: values.append(.bool(try reader.readBool()))
            case .varint: values.append(.varint(try reader.readVarint()))
            case .sizedBytes: values.append(.sizedBytes(try reader.readSizedBytes()))
            case .sizedString: values.append(.sizedString(try reader.readSizedString()))
            case .rawBytes(let raw): values.append(.rawBytes(try reader.readBytes(raw.count)))
            }
            #expect(reader.position >= before && reader.position + reader.remaining == bytes.count)
        }
        try reader.requireEnd("message")
        return values
    }

    @Test func `what is written is read`() throws {
        var generator = SplitMix(state: 42)
        for _ in 0..<500 {
            let count = Int.random(in: 0..<12, using: &generator)
            let values = (0..<count).map { _ in value(&generator) }
            #expect(try read(write(values), like: values) == values)
        }
    }

    @Test func `a message cut at any byte is an error, and so is one that goes on`() {
        var generator = SplitMix(state: 43)
        for _ in 0..<60 {
            let values = (0..<6).map { _ in value(&generator) }
            let bytes = write(values)
            for length in 0..<bytes.count {
                #expect(throws: ByteDecodingError.self, "cut at \(length) of \(bytes.count)") {
                    try read(Array(bytes[..<length]), like: values)
                }
            }
            #expect(throws: ByteDecodingError.self) { try read(bytes + [0], like: values) }
        }
    }

    @Test func `noise is read or refused, and never traps`() {
        var generator = SplitMix(state: 44)
        var refused = 0
        for _ in 0..<3000 {
            let noise = (0..<Int.random(in: 0..<64, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let kinds = (0..<4).map { _ in value(&generator) }
            do throws(ByteDecodingError) {
                _ = try read(noise, like: kinds)
            } catch {
                refused += 1
                #expect(!error.description.isEmpty)
            }
        }
        #expect(refused > 2500)
    }

    @Test func `a number has one encoding only`() {
        var generator = SplitMix(state: 45)
        for _ in 0..<5000 {
            let noise = (0..<11).map { _ in
                UInt8.random(in: 0...255, using: &generator)
                    & (generator.next() % 3 == 0 ? 0x80 : 0xFF)
            }
            var reader = ByteReader(noise)
            guard let number = try? reader.readVarint() else { continue }
            var writer = ByteWriter()
            writer.writeVarint(number)
            #expect(writer.bytes == Array(noise[..<reader.position]))
        }
    }
}
