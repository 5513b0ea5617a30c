/// The identity of a node for as long as its disk lives: the 128 bits of a UUID (`host_id`).
package struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The first eight bytes of the UUID, big-endian.
    package var high: UInt64
    /// The last eight bytes of the UUID, big-endian.
    package var low: UInt64

    /// The id made of two halves.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The id whose UUID text is given (8-4-4-4-12 hexadecimal digits), or nil if it is none.
    package init?(_ text: some StringProtocol) {
        let groups = text.split(separator: "-", omittingEmptySubsequences: false)
        guard groups.map(\.count) == [8, 4, 4, 4, 12],
            groups.allSatisfy({ $0.allSatisfy(\.isHexDigit) }),
            let high = UInt64(groups[0...2].joined(), radix: 16),
            let low = UInt64(groups[3...4].joined(), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    /// A random (version 4) UUID, RFC 9562 section 5.4.
    package static func random(using generator: inout some RandomNumberGenerator) -> NodeID {
        let high: UInt64 = generator.next()
        let low: UInt64 = generator.next()
        return NodeID(
            high: high & 0xFFFF_FFFF_FFFF_0FFF | 0x4000,
            low: low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        )
    }

    /// The sixteen bytes of the UUID.
    package var bytes: [UInt8] {
        (0..<16).map { index in
            UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 - 8 * (index % 8)))
        }
    }

    package var description: String {
        let digits = bytes.map { byte in
            let text = String(byte, radix: 16)
            return byte < 16 ? "0" + text : text
        }
        return [0..<4, 4..<6, 6..<8, 8..<10, 10..<16]
            .map { digits[$0].joined() }
            .joined(separator: "-")
    }

    package static func < (left: NodeID, right: NodeID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}
