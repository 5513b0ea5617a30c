/// Cuts a statement's UTF-8 text into tokens in one pass.
///
/// It never fails: bytes that make no token become an `invalid` one, so that a statement which is
/// refused by name anyway is not refused for its body.
struct Lexer {
    private let text: [UInt8]
    private var offset = 0
    private var line = 1
    private var lineStart = 0
    /// Bytes on this line, before `offset`, that only continue a Unicode scalar.
    private var continuationBytes = 0

    private init(_ text: [UInt8]) {
        self.text = text
    }

    /// Returns all tokens of a text, the last of which is `endOfText`.
    static func tokens(of text: [UInt8]) -> [Token] {
        var lexer = Lexer(text)
        var tokens: [Token] = []
        tokens.reserveCapacity(text.count / 4 + 2)
        while true {
            let token = lexer.next()
            tokens.append(token)
            if token.kind == .endOfText { return tokens }
        }
    }

    private mutating func next() -> Token {
        if let fault = skipBlanksAndComments() { return fault }
        let start = offset
        let position = position
        guard let byte = byte(at: start) else {
            return Token(
                kind: .endOfText,
                keyword: nil,
                bytes: start..<start,
                position: position
            )
        }
        let kind: Token.Kind
        var keyword: Keyword?
        if byte.isHexDigit, isUUID(at: start) {
            offset += 36
            kind = .uuid
        } else if byte.isLetter {
            while self.byte(at: offset)?.isNamePart == true { offset += 1 }
            kind = .word
            keyword = Keyword.named(text.foldedName(start..<offset))
        } else if byte.isDigit {
            kind = number()
        } else if byte == UInt8(ascii: "'") {
            kind = quoted(by: byte) ? .string : .invalid(.unterminatedString)
        } else if byte == UInt8(ascii: "\"") {
            let isClosed = quoted(by: byte)
            kind =
                !isClosed
                ? .invalid(.unterminatedName)
                : offset - start == 2 ? .invalid(.emptyName) : .quotedName
        } else if byte == UInt8(ascii: "$"), self.byte(at: start + 1) == byte {
            kind = dollarQuoted() ? .dollarString : .invalid(.unterminatedString)
        } else {
            kind = symbol(byte)
        }
        return Token(kind: kind, keyword: keyword, bytes: start..<offset, position: position)
    }

    private var position: SourcePosition {
        SourcePosition(line: line, column: offset - lineStart - continuationBytes)
    }

    private func byte(at index: Int) -> UInt8? {
        index < text.count ? text[index] : nil
    }

    /// Steps over one byte that may be anything, and keeps count of lines and columns.
    private mutating func step() {
        let byte = text[offset]
        offset += 1
        if byte == UInt8(ascii: "\n") {
            line += 1
            lineStart = offset
            continuationBytes = 0
        } else if byte & 0xC0 == 0x80 {
            continuationBytes += 1
        }
    }

