extension CQLParser {
    /// Reads INSERT with columns and values, which comes next.
    mutating func insert() throws(SyntaxError) -> InsertStatement {
        let position = token.position
        try expect(.insert)
        try expect(.into)
        let table = try qualifiedName("a table")
        if isNext(.json) {
            throw SyntaxError(
                "INSERT JSON is not supported; list the columns and their VALUES",
                at: token.position
            )
        }
        let columns = try identifierList("a column")
        try expect(.values)
        try expect(.leftParenthesis, "'('")
        let values = try expressions(until: .rightParenthesis, "')'", orEmpty: false)
        let isConditional = try acceptIfNotExists()
        let options = try writeOptions()
        return InsertStatement(
            table: table,
            columns: columns,
            values: values,
            condition: isConditional ? .notExists : nil,
            options: options,
            position: position
        )
    }

    /// Whether INSERT INTO [keyspace.]table JSON comes next.
    var isInsertJSON: Bool {
        guard areNext(.insert, .into) else { return false }
        return token(ahead: token(ahead: 3).kind == .dot ? 5 : 3).keyword == .json
    }

    /// Reads UPDATE, which comes next.
    mutating func update() throws(SyntaxError) -> UpdateStatement {
        let position = token.position
        try expect(.update)
        let table = try qualifiedName("a table")
        let options = try writeOptions()
        try expect(.set)
        var assignments = [try assignment()]
        while accept(.comma) { assignments.append(try assignment()) }
        try expect(.where)
        let relations = try self.relations()
        return UpdateStatement(
            table: table,
            options: options,
            assignments: assignments,
            relations: relations,
            condition: try condition(),
            position: position
        )
    }

    private mutating func assignment() throws(SyntaxError) -> UpdateStatement.Assignment {
        let column = try identifier("a column to set")
        return UpdateStatement.Assignment(column: column, operation: try operation(on: column))
    }

    private mutating func operation(
        on column: Identifier
    ) throws(SyntaxError) -> UpdateStatement.Assignment.Operation {
        if isNext(.leftBracket) {
            let key = try element()
            try expect(.equal, "'='")
            return .setElement(key: key, try expression())
        }
        if accept(.dot) {
            let field = try identifier("a field")
            try expect(.equal, "'='")
            return .setField(field, try expression())
        }
        if accept(.plus) {
            try expect(.equal, "'=' as in a += value")
            return .add(try expression())
        }
        if accept(.minus) {
            try expect(.equal, "'=' as in a -= value")
            return .subtract(try expression())
        }
        try expect(.equal, "'=', '+=', '-=' or '['")
        let value = try expression()
        guard case .arithmetic(let operation, let left, let right) = value.kind else {
            return .set(value)
        }
        switch operation {
        case .add where left.isColumn(column): return .add(right)
        case .add where right.isColumn(column): return .prepend(left)
        case .subtract where left.isColumn(column): return .subtract(right)
        default: return .set(value)
        }
    }

    /// Reads `[key]`.
    private mutating func element() throws(SyntaxError) -> Expression {
        let outer = try enter()
        advance()
        let key = try expression()
        try expect(.rightBracket, "']'")
        leave(outer)
        return key
    }

    /// Reads DELETE, which comes next.
    mutating func delete() throws(SyntaxError) -> DeleteStatement {
        let position = token.position
        try expect(.delete)
        var targets: [DeleteStatement.Target] = []
        if !isNext(.from) {
            repeat {
                let column = try identifier("a column or FROM")
                let element = isNext(.leftBracket) ? try self.element() : nil
                targets.append(DeleteStatement.Target(column: column, element: element))
            } while accept(.comma)
        }
        try expect(.from)
        let table = try qualifiedName("a table")
        let options = try writeOptions(withTTL: false)
        try expect(.where)
        let relations = try self.relations()
        return DeleteStatement(
            targets: targets,
            table: table,
            options: options,
            relations: relations,
            condition: try condition(),
            position: position
        )
    }

    /// Reads a batch from BEGIN to APPLY BATCH, which comes next.
    mutating func batch() throws(SyntaxError) -> BatchStatement {
        let position = token.position
        try expect(.begin)
        let kind: BatchStatement.Kind =
            accept(.unlogged) ? .unlogged : accept(.counter) ? .counter : .logged
        try expect(.batch)
        let options = try writeOptions(withTTL: false)
        var modifications: [Modification] = []
        while !isNext(.apply) {
            switch token.keyword {
            case .insert: modifications.append(.insert(try insert()))
            case .update: modifications.append(.update(try update()))
            case .delete: modifications.append(.delete(try delete()))
            default: throw unexpected(expected: "INSERT, UPDATE, DELETE or APPLY BATCH")
            }
            _ = accept(.semicolon)
        }
        advance()
        try expect(.batch)
        return BatchStatement(
            kind: kind,
            options: options,
            modifications: modifications,
            position: position
        )
    }

    /// Reads USING TTL x AND TIMESTAMP y, in either order, if it comes next.
    private mutating func writeOptions(
        withTTL: Bool = true
    ) throws(SyntaxError) -> WriteOptions {
        var ttl: Expression?
        var timestamp: Expression?
        guard accept(.using) else { return WriteOptions(ttl: nil, timestamp: nil) }
        repeat {
            if withTTL, ttl == nil, accept(.ttl) {
                ttl = try integerOrMarker("TTL")
            } else if timestamp == nil, accept(.timestamp) {
                timestamp = try integerOrMarker("TIMESTAMP")
            } else {
                throw unexpected(
                    expected: withTTL ? "TTL or TIMESTAMP, each once" : "TIMESTAMP, once"
                )
            }
        } while accept(.and)
        return WriteOptions(ttl: ttl, timestamp: timestamp)
    }

    /// Reads IF EXISTS or IF with conditions, if it comes next.
    private mutating func condition() throws(SyntaxError) -> WriteCondition? {
        guard accept(.if) else { return nil }
        let following = token(ahead: 1).kind
        if isNext(.exists), following == .semicolon || following == .endOfText || isBatchPart(1) {
            advance()
            return .exists
        }
        return .all(try relations())
    }

    /// Whether a word that can only begin another part of a batch stands there.
    private func isBatchPart(_ ahead: Int) -> Bool {
        switch token(ahead: ahead).keyword {
        case .insert, .update, .delete, .apply: true
        default: false
        }
    }
}

extension Expression {
    /// Whether this is just the column.
    fileprivate func isColumn(_ column: Identifier) -> Bool {
        guard case .column(let own) = kind else { return false }
        return own.name == column.name
    }
}
