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
        let utf8 = Array(text.utf8)
        let bytes = utf8.contains(colon) ? ipv6Bytes(utf8) : ipv4Bytes(utf8[...])
        guard let bytes else { return nil }
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
        let bytes = bytes
        guard isIPv6 else { return dotted(bytes[...]) }
        if high == 0, low >> 32 == 0xFFFF { return "::ffff:" + dotted(bytes[12...]) }
        let groups = stride(from: 0, to: 16, by: 2).map {
            UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1])
        }
        func joined(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        let run = longestZeroRun(groups)
        guard run.count >= 2 else { return joined(groups[...]) }
        return joined(groups[..<run.lowerBound]) + "::" + joined(groups[run.upperBound...])
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

private let colon = UInt8(ascii: ":")
private let dot = UInt8(ascii: ".")

private func dotted(_ bytes: ArraySlice<UInt8>) -> String {
    bytes.map(String.init).joined(separator: ".")
}

private func longestZeroRun(_ groups: [UInt16]) -> Range<Int> {
    var best = 0..<0
    var start = 0
    for index in 0...groups.count {
        guard index == groups.count || groups[index] != 0 else { continue }
        if index - start > best.count { best = start..<index }
        start = index + 1
    }
    return best
}

private func ipv4Bytes(_ utf8: ArraySlice<UInt8>) -> [UInt8]? {
    let parts = utf8.split(separator: dot, omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bytes: [UInt8] = []
    for part in parts {
        guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0"),
            part.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains)
        else { return nil }
        let value = part.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        guard value <= 255 else { return nil }
        bytes.append(UInt8(value))
    }
    return bytes
}

private func ipv6Bytes(_ utf8: [UInt8]) -> [UInt8]? {
    var groups: [UInt16]
    if let gap = utf8.indices.dropLast().first(where: {
        utf8[$0] == colon && utf8[$0 + 1] == colon
    }) {
        guard let left = ipv6Groups(utf8[..<gap], mayEndInIPv4: false),
            let right = ipv6Groups(utf8[(gap + 2)...], mayEndInIPv4: true),
            left.count + right.count <= 7
        else { return nil }
        groups = left + Array(repeating: 0, count: 8 - left.count - right.count) + right
    } else {
        guard let all = ipv6Groups(utf8[...], mayEndInIPv4: true) else { return nil }
        groups = all
    }
    guard groups.count == 8 else { return nil }
    return groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
}

private func ipv6Groups(_ utf8: ArraySlice<UInt8>, mayEndInIPv4: Bool) -> [UInt16]? {
    guard !utf8.isEmpty else { return [] }
    var groups: [UInt16] = []
    let parts = utf8.split(separator: colon, omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() {
        if mayEndInIPv4, index == parts.count - 1, part.contains(dot) {
            guard let bytes = ipv4Bytes(part) else { return nil }
            groups.append(UInt16(bytes[0]) << 8 | UInt16(bytes[1]))
            groups.append(UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
            continue
        }
        guard (1...4).contains(part.count), part.first != UInt8(ascii: "+"),
            part.first != UInt8(ascii: "-"),
            let group = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
        else { return nil }
        groups.append(group)
    }
    return groups
}
