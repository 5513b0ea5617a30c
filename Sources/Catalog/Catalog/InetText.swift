/// IP addresses between text, as people write them, and the bytes of a value of type `inet`.
package enum InetText {
    /// The 4 or 16 bytes of the address that a text names, or nil if it names none.
    ///
    /// Host names, zones (`fe80::1%eth0`) and decimal parts with leading zeros, which some read as
    /// octal, are no addresses.
    package static func bytes(of text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
        return characters.contains(UInt8(ascii: ":"))
            ? version6(characters) : version4(characters[...])
    }

    /// The address in 4 or 16 bytes as text (RFC 5952 for 16), or nil for another number of bytes.
    package static func text(of bytes: [UInt8]) -> String? {
        switch bytes.count {
        case 4: return dotted(bytes[...])
        case 16: return version6Text(bytes)
        default: return nil
        }
    }

    // MARK: Four bytes

    private static func dotted(_ bytes: ArraySlice<UInt8>) -> String {
        bytes.map { "\($0)" }.joined(separator: ".")
    }

    private static func version4(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        for part in text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard let byte = decimalByte(part), bytes.count < 4 else { return nil }
            bytes.append(byte)
        }
        return bytes.count == 4 ? bytes : nil
    }

    private static func decimalByte(_ digits: ArraySlice<UInt8>) -> UInt8? {
        guard (1...3).contains(digits.count),
            digits.count == 1 || digits.first != UInt8(ascii: "0")
        else { return nil }
        var value = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = 10 * value + Int(digit - UInt8(ascii: "0"))
        }
        return UInt8(exactly: value)
    }

    // MARK: Sixteen bytes

    /// Reads up to eight groups of hexadecimal digits; one run of zero groups may be left out, and
    /// the last two groups may be four decimal bytes.
    private static func version6(_ text: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        var gap: Int?
        var rest = text[...]
        if rest.starts(with: [UInt8(ascii: ":"), UInt8(ascii: ":")]) {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let part = rest.prefix { $0 != UInt8(ascii: ":") }
            rest = rest.dropFirst(part.count)
            if rest.isEmpty, part.contains(UInt8(ascii: ".")) {
                guard let tail = version4(part) else { return nil }
                bytes += tail
                break
            }
            guard let group = hexadecimalGroup(part) else { return nil }
            bytes += [UInt8(group >> 8), UInt8(group & 0xFF)]
            guard !rest.isEmpty else { break }
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: ":") {
                guard gap == nil else { return nil }
                gap = bytes.count
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        guard let gap else { return bytes.count == 16 ? bytes : nil }
        guard bytes.count <= 14 else { return nil }
        let zeros = [UInt8](repeating: 0, count: 16 - bytes.count)
        return bytes[..<gap] + zeros + bytes[gap...]
    }

    private static func hexadecimalGroup(_ digits: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(digits.count) else { return nil }
        var value: UInt16 = 0
        for digit in digits {
            guard let nibble = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
            value = value << 4 | UInt16(nibble)
        }
        return value
    }

    private static func version6Text(_ bytes: [UInt8]) -> String {
        if bytes[..<10].allSatisfy({ $0 == 0 }), bytes[10] == 0xFF, bytes[11] == 0xFF {
            return "::ffff:" + dotted(bytes[12...])
        }
        let groups = (0..<8).map { UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1]) }
        var longest = 0..<0
        var start = 0
        for (index, group) in groups.enumerated() {
            if group != 0 {
                start = index + 1
            } else if index + 1 - start > longest.count {
                longest = start..<index + 1
            }
        }
        func joined(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard longest.count > 1 else { return joined(groups[...]) }
        return joined(groups[..<longest.lowerBound]) + "::" + joined(groups[longest.upperBound...])
    }
}
