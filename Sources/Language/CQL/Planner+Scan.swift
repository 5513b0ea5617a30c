internal import CQLSyntax
internal import Catalog

extension Planner {
    /// Plans a SELECT's WHERE: keys if it names every component of the partition key, or else a
    /// part of the ring; what is left becomes a filter.
    mutating func rowSource(
        _ statement: SelectStatement,
        of table: TableDefinition,
        isSubquery: Bool
    ) throws(CQLError) -> (RowSource, FilterPlan?) {
        var tokens: [Relation] = []
        var keys: [Relation] = []
        var others: [(Catalog.ColumnDefinition, Relation)] = []
        var named: Set<String> = []
        for relation in statement.relations {
            if case .token = relation.kind {
                tokens.append(relation)
                continue
            }
            let column = try restrictedColumn(relation, of: table)
            if column.kind == .partitionKey, relation.namesKeys {
                keys.append(relation)
                named.insert(column.name)
            } else {
                others.append((column, relation))
            }
        }
        let hasKey = table.partitionKey.allSatisfy { named.contains($0.name) }
        guard hasKey, tokens.isEmpty else {
            guard !isSubquery else {
                throw .invalid(
                    "a subquery needs the full partition key (WHERE k = ?) of "
                        + table.qualifiedName
                )
            }
            let filter = try filterPlan(
                statement.relations.filter { !$0.isOfToken },
                of: table,
                allowsFiltering: statement.allowsFiltering,
                hasTokens: !tokens.isEmpty
            )
            return (.scan(try tokenPlan(tokens, of: table)), filter)
        }
        if let (column, _) = others.first(where: { $0.0.kind == .partitionKey }) {
            throw Self.restrictedTwice(column.name)
        }
        let plan = try keyPlan(keys, of: table, takesIn: true, verb: "a SELECT")
        let filter = try filterPlan(
            others.map(\.1),
            of: table,
            allowsFiltering: statement.allowsFiltering,
            hasTokens: false
        )
        if isSubquery, filter != nil {
            throw .unsupported("a filter in a subquery", "it names one row: WHERE k = ?")
        }
        return (.keys(plan), filter)
    }

    static func restrictedTwice(_ column: String) -> CQLError {
        .invalid(
            "\(column) cannot be restricted by more than one relation if it includes "
                + "an Equal: name each key column once"
        )
    }

    /// The column that a relation other than of token() is about.
    private func restrictedColumn(
        _ relation: Relation,
        of table: TableDefinition
    ) throws(CQLError) -> Catalog.ColumnDefinition {
        let name: Identifier
        switch relation.kind {
        case .comparison(_, .notEqual, _): throw try Self.refusal(of: relation)
        case .comparison(let column, _, _), .isIn(let column, _): name = column
        default: throw try Self.refusal(of: relation)
        }
        return try column(
            name,
            of: table,
            hint: ": an alias or a score cannot stand in WHERE"
        )
    }

    // MARK: Filters

    private mutating func filterPlan(
        _ relations: [Relation],
        of table: TableDefinition,
        allowsFiltering: Bool,
        hasTokens: Bool
    ) throws(CQLError) -> FilterPlan? {
        guard !relations.isEmpty else { return nil }
        var conditions: [FilterPlan.Condition] = []
        for relation in relations {
            let column = try restrictedColumn(relation, of: table)
            guard allowsFiltering else {
                throw needsFiltering(relation, column, relations, of: table, hasTokens: hasTokens)
            }
            conditions.append(
                FilterPlan.Condition(
                    column: column,
                    values: try filterValues(relation, column, of: table)
                )
            )
        }
        return FilterPlan(table: table, conditions: conditions)
    }

    private mutating func filterValues(
        _ relation: Relation,
        _ column: Catalog.ColumnDefinition,
        of table: TableDefinition
    ) throws(CQLError) -> FilterPlan.Values {
        let subject = "column \(column.name) of \(table.qualifiedName)"
        switch relation.kind {
        case .comparison(_, .equal, let expression):
            return .oneOf([
                try value(expression, name: column.name, type: column.type, subject: subject)
            ])
        case .comparison(_, let comparison, let expression):
            guard ValueOrder.isOrdered(column.type) else {
                throw .unsupported(
                    "\(comparison.rawValue) on \(subject), a \(column.type.cqlText),",
                    "compare it with = or IN"
                )
            }
            return .ordered(
                comparison,
                try value(expression, name: column.name, type: column.type, subject: subject)
            )
        case .isIn(_, .list(let expressions)):
            var sources: [ValueSource] = []
            for expression in expressions {
                sources.append(
                    try value(expression, name: column.name, type: column.type, subject: subject)
                )
            }
            return .oneOf(sources)
        case .isIn(_, .marker(let marker)):
            markers.add(
                marker,
                name: "in(\(column.name))",
                type: .list(column.type),
                subject: "IN of \(subject)"
            )
            return .listMarker(marker.index)
        default: throw try Self.refusal(of: relation)
        }
    }