    /// Skips what separates tokens; returns a token only for a comment that is never closed.
    private mutating func skipBlanksAndComments() -> Token? {
        while let byte = byte(at: offset) {
            let following = self.byte(at: offset + 1)
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"):
                step()
            case UInt8(ascii: "-") where following == byte,
                UInt8(ascii: "/") where following == byte:
                while let byte = self.byte(at: offset), byte != UInt8(ascii: "\n") { step() }
            case UInt8(ascii: "/") where following == UInt8(ascii: "*"):
                let (start, position) = (offset, position)
                offset += 2
                guard skip(past: UInt8(ascii: "*"), UInt8(ascii: "/")) else {
                    return Token(
                        kind: .invalid(.unterminatedComment),
                        keyword: nil,
                        bytes: start..<offset,
                        position: position
                    )
                }
            default: return nil
            }
        }
        return nil
    }

    /// Moves behind the next such pair of bytes; false, and to the end, if there is none.
    private mutating func skip(past first: UInt8, _ second: UInt8) -> Bool {
        while offset < text.count {
            if text[offset] == first, byte(at: offset + 1) == second {
                offset += 2
                return true
            }
            step()
        }
        return false
    }

    private mutating func quoted(by quote: UInt8) -> Bool {
        offset += 1
        while offset < text.count {
            guard text[offset] == quote else {
                step()
                continue
            }
            offset += 1
            guard byte(at: offset) == quote else { return true }
            offset += 1
        }
        return false
    }

    private mutating func dollarQuoted() -> Bool {
        offset += 2
        return skip(past: UInt8(ascii: "$"), UInt8(ascii: "$"))
    }

    /// Whether 8-4-4-4-12 hexadecimal digits stand here, and no more of a word behind them.
    private func isUUID(at start: Int) -> Bool {
        guard start + 36 <= text.count, text[start + 8] == UInt8(ascii: "-") else { return false }
        for index in 0..<36 {
            let byte = text[start + index]
            switch index {
            case 8, 13, 18, 23: if byte != UInt8(ascii: "-") { return false }
            default: if !byte.isHexDigit { return false }
            }
        }
        return byte(at: start + 36)?.isNamePart != true
    }

    private mutating func number() -> Token.Kind {
        if text[offset] == UInt8(ascii: "0"), let mark = byte(at: offset + 1),
            mark | 0x20 == UInt8(ascii: "x")
        {
            return blob()
        }
        var kind = Token.Kind.integer
        skipDigits()
        // `0..20` is a range of integers, not two floats.
        if byte(at: offset) == UInt8(ascii: "."), byte(at: offset + 1) != UInt8(ascii: ".") {
            kind = .float
            offset += 1
            skipDigits()
        }
        if let mark = byte(at: offset), mark | 0x20 == UInt8(ascii: "e") {
            kind = .float
            offset += 1
            if let sign = byte(at: offset), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
                offset += 1
            }
            guard byte(at: offset)?.isDigit == true else { return malformedNumber() }
            skipDigits()
        }
        return byte(at: offset)?.isNamePart == true ? malformedNumber() : kind
    }

    private mutating func skipDigits() {
        while byte(at: offset)?.isDigit == true { offset += 1 }
    }

    private mutating func malformedNumber() -> Token.Kind {
        while byte(at: offset)?.isNamePart == true { offset += 1 }
        return .invalid(.malformedNumber)
    }

    private mutating func blob() -> Token.Kind {
        offset += 2
        let start = offset
        while byte(at: offset)?.isHexDigit == true { offset += 1 }
        let isWhole = (offset - start).isMultiple(of: 2) && byte(at: offset)?.isNamePart != true
        while byte(at: offset)?.isNamePart == true { offset += 1 }
        return isWhole ? .blob : .invalid(.oddBlob)
    }

    private mutating func symbol(_ byte: UInt8) -> Token.Kind {
        let following = self.byte(at: offset + 1)
        let pair: Token.Kind? =
            switch (byte, following) {
            case (UInt8(ascii: "<"), UInt8(ascii: "=")): .lessOrEqual
            case (UInt8(ascii: ">"), UInt8(ascii: "=")): .greaterOrEqual
            case (UInt8(ascii: "!"), UInt8(ascii: "=")): .notEqual
            case (UInt8(ascii: "="), UInt8(ascii: ">")): .arrow
            case (UInt8(ascii: "."), UInt8(ascii: ".")): .range
            default: nil
            }
        if let pair {
            offset += 2
            return pair
        }
        step()
        switch byte {
        case UInt8(ascii: "?"): return .question
        case UInt8(ascii: ":"): return .colon
        case UInt8(ascii: ","): return .comma
        case UInt8(ascii: ";"): return .semicolon
        case UInt8(ascii: "."): return .dot
        case UInt8(ascii: "("): return .leftParenthesis
        case UInt8(ascii: ")"): return .rightParenthesis
        case UInt8(ascii: "["): return .leftBracket
        case UInt8(ascii: "]"): return .rightBracket
        case UInt8(ascii: "{"): return .leftBrace
        case UInt8(ascii: "}"): return .rightBrace
        case UInt8(ascii: "="): return .equal
        case UInt8(ascii: "<"): return .less
        case UInt8(ascii: ">"): return .greater
        case UInt8(ascii: "+"): return .plus
        case UInt8(ascii: "-"): return .minus
        case UInt8(ascii: "*"): return .star
        case UInt8(ascii: "/"): return .slash
        case UInt8(ascii: "%"): return .percent
        default:
            // The rest of a scalar of several bytes belongs to the same fault.
            while let byte = self.byte(at: offset), byte & 0xC0 == 0x80 { step() }
            return .invalid(.unknownCharacter)
        }
    }
}

extension UInt8 {
    fileprivate var isLetter: Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20)
    }

    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    fileprivate var isNamePart: Bool { isLetter || isDigit || self == UInt8(ascii: "_") }

    fileprivate var isHexDigit: Bool { hexValue != nil }

    /// The value of a hexadecimal digit.
    var hexValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension [UInt8] {
    /// The name that a bare word means: ASCII letters in lower case.
    func foldedName(_ range: Range<Int>) -> String {
        String(
            unsafeUninitializedCapacity: range.count,
            initializingUTF8With: { buffer in
                for (index, byte) in self[range].enumerated() {
                    let isUpper = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                    buffer[index] = isUpper ? byte | 0x20 : byte
                }
                return range.count
            }
        )
    }
}
