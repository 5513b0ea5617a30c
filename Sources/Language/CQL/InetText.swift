/// Reads the text of an IPv4 or IPv6 address (RFC 4291 section 2.2): never a host name.
enum InetText {
    /// The 4 or 16 bytes of an address, or nil if the text is none.
    static func bytes(of text: String) -> [UInt8]? {
        text.utf8.contains(UInt8(ascii: ":")) ? sixteen(text) : four(text)
    }

    private static func four(_ text: some StringProtocol) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            // A leading zero would be octal to some and decimal to others.
            guard part.utf8.allSatisfy(isDigit), part.utf8.count == 1 || part.first != "0",
                let byte = UInt8(part)
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func sixteen(_ text: String) -> [UInt8]? {
        var halves: [Substring] = []
        var rest = text[...]
        // `::` may stand once; what is in front of it and behind it are the halves.
        while let gap = gap(in: rest) {
            halves.append(rest[..<gap])
            rest = rest[rest.index(gap, offsetBy: 2)...]
        }
        halves.append(rest)
        guard halves.count <= 2, let last = groups(halves[halves.count - 1], isLast: true) else {
            return nil
        }
        guard halves.count == 2 else { return last.count == 16 ? last : nil }
        guard let first = groups(halves[0], isLast: false), first.count + last.count <= 14 else {
            return nil
        }
        return first + Array(repeating: 0, count: 16 - first.count - last.count) + last
    }

    private static func gap(in text: Substring) -> Substring.Index? {
        text.indices.first { text[$0...].hasPrefix("::") }
    }

    private static func groups(_ text: Substring, isLast: Bool) -> [UInt8]? {
        guard !text.isEmpty else { return [] }
        var bytes: [UInt8] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 8 else { return nil }
        for (index, part) in parts.enumerated() {
            if isLast, index == parts.count - 1, part.contains(".") {
                guard let embedded = four(part) else { return nil }
                bytes += embedded
                continue
            }
            guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(isHexDigit),
                let group = UInt16(part, radix: 16)
            else { return nil }
            bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
        }
        return bytes
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }
}