    private func needsFiltering(
        _ relation: Relation,
        _ column: Catalog.ColumnDefinition,
        _ relations: [Relation],
        of table: TableDefinition,
        hasTokens: Bool
    ) -> CQLError {
        let keys = table.partitionKey.map(\.name)
        let keyText = keys.joined(separator: ", ")
        guard column.kind == .partitionKey else {
            return .invalid(
                "WHERE cannot restrict \(column.name), which is not in the partition key "
                    + "(\(keyText)) of \(table.qualifiedName), without ALLOW FILTERING, which "
                    + "reads every row that the rest of WHERE leaves: filter in the client"
            )
        }
        if case .comparison(_, let comparison, _) = relation.kind, comparison != .equal {
            return .invalid(
                "the range \(column.name) \(comparison.rawValue) ... needs ALLOW FILTERING: keys "
                    + "lie in the order of their tokens, so that it reads the whole table; "
                    + "token(\(keyText)) \(comparison.rawValue) ... reads a part of the ring"
            )
        }
        if hasTokens {
            return .invalid(
                "\(column.name) = ... beside token() needs ALLOW FILTERING: name the keys or a "
                    + "part of the ring of \(table.qualifiedName)"
            )
        }
        let named = Set(relations.compactMap(\.keyName))
        let missing = keys.filter { !named.contains($0) }.joined(separator: ", ")
        return .invalid(
            "a SELECT needs the full partition key (WHERE k = ? or k IN ?), a part of the ring "
                + "(token(\(keyText)) > ?), ALLOW FILTERING or no WHERE at all; WHERE lacks "
                + "\(missing) of \(table.qualifiedName)"
        )
    }

    // MARK: Tokens

    private mutating func tokenPlan(
        _ relations: [Relation],
        of table: TableDefinition
    ) throws(CQLError) -> TokenPlan {
        var plan = TokenPlan(table: table)
        for relation in relations {
            guard case .token(let columns, let comparison, let expression) = relation.kind else {
                continue
            }
            let keyNames = table.partitionKey.map(\.name)
            for column in columns { _ = try self.column(column, of: table) }
            guard columns.map(\.name) == keyNames else {
                throw .invalid(
                    "The token() function arguments must be in the partition key order: "
                        + "\(keyNames.joined(separator: ", ")) (table \(table.qualifiedName))"
                )
            }
            let source = try tokenSource(expression, of: table)
            func refused(_ bound: String) -> CQLError {
                .invalid(
                    "More than one restriction was found for the \(bound) bound of token() of "
                        + "\(table.qualifiedName): give one"
                )
            }
            let bound = TokenPlan.Bound(
                source: source,
                isInclusive: comparison == .greaterOrEqual || comparison == .lessOrEqual
            )
            switch comparison {
            case .equal:
                guard relations.count == 1 else { throw refused("start and the end") }
                plan.exact = source
            case .greater, .greaterOrEqual:
                guard plan.lower == nil else { throw refused("start") }
                plan.lower = bound
            case .less, .lessOrEqual:
                guard plan.upper == nil else { throw refused("end") }
                plan.upper = bound
            case .notEqual:
                throw .unsupported("token() != ...", "ask for the tokens below and above")
            }
        }
        return plan
    }

    private mutating func tokenSource(
        _ expression: Expression,
        of table: TableDefinition
    ) throws(CQLError) -> TokenPlan.Source {
        guard case .call(let call) = expression.kind, call.name.keyspace == nil,
            call.name.name.name == "token"
        else {
            return .number(
                try value(
                    expression,
                    name: "partition key token",
                    type: .bigint,
                    subject: "token() of \(table.qualifiedName)"
                )
            )
        }
        guard call.arguments.count == table.partitionKeyCount,
            call.arguments.allSatisfy({ $0.name == nil })
        else {
            throw .invalid(
                "token() takes one value for each of "
                    + "\(table.partitionKey.map(\.name).joined(separator: ", ")) of "
                    + "\(table.qualifiedName), given \(call)"
            )
        }
        var sources: [ValueSource] = []
        for (column, argument) in zip(table.partitionKey, call.arguments) {
            sources.append(
                try value(
                    argument.value,
                    name: column.name,
                    type: column.type,
                    subject: "column \(column.name) of \(table.qualifiedName)"
                )
            )
        }
        return .key(sources)
    }
}

extension Relation {
    /// Whether it is about token().
    fileprivate var isOfToken: Bool {
        if case .token = kind { return true }
        return false
    }

    /// Whether it is `=` or IN, which can name keys.
    fileprivate var namesKeys: Bool { keyName != nil }

    /// The column of `=` or IN.
    fileprivate var keyName: String? {
        switch kind {
        case .comparison(let column, .equal, _), .isIn(let column, _): column.name
        default: nil
        }
    }
}
