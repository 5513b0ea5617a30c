extension CQLParser {
    /// Reads a SELECT, which comes next.
    mutating func select() throws(SyntaxError) -> SelectStatement {
        let position = token.position
        try expect(.select)
        if isNext(.json), isModifier {
            throw SyntaxError(
                "SELECT JSON is not supported; select the columns",
                at: token.position
            )
        }
        let isDistinct = isNext(.distinct) && isModifier
        if isDistinct { advance() }
        let selection = try self.selection()
        try expect(.from)
        let table = try qualifiedName("a table")
        let relations = accept(.where) ? try self.relations() : []
        if isNext(.group) {
            throw SyntaxError(
                "GROUP BY is not supported; group the rows in the client",
                at: token.position
            )
        }
        var orderings: [SelectStatement.Ordering] = []
        if accept(.order) {
            try expect(.by)
            repeat { orderings.append(try ordering()) } while accept(.comma)
        }
        var perPartitionLimit: Expression?
        if accept(.per) {
            try expect(.partition)
            try expect(.limit)
            perPartitionLimit = try integerOrMarker("PER PARTITION LIMIT")
        }
        let limit = accept(.limit) ? try integerOrMarker("LIMIT") : nil
        let allowsFiltering = accept(.allow)
        if allowsFiltering { try expect(.filtering) }
        return SelectStatement(
            isDistinct: isDistinct,
            selection: selection,
            table: table,
            relations: relations,
            orderings: orderings,
            perPartitionLimit: perPartitionLimit,
            limit: limit,
            allowsFiltering: allowsFiltering,
            position: position
        )
    }

    /// Whether the next word (DISTINCT, JSON) modifies what is selected and is not a column's name.
    private var isModifier: Bool {
        let following = token(ahead: 1)
        switch following.kind {
        case .star, .quotedName: return true
        case .word: return following.keyword != .from && following.keyword != .as
        default: return false
        }
    }

    private mutating func selection() throws(SyntaxError) -> SelectStatement.Selection {
        if accept(.star) { return .all }
        var items: [SelectStatement.Item] = []
        repeat {
            let expression = try self.expression()
            let alias = accept(.as) ? try identifier("an alias") : nil
            items.append(SelectStatement.Item(expression: expression, alias: alias))
        } while accept(.comma)
        return .items(items)
    }

    private mutating func ordering() throws(SyntaxError) -> SelectStatement.Ordering {
        let position = token.position
        let key: SelectStatement.Ordering.Key
        if isName(token), token(ahead: 1).keyword == .ann, token(ahead: 2).keyword == .of {
            let column = try identifier("a column")
            advance()
            advance()
            key = .nearest(column, to: try expression())
        } else {
            key = .value(try expression())
        }
        return SelectStatement.Ordering(
            key: key,
            isDescending: acceptDescending(),
            position: position
        )
    }

    /// Reads ASC or DESC if one comes next; whether it was DESC.
    mutating func acceptDescending() -> Bool {
        if accept(.desc) { return true }
        _ = accept(.asc)
        return false
    }
}
