extension CQLParser {
    /// Reads DESCRIBE behind its first word.
    mutating func describe() throws(SyntaxError) -> DescribeStatement {
        let subject = try self.subject()
        let withInternals = accept(.with)
        if withInternals { try expect(.internals) }
        return DescribeStatement(subject: subject, withInternals: withInternals)
    }

    private mutating func subject() throws(SyntaxError) -> DescribeStatement.Subject {
        // In front of a dot these words are names: DESCRIBE types.x.
        if token(ahead: 1).kind == .dot { return .name(try describedName()) }
        switch token.keyword {
        case .cluster: return accepted(.cluster)
        case .keyspaces: return accepted(.keyspaces)
        case .tables: return accepted(.tables)
        case .types: return accepted(.types)
        case .functions: return accepted(.functions)
        case .aggregates: return accepted(.aggregates)
        case .full:
            advance()
            try expect(.schema)
            return .schema(isFull: true)
        case .schema:
            advance()
            return .schema(isFull: accept(.full))
        case .only where token(ahead: 1).keyword == .keyspace:
            advance()
            advance()
            return .keyspace(try keyspaceIfNamed(), isOnly: true)
        case .keyspace:
            advance()
            return .keyspace(try keyspaceIfNamed(), isOnly: false)
        case .table, .columnfamily: return try element(.table)
        case .index: return try element(.index)
        case .type where isElementNamed: return try element(.type)
        case .function where isElementNamed: return try element(.function)
        case .aggregate where isElementNamed: return try element(.aggregate)
        case .materialized:
            advance()
            guard isNext(.view) else { throw unexpected(expected: "VIEW") }
            return try element(.view)
        default: return .name(try describedName())
        }
    }

    private mutating func accepted(
        _ subject: DescribeStatement.Subject
    ) -> DescribeStatement.Subject {
        advance()
        return subject
    }

    private mutating func keyspaceIfNamed() throws(SyntaxError) -> Identifier? {
        isName(token) ? try identifier("a keyspace") : nil
    }

    /// Whether a name stands behind the next word, which is then a keyword and no name itself.
    private var isElementNamed: Bool { isName(token(ahead: 1)) }

    private mutating func element(
        _ element: DescribeStatement.Element
    ) throws(SyntaxError) -> DescribeStatement.Subject {
        advance()
        return .element(element, try qualifiedName("a name"))
    }

    private mutating func describedName() throws(SyntaxError) -> QualifiedName {
        try qualifiedName(
            "CLUSTER, KEYSPACES, TABLES, TYPES, FUNCTIONS, AGGREGATES, SCHEMA, KEYSPACE, TABLE or"
                + " a name"
        )
    }
}
