import ByteCoding
import Testing

/// The checksum of frames.
struct CRC32CTests {
    /// RFC 3720, appendix B.4, and the check value of the catalogue of parametrised CRCs.
    @Test(
        arguments: [
            (Array("123456789".utf8), 0xE306_9283), ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43), ([UInt8](0..<32), 0x46DD_794E),
            ([UInt8]((0..<32).reversed()), 0x113F_DB5C), ([], 0),
        ] as [([UInt8], UInt32)]
    )
    func `published values`(bytes: [UInt8], checksum: UInt32) {
        #expect(CRC32C.checksum(bytes) == checksum)
    }

    @Test func `any length and alignment gives what a bit by bit division gives`() {
        func slow(_ bytes: ArraySlice<UInt8>) -> UInt32 {
            var value = UInt32.max
            for byte in bytes {
                value ^= UInt32(byte)
                for _ in 0..<8 { value = value >> 1 ^ (value & 1 == 1 ? 0x82F6_3B78 : 0) }
            }
            return ~value
        }
        let bytes = (0..<64).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        for start in 0..<9 {
            for end in start...bytes.count {
                let part = bytes[start..<end]
                let fast = bytes.withUnsafeBytes { bytes in
                    CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                }
                #expect(fast == slow(part))
            }
        }
    }
}
