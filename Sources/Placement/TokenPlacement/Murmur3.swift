/// MurmurHash3_x64_128 (Austin Appleby, public domain), in two variants.
///
/// Cassandra's variant sign-extends the bytes of the tail (its Java reads signed bytes), so that it
/// differs from the published function whenever a tail byte is 0x80 or more. Tokens use
/// Cassandra's; digests use the published one.
package enum Murmur3 {
    /// The hash as Cassandra's Murmur3Partitioner computes it, seed 0.
    package static func cassandraHash(of bytes: [UInt8]) -> (UInt64, UInt64) {
        bytes.withUnsafeBytes {
            hash($0, seed: 0) { UInt64(bitPattern: Int64(Int8(bitPattern: $0))) }
        }
    }

    /// The hash as published, for digests.
    package static func hash128(
        _ bytes: UnsafeRawBufferPointer,
        seed: UInt64 = 0
    ) -> (UInt64, UInt64) {
        hash(bytes, seed: seed) { UInt64($0) }
    }

    private static let c1: UInt64 = 0x87C3_7B91_1142_53D5
    private static let c2: UInt64 = 0x4CF5_AD43_2745_937F

    @inline(__always)
    private static func hash(
        _ bytes: UnsafeRawBufferPointer,
        seed: UInt64,
        widen: (UInt8) -> UInt64
    ) -> (UInt64, UInt64) {
        var h1 = seed
        var h2 = seed
        let blockCount = bytes.count / 16
        for block in 0..<blockCount {
            let k1 = UInt64(
                littleEndian: bytes.loadUnaligned(fromByteOffset: block * 16, as: UInt64.self)
            )
            let k2 = UInt64(
                littleEndian: bytes.loadUnaligned(fromByteOffset: block * 16 + 8, as: UInt64.self)
            )
            h1 ^= rotate(k1 &* c1, 31) &* c2
            h1 = (rotate(h1, 27) &+ h2) &* 5 &+ 0x52DC_E729
            h2 ^= rotate(k2 &* c2, 33) &* c1
            h2 = (rotate(h2, 31) &+ h1) &* 5 &+ 0x3849_5AB5
        }
        let tail = blockCount * 16
        let tailCount = bytes.count - tail
        var k1: UInt64 = 0
        var k2: UInt64 = 0
        for index in 0..<tailCount {
            let value = widen(bytes[tail + index]) << UInt64(8 * (index % 8))
            if index < 8 { k1 ^= value } else { k2 ^= value }
        }
        if tailCount > 8 { h2 ^= rotate(k2 &* c2, 33) &* c1 }
        if tailCount > 0 { h1 ^= rotate(k1 &* c1, 31) &* c2 }
        h1 ^= UInt64(bytes.count)
        h2 ^= UInt64(bytes.count)
        h1 &+= h2
        h2 &+= h1
        h1 = finalMix(h1)
        h2 = finalMix(h2)
        h1 &+= h2
        h2 &+= h1
        return (h1, h2)
    }

    @inline(__always)
    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value << count | value >> (64 - count)
    }

    @inline(__always)
    private static func finalMix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed ^= mixed >> 33
        mixed &*= 0xFF51_AFD7_ED55_8CCD
        mixed ^= mixed >> 33
        mixed &*= 0xC4CE_B9FE_1A85_EC53
        mixed ^= mixed >> 33
        return mixed
    }
}
