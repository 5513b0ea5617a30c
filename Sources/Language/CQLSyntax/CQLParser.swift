/// Parses CQL 3.4 text, with Martlet's additions, by recursive descent.
///
/// What the grammar cannot know (tables, types, functions) is left to the planner; every node keeps
/// its position for the planner's error messages. A parser serves one text.
package struct CQLParser {
    /// How deep parentheses, literals, calls, subqueries and types may nest, and how many operators
    /// may pile up on one value.
    ///
    /// Both bounds keep hostile text from overflowing the stack, here and in whoever walks the
    /// tree.
    package static let nestingMax = 32

    let text: [UInt8]
    private let tokens: [Token]
    private var next = 0
    private(set) var markers: [BindMarker] = []
    private var depth = 0
    /// Height of the tallest tree below the innermost open `enter`.
    private var height = 0

    private init(_ text: String) {
        self.text = Array(text.utf8)
        tokens = Lexer.tokens(of: self.text)
    }

    /// Parses one statement, which any number of semicolons may follow.
    ///
    /// - Throws: `SyntaxError` with the place of the first token that cannot stand where it stands.
    package static func parse(_ text: String) throws(SyntaxError) -> Statement {
        var parser = CQLParser(text)
        let kind = try parser.statement()
        while parser.accept(.semicolon) {}
        try parser.expectEnd("the end of the statement")
        return Statement(kind: kind, markers: parser.markers)
    }

    /// Parses a type alone, such as `vector<float, 3>`.
    ///
    /// - Throws: `SyntaxError` if the text is not exactly one type.
    package static func parseType(_ text: String) throws(SyntaxError) -> TypeName {
        var parser = CQLParser(text)
        let type = try parser.type()
        try parser.expectEnd("the end of the type")
        return type
    }

    /// Parses a model's signature: `user_vec vector<float, 64>, popularity float DEFAULT 0.0`.
    ///
    /// Each parameter may name the model's input that takes it, or a part of one:
    /// `age float => features[3..4]` (half-open, from 0).
    ///
    /// - Throws: `SyntaxError` if the text is no signature, has no parameter or one twice.
    package static func parseSignature(
        _ text: String
    ) throws(SyntaxError) -> [SignatureParameter] {
        var parser = CQLParser(text)
        let parameters = try parser.signature()
        try parser.expectEnd("',' or the end of the signature")
        return parameters
    }
}

// Tokens.
extension CQLParser {
    /// The token to be read next.
    var token: Token { tokens[next] }

    /// A token behind the next one; the end of the text stays itself.
    func token(ahead count: Int) -> Token { tokens[min(next + count, tokens.count - 1)] }

    /// Reads the next token, which the caller has looked at.
    mutating func advance() {
        if next < tokens.count - 1 { next += 1 }
    }

    /// Whether the next token is of this kind.
    func isNext(_ kind: Token.Kind) -> Bool { token.kind == kind }

    /// Whether the next token is this keyword.
    func isNext(_ keyword: Keyword) -> Bool { token.keyword == keyword }

    /// Whether the next tokens are these keywords in turn.
    func areNext(_ keywords: Keyword...) -> Bool {
        for (index, keyword) in keywords.enumerated()
        where token(ahead: index).keyword != keyword {
            return false
        }
        return true
    }

    /// Reads the next token if it is of this kind.
    mutating func accept(_ kind: Token.Kind) -> Bool {
        guard isNext(kind) else { return false }
        advance()
        return true
    }

    /// Reads the next token if it is this keyword.
    mutating func accept(_ keyword: Keyword) -> Bool {
        guard isNext(keyword) else { return false }
        advance()
        return true
    }

    /// Reads this kind of token, or throws that `name` was expected.
    mutating func expect(_ kind: Token.Kind, _ name: String) throws(SyntaxError) {
        guard accept(kind) else { throw unexpected(expected: name) }
    }

    /// Reads this keyword, or throws that it was expected.
    mutating func expect(_ keyword: Keyword) throws(SyntaxError) {
        guard accept(keyword) else { throw unexpected(expected: keyword.spelling) }
    }

