/// CRC-32C, the checksum of iSCSI (RFC 3720, section 12.1; Castagnoli's polynomial 0x1EDC6F41,
/// reflected), eight bytes at a step (Kounavis and Berry, "slicing by 8").
package enum CRC32C {
    /// Table `t` at `256 * t + b`: the remainder of the byte `b` with `t` zero bytes behind it.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var remainder = UInt32(byte)
            for _ in 0..<8 {
                remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0x82F6_3B78 : 0)
            }
            tables[byte] = remainder
        }
        for byte in 256..<tables.count {
            let before = tables[byte - 256]
            tables[byte] = before >> 8 ^ tables[Int(before & 0xFF)]
        }
        return tables
    }()

    /// The checksum of some bytes.
    package static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { checksum($0) }
    }

    /// The checksum of some bytes.
    package static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        tables.withUnsafeBufferPointer { tables in
            var value = UInt32.max
            var offset = 0
            while offset + 8 <= bytes.count {
                let word = UInt64(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                )
                let mixed = word ^ UInt64(value)
                value = 0
                for step in 0..<8 {
                    let byte = Int(truncatingIfNeeded: mixed >> UInt64(8 * step)) & 0xFF
                    value ^= tables[(7 - step) * 256 + byte]
                }
                offset += 8
            }
            while offset < bytes.count {
                value = value >> 8 ^ tables[Int((value ^ UInt32(bytes[offset])) & 0xFF)]
                offset += 1
            }
            return ~value
        }
    }
}
