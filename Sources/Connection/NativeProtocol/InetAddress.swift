internal import Catalog

/// An IPv4 or IPv6 address: text for people, 4 or 16 bytes for the protocol.
package struct InetAddress: Hashable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64
    /// Whether the address has 16 bytes.
    package let isIPv6: Bool

    /// The address in 4 or 16 bytes, or nil for any other number of bytes.
    package init?(bytes: some Collection<UInt8>) {
        var words: (UInt64, UInt64) = (0, 0)
        switch bytes.count {
        case 4: words.1 = bytes.reduce(0) { $0 << 8 | UInt64($1) }
        case 16:
            words.0 = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
            words.1 = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
        default: return nil
        }
        (high, low) = words
        isIPv6 = bytes.count == 16
    }

    /// The address that a text names, such as `127.0.0.1`, `::1` or `::ffff:10.0.0.1`; nil for host
    /// names, zones (`fe80::1%eth0`), and decimal parts with leading zeros.
    package init?(_ text: String) {
        guard let bytes = InetText.bytes(of: text) else { return nil }
        self.init(bytes: bytes)
    }

    /// The 4 or 16 bytes.
    package var bytes: [UInt8] {
        func split(_ word: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * (count - 1 - $0))) }
        }
        return isIPv6 ? split(high, 8) + split(low, 8) : split(low, 4)
    }

    /// The canonical text (RFC 5952 for IPv6).
    package var description: String {
        guard let text = InetText.text(of: bytes) else {
            preconditionFailure("an address of \(bytes.count) bytes")
        }
        return text
    }
}

/// An address with a port ([inet] in the specification).
package struct InetEndpoint: Hashable, Sendable, CustomStringConvertible {
    /// The address.
    package var address: InetAddress
    /// The port.
    package var port: UInt16

    /// An address with a port.
    package init(address: InetAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    package var description: String {
        address.isIPv6 ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