    /// Throws unless the text is over.
    func expectEnd(_ name: String) throws(SyntaxError) {
        guard isNext(.endOfText) else { throw unexpected(expected: name) }
    }

    /// Reads all that is left, for statements which are known only by name.
    mutating func skipRest() { next = tokens.count - 1 }

    /// The error that the next token may not stand here.
    func unexpected(expected: String) -> SyntaxError {
        let token = token
        switch token.kind {
        case .invalid(let fault):
            return SyntaxError(
                "no viable alternative at input '\(excerpt(token))' (\(fault.explanation))",
                at: token.position
            )
        case .endOfText:
            return SyntaxError(
                "no viable alternative at input '<EOF>' (expected \(expected))",
                at: token.position
            )
        default:
            return SyntaxError(
                "no viable alternative at input '\(excerpt(token))' (expected \(expected))",
                at: token.position
            )
        }
    }

    /// The token as one line of at most 40 characters.
    func excerpt(_ token: Token) -> String {
        let countMax = 40
        // A scalar has at most four bytes; a cut one is dropped below.
        let bytes = token.bytes.prefix(countMax * 4 + 4)
        let scalars = String(decoding: text[bytes], as: UTF8.self).unicodeScalars
        var excerpt = ""
        for scalar in scalars.prefix(countMax) {
            let breaksLine: Bool =
                switch scalar.properties.generalCategory {
                case .control, .lineSeparator, .paragraphSeparator, .format: true
                default: false
                }
            excerpt.unicodeScalars.append(breaksLine ? " " : scalar)
        }
        return scalars.count > countMax ? excerpt + "..." : excerpt
    }

    /// The text between the marks of a string or quoted name, without its escapes.
    func unquoted(_ token: Token) -> String {
        let inner = token.bytes.lowerBound + 1..<token.bytes.upperBound - 1
        let quote = text[token.bytes.lowerBound]
        guard text[inner].contains(quote) else {
            return String(decoding: text[inner], as: UTF8.self)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(inner.count)
        var index = inner.lowerBound
        while index < inner.upperBound {
            bytes.append(text[index])
            index += text[index] == quote ? 2 : 1
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The token's bytes as they stand.
    func spelling(_ token: Token) -> String {
        String(decoding: text[token.bytes], as: UTF8.self)
    }
}

// Nesting and markers.
extension CQLParser {
    /// Goes one level deeper; the result belongs to `leave`.
    mutating func enter() throws(SyntaxError) -> Int {
        guard depth < Self.nestingMax else {
            throw SyntaxError(
                "nesting is deeper than \(Self.nestingMax) levels at input"
                    + " '\(excerpt(token))'; flatten the statement",
                at: token.position
            )
        }
        depth += 1
        return isolate()
    }

    /// Comes back from a level.
    mutating func leave(_ outer: Int) {
        depth -= 1
        height += 1
        rejoin(outer)
    }

    /// Begins to measure a tree apart from its siblings; the result belongs to `rejoin`.
    mutating func isolate() -> Int {
        let outer = height
        height = 0
        return outer
    }

    /// Ends what `isolate` began.
    mutating func rejoin(_ outer: Int) { height = max(outer, height) }

    /// Counts an operator that makes the tree before it one level taller.
    mutating func grow(at position: SourcePosition) throws(SyntaxError) {
        height += 1
        guard height <= Self.nestingMax else {
            throw SyntaxError(
                "an expression piles up more than \(Self.nestingMax) levels of operators;"
                    + " compute it before the statement or in the model",
                at: position
            )
        }
    }

    /// Reads `?` or `:name` if one comes next.
    mutating func acceptMarker() throws(SyntaxError) -> BindMarker? {
        let position = token.position
        var name: String?
        if accept(.colon) {
            name = try identifier("a bind marker's name").name
        } else if !accept(.question) {
            return nil
        }
        let marker = BindMarker(index: markers.count, name: name, position: position)
        markers.append(marker)
        return marker
    }
}
