extension CQLParser {
    /// Reads the conditions of WHERE or IF.
    mutating func relations() throws(SyntaxError) -> [Relation] {
        var relations = [try relation()]
        while accept(.and) { relations.append(try relation()) }
        if isNext(.or) {
            throw SyntaxError(
                "OR is not supported; use IN, or one statement for each alternative",
                at: token.position
            )
        }
        return relations
    }

    private mutating func relation() throws(SyntaxError) -> Relation {
        let position = token.position
        let kind: Relation.Kind
        if isNext(.leftParenthesis) {
            kind = try tupleRelation()
        } else if accept(.token) {
            let columns = try identifierList("a column of the partition key")
            kind = .token(columns, try comparisonOperator(), try expression())
        } else {
            kind = try columnRelation()
        }
        return Relation(kind: kind, position: position)
    }

    private mutating func tupleRelation() throws(SyntaxError) -> Relation.Kind {
        let columns = try identifierList("a column")
        if accept(.in) { return .tupleIsIn(columns, try inValues()) }
        return .tuple(columns, try comparisonOperator(), try expression())
    }

    private mutating func columnRelation() throws(SyntaxError) -> Relation.Kind {
        let column = try identifier("a column, token(...) or a tuple of columns")
        if isNext(.leftBracket) {
            let outer = try enter()
            advance()
            let key = try expression()
            try expect(.rightBracket, "']'")
            leave(outer)
            return .element(column, key: key, try comparisonOperator(), try expression())
        }
        if accept(.dot) {
            let field = try identifier("a field")
            return .field(column, field, try comparisonOperator(), try expression())
        }
        if accept(.in) { return .isIn(column, try inValues()) }
        if accept(.contains) {
            if isNext(.key), beginsValue(token(ahead: 1)) {
                advance()
                return .containsKey(column, try expression())
            }
            return .contains(column, try expression())
        }
        if accept(.like) { return .like(column, try expression()) }
        if accept(.is) {
            try expect(.not)
            try expect(.null)
            return .isNotNull(column)
        }
        return .comparison(column, try comparisonOperator(), try expression())
    }

    /// Whether a value begins here, so that KEY in front of it is the keyword and no column.
    private func beginsValue(_ token: Token) -> Bool {
        switch token.kind {
        case .string, .dollarString, .integer, .float, .uuid, .blob, .question, .colon, .minus,
            .leftParenthesis, .leftBracket, .leftBrace, .quotedName:
            true
        case .word:
            switch token.keyword {
            case .true, .false, .null, .nan, .infinity, .token: true
            default: isName(token)
            }
        default: false
        }
    }

    private mutating func inValues() throws(SyntaxError) -> InValues {
        if let marker = try acceptMarker() { return .marker(marker) }
        guard isNext(.leftParenthesis) else {
            throw unexpected(expected: "'(' or a bind marker for the list of IN")
        }
        advance()
        return .list(try expressions(until: .rightParenthesis, "')'", orEmpty: true))
    }

    private mutating func comparisonOperator() throws(SyntaxError) -> ComparisonOperator {
        let comparison: ComparisonOperator
        switch token.kind {
        case .equal: comparison = .equal
        case .notEqual: comparison = .notEqual
        case .less: comparison = .less
        case .lessOrEqual: comparison = .lessOrEqual
        case .greater: comparison = .greater
        case .greaterOrEqual: comparison = .greaterOrEqual
        default: throw unexpected(expected: "a comparison such as =, <, >= or IN")
        }
        advance()
        return comparison
    }
}
