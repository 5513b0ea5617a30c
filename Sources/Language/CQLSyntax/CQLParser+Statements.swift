extension CQLParser {
    /// Reads a statement up to a semicolon or the end.
    mutating func statement() throws(SyntaxError) -> Statement.Kind {
        switch token.keyword {
        case .select: return .select(try select())
        case .insert:
            return isInsertJSON ? unsupported("INSERT JSON") : .insert(try insert())
        case .update: return .update(try update())
        case .delete: return .delete(try delete())
        case .begin: return .batch(try batch())
        case .create, .alter, .drop:
            let kind = try schemaStatement()
            try refuseMarkers(in: kind)
            return kind
        case .truncate:
            advance()
            // TRUNCATE TABLE t, where TABLE is reserved and no name.
            if !accept(.table) { _ = accept(.columnfamily) }
            return .truncate(try qualifiedName("a table"))
        case .use:
            advance()
            return .use(try identifier("a keyspace"))
        case .describe, .desc:
            advance()
            return .describe(try describe())
        case .repair:
            advance()
            guard !isNext(.endOfText), !isNext(.semicolon) else {
                return .repair(keyspace: nil, table: nil)
            }
            let keyspace = try identifier("a keyspace")
            guard accept(.dot) else { return .repair(keyspace: keyspace, table: nil) }
            return .repair(keyspace: keyspace, table: try identifier("a table"))
        case .list: return unsupported("LIST" + following)
        case .grant: return unsupported("GRANT")
        case .revoke: return unsupported("REVOKE")
        default:
            throw unexpected(
                expected: "a statement such as SELECT, INSERT, UPDATE, DELETE, BEGIN BATCH,"
                    + " CREATE, ALTER, DROP, TRUNCATE, USE, DESCRIBE or REPAIR"
            )
        }
    }

    /// The word behind the next token, to name a statement.
    private var following: String {
        let token = token(ahead: 1)
        return token.kind == .word ? " " + text.foldedName(token.bytes).uppercased() : ""
    }

    private mutating func unsupported(_ name: String) -> Statement.Kind {
        skipRest()
        return .unsupported(name: name)
    }

    private mutating func schemaStatement() throws(SyntaxError) -> Statement.Kind {
        let verb = token.keyword
        let verbName = verb?.spelling ?? ""
        advance()
        var orReplace = false
        if verb == .create, accept(.or) {
            try expect(.replace)
            orReplace = true
        }
        let object = token
        switch object.keyword {
        case .model where verb != .alter:
            advance()
            return verb == .create
                ? .createModel(try createModel(orReplace: orReplace))
                : .dropModel(try dropModel())
        case .function, .aggregate:
            return unsupported("\(verbName) \(spelling(object).uppercased())")
        default: break
        }
        if orReplace { throw unexpected(expected: "MODEL") }
        switch object.keyword {
        case .keyspace, .schema:
            advance()
            switch verb {
            case .create: return .createKeyspace(try createKeyspace())
            case .alter: return .alterKeyspace(try alterKeyspace())
            default:
                let ifExists = try acceptIfExists()
                let name = try identifier("a keyspace")
                return .dropKeyspace(DropKeyspaceStatement(name: name, ifExists: ifExists))
            }
        case .table, .columnfamily:
            advance()
            switch verb {
            case .create: return .createTable(try createTable())
            case .alter: return .alterTable(try alterTable())
            default:
                let ifExists = try acceptIfExists()
                let table = try qualifiedName("a table")
                return .dropTable(DropTableStatement(table: table, ifExists: ifExists))
            }
        case .custom where token(ahead: 1).keyword == .index:
            return unsupported("\(verbName) CUSTOM INDEX")
        case .materialized where token(ahead: 1).keyword == .view:
            return unsupported("\(verbName) MATERIALIZED VIEW")
        case .model, .index, .type, .trigger, .role, .user, .identity:
            return unsupported("\(verbName) \(spelling(object).uppercased())")
        default:
            throw unexpected(expected: "KEYSPACE, TABLE or MODEL")
        }
    }

    private mutating func dropModel() throws(SyntaxError) -> DropModelStatement {
        let ifExists = try acceptIfExists()
        return DropModelStatement(name: try qualifiedName("a model"), ifExists: ifExists)
    }

    /// Throws if a statement that changes the schema has a marker, except for a model's bytes.
    private func refuseMarkers(in kind: Statement.Kind) throws(SyntaxError) {
        if case .createModel = kind { return }
        guard let marker = markers.first else { return }
        throw SyntaxError(
            "a bind marker cannot stand in a statement that changes the schema; write the value",
            at: marker.position
        )
    }
}
