extension CQLParser {
    /// Reads CREATE KEYSPACE behind its first two words.
    mutating func createKeyspace() throws(SyntaxError) -> CreateKeyspaceStatement {
        let ifNotExists = try acceptIfNotExists()
        let name = try identifier("a keyspace")
        try expect(.with)
        return CreateKeyspaceStatement(
            name: name,
            ifNotExists: ifNotExists,
            properties: try properties()
        )
    }

    /// Reads ALTER KEYSPACE behind its first two words.
    mutating func alterKeyspace() throws(SyntaxError) -> AlterKeyspaceStatement {
        let ifExists = try acceptIfExists()
        let name = try identifier("a keyspace")
        try expect(.with)
        return AlterKeyspaceStatement(
            name: name,
            ifExists: ifExists,
            properties: try properties()
        )
    }

    /// Reads CREATE TABLE behind its first two words.
    mutating func createTable() throws(SyntaxError) -> CreateTableStatement {
        let ifNotExists = try acceptIfNotExists()
        let table = try qualifiedName("a table")
        try expect(.leftParenthesis, "'(' and the columns")
        var columns: [ColumnDefinition] = []
        var key: (partition: [Identifier], clustering: [Identifier])?
        repeat {
            let position = token.position
            var newKey: (partition: [Identifier], clustering: [Identifier])?
            if areNext(.primary, .key) {
                newKey = try primaryKey()
            } else {
                let column = try columnDefinition()
                columns.append(column)
                if accept(.primary) {
                    try expect(.key)
                    newKey = ([column.name], [])
                }
            }
            guard let newKey else { continue }
            guard key == nil else {
                throw SyntaxError(
                    "the table has more than one PRIMARY KEY; name all its columns in one",
                    at: position
                )
            }
            key = newKey
        } while accept(.comma)
        try expect(.rightParenthesis, "',' or ')'")
        var clusteringOrder: [CreateTableStatement.ClusteringOrder] = []
        var properties: [Property] = []
        if accept(.with) {
            repeat {
                if areNext(.clustering, .order) {
                    clusteringOrder += try clusteringOrderBy()
                } else if areNext(.compact, .storage) {
                    throw SyntaxError(
                        "COMPACT STORAGE is not supported; leave it out",
                        at: token.position
                    )
                } else {
                    properties.append(try property())
                }
            } while accept(.and)
        }
        return CreateTableStatement(
            table: table,
            ifNotExists: ifNotExists,
            columns: columns,
            partitionKey: key?.partition ?? [],
            clusteringKey: key?.clustering ?? [],
            clusteringOrder: clusteringOrder,
            properties: properties
        )
    }

    private mutating func columnDefinition() throws(SyntaxError) -> ColumnDefinition {
        let name = try identifier("a column or PRIMARY KEY")
        let type = try self.type()
        return ColumnDefinition(name: name, type: type, isStatic: accept(.static))
    }

    /// Reads PRIMARY KEY ((a, b), c), which comes next.
    private mutating func primaryKey() throws(SyntaxError) -> ([Identifier], [Identifier]) {
        advance()
        advance()
        try expect(.leftParenthesis, "'('")
        let partition: [Identifier]
        if isNext(.leftParenthesis) {
            partition = try identifierList("a column of the partition key")
        } else {
            partition = [try identifier("a column of the primary key")]
        }
        var clustering: [Identifier] = []
        while accept(.comma) { clustering.append(try identifier("a clustering column")) }
        try expect(.rightParenthesis, "',' or ')'")
        return (partition, clustering)
    }

    /// Reads CLUSTERING ORDER BY (a DESC, b), which comes next.
    private mutating func clusteringOrderBy() throws(SyntaxError)
        -> [CreateTableStatement.ClusteringOrder]
    {
        advance()
        advance()
        try expect(.by)
        try expect(.leftParenthesis, "'('")
        var order: [CreateTableStatement.ClusteringOrder] = []
        repeat {
            let column = try identifier("a clustering column")
            order.append(
                CreateTableStatement.ClusteringOrder(
                    column: column,
                    isDescending: acceptDescending()
                )
            )
        } while accept(.comma)
        try expect(.rightParenthesis, "ASC, DESC, ',' or ')'")
        return order
    }

    /// Reads ALTER TABLE behind its first two words.
    mutating func alterTable() throws(SyntaxError) -> AlterTableStatement {
        let ifExists = try acceptIfExists()
        let table = try qualifiedName("a table")
        return AlterTableStatement(
            table: table,
            ifExists: ifExists,
            action: try alterTableAction()
        )
    }

    private mutating func alterTableAction() throws(SyntaxError) -> AlterTableStatement.Action {
        if accept(.with) { return .set(try properties()) }
        if accept(.add) {
            let ifNotExists = try acceptIfNotExists()
            let isEnclosed = accept(.leftParenthesis)
            var columns = [try columnDefinition()]
            while accept(.comma) { columns.append(try columnDefinition()) }
            if isEnclosed { try expect(.rightParenthesis, "',' or ')'") }
            return .add(columns, ifNotExists: ifNotExists)
        }
        if accept(.drop) {
            let ifExists = try acceptIfExists()
            var columns: [Identifier] = []
            if isNext(.leftParenthesis) {
                columns = try identifierList("a column")
            } else {
                repeat { columns.append(try identifier("a column")) } while accept(.comma)
            }
            var timestamp: Expression?
            if accept(.using) {
                try expect(.timestamp)
                timestamp = try integerOrMarker("TIMESTAMP")
            }
            return .drop(columns, ifExists: ifExists, timestamp: timestamp)
        }
        if accept(.rename) {
            let ifExists = try acceptIfExists()
            var renamings: [AlterTableStatement.Renaming] = []
            repeat {
                let from = try identifier("a column")
                try expect(.to)
                let to = try identifier("the column's new name")
                renamings.append(AlterTableStatement.Renaming(from: from, to: to))
            } while accept(.and)
            return .rename(renamings, ifExists: ifExists)
        }
        if accept(.alter) {
            throw SyntaxError(
                "ALTER TABLE ... ALTER is not supported; add a column of the new type",
                at: token.position
            )
        }
        throw unexpected(expected: "ADD, DROP, RENAME or WITH")
    }

    /// Reads CREATE [OR REPLACE] MODEL behind these words.
    mutating func createModel(orReplace: Bool) throws(SyntaxError) -> CreateModelStatement {
        let position = token.position
        let ifNotExists = try acceptIfNotExists()
        if orReplace, ifNotExists {
            throw SyntaxError(
                "OR REPLACE and IF NOT EXISTS exclude each other; leave one out",
                at: position
            )
        }
        let name = try qualifiedName("a model")
        try expect(.from)
        let source = try expression()
        let properties = accept(.with) ? try self.properties() : []
        return CreateModelStatement(
            name: name,
            orReplace: orReplace,
            ifNotExists: ifNotExists,
            source: source,
            properties: properties
        )
    }

    private mutating func properties() throws(SyntaxError) -> [Property] {
        var properties = [try property()]
        while accept(.and) { properties.append(try property()) }
        return properties
    }

    private mutating func property() throws(SyntaxError) -> Property {
        let name = try identifier("a property's name")
        try expect(.equal, "'='")
        return Property(name: name, value: try expression())
    }
}
