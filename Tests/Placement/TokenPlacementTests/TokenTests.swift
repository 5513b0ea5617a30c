import Testing
import TokenPlacement

struct TokenTests {
    /// The fields of a table of vectors, `width` to a record.
    private func records(_ table: String, width: Int) -> [[String]] {
        let fields = table.split(whereSeparator: \.isWhitespace).map(String.init)
        return stride(from: 0, to: fields.count, by: width).map { Array(fields[$0..<$0 + width]) }
    }

    private func bytes(_ hexadecimal: String) throws -> [UInt8] {
        let digits = Array(hexadecimal == "-" ? "" : hexadecimal)
        return try stride(from: 0, to: digits.count, by: 2).map {
            try #require(UInt8(String(digits[$0...$0 + 1]), radix: 16))
        }
    }

    @Test func `tokens are those of Cassandra's own drivers`() throws {
        let vectors = records(Murmur3Vectors.tokens, width: 2)
        #expect(vectors.count == 131)
        var lengths: Set<Int> = []
        for vector in vectors {
            let key = try bytes(vector[0])
            lengths.insert(key.count)
            #expect(String(Token(partitionKey: key).value) == vector[1], "key \(vector[0])")
        }
        #expect(lengths == Set(0...40))
    }

    @Test func `digests use the hash as it was published`() throws {
        let vectors = records(Murmur3Vectors.published, width: 3)
        #expect(vectors.count == 33)
        for vector in vectors {
            let hash = try bytes(vector[0]).withUnsafeBytes { Murmur3.hash128($0) }
            #expect(hash.0 == UInt64(vector[1], radix: 16), "key \(vector[0])")
            #expect(hash.1 == UInt64(vector[2], radix: 16), "key \(vector[0])")
        }
    }

    @Test func `the two variants agree below 0x80 and part in the tail above it`() {
        let plain = [UInt8](repeating: 0x7F, count: 21)
        #expect(plain.withUnsafeBytes { Murmur3.hash128($0) } == Murmur3.cassandraHash(of: plain))
        let blocks = [UInt8](repeating: 0xFE, count: 32)
        #expect(blocks.withUnsafeBytes { Murmur3.hash128($0) } == Murmur3.cassandraHash(of: blocks))
        let signed = blocks + [0x80]
        #expect(signed.withUnsafeBytes { Murmur3.hash128($0) } != Murmur3.cassandraHash(of: signed))
    }

    @Test func `a seed changes the digest`() {
        let bytes: [UInt8] = [1, 2, 3]
        #expect(
            bytes.withUnsafeBytes { Murmur3.hash128($0, seed: 1) }
                != bytes.withUnsafeBytes { Murmur3.hash128($0) }
        )
    }

    @Test func `tokens sort as signed numbers`() {
        #expect(Token.minimum < Token(-1))
        #expect(Token(-1) < Token(0))
        #expect(Token(0) < Token(.max))
        #expect(Token(-42).description == "-42")
    }
}
