/// A running hash of all that happened: equal for two runs if and (nearly) only if they went alike.
package struct TraceHash: Hashable, Sendable, CustomStringConvertible {
    /// The hash so far.
    package private(set) var value: UInt64 = 0x243F_6A88_85A3_08D3

    /// The hash of nothing.
    package init() {}

    /// Adds a number.
    package mutating func add(_ number: UInt64) {
        let mixed = (value ^ number) &* 0x9E37_79B9_7F4A_7C15
        value = mixed ^ (mixed >> 29)
    }

    /// A hash of bytes, eight at a time.
    package static func digest(_ bytes: [UInt8]) -> UInt64 {
        var hash = TraceHash()
        hash.add(UInt64(bytes.count))
        bytes.withUnsafeBytes { buffer in
            var index = 0
            while index + 8 <= buffer.count {
                hash.add(buffer.loadUnaligned(fromByteOffset: index, as: UInt64.self))
                index += 8
            }
            var rest: UInt64 = 0
            for byte in buffer[index...] { rest = rest << 8 | UInt64(byte) }
            hash.add(rest)
        }
        return hash.value
    }

    package var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
