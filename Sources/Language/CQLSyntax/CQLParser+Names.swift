extension CQLParser {
    /// Whether a token may stand as a name.
    func isName(_ token: Token) -> Bool {
        switch token.kind {
        case .quotedName: true
        case .word: token.keyword?.isReserved != true
        default: false
        }
    }

    /// Reads a name.
    mutating func identifier(_ expected: String) throws(SyntaxError) -> Identifier {
        let token = token
        guard isName(token) else {
            if token.kind == .word {
                throw SyntaxError(
                    "no viable alternative at input '\(excerpt(token))' (expected \(expected);"
                        + " a reserved word needs double quotes)",
                    at: token.position
                )
            }
            throw unexpected(expected: expected)
        }
        advance()
        return name(of: token)
    }

    /// The name that a word or quoted name means.
    func name(of token: Token) -> Identifier {
        Identifier(
            token.kind == .quotedName ? unquoted(token) : text.foldedName(token.bytes),
            at: token.position
        )
    }

    /// Reads `[keyspace.]name`.
    mutating func qualifiedName(_ expected: String) throws(SyntaxError) -> QualifiedName {
        let first = try identifier(expected)
        guard accept(.dot) else { return QualifiedName(name: first) }
        return QualifiedName(keyspace: first, name: try identifier(expected))
    }

    /// Reads `(name, name)`.
    mutating func identifierList(_ expected: String) throws(SyntaxError) -> [Identifier] {
        try expect(.leftParenthesis, "'('")
        var names = [try identifier(expected)]
        while accept(.comma) { names.append(try identifier(expected)) }
        try expect(.rightParenthesis, "',' or ')'")
        return names
    }

    /// Reads IF EXISTS if it comes next.
    mutating func acceptIfExists() throws(SyntaxError) -> Bool {
        guard accept(.if) else { return false }
        try expect(.exists)
        return true
    }

    /// Reads IF NOT EXISTS if it comes next.
    mutating func acceptIfNotExists() throws(SyntaxError) -> Bool {
        guard accept(.if) else { return false }
        try expect(.not)
        try expect(.exists)
        return true
    }
}
