internal import CQLSyntax
internal import Catalog
internal import PeerMessages

extension Planner {
    /// Plans a SELECT of a user's or a virtual table.
    mutating func plan(_ statement: SelectStatement) throws(CQLError) -> Plan {
        let keyspace = try keyspace(of: statement.table)
        if let table = virtualTables.table(keyspace, statement.table.name.name) {
            return try planSystem(statement, table)
        }
        let table = try userTable(statement.table)
        let draft = try draft(statement, table, isSubquery: false)
        let markers = try self.markers.all()
        let plan = draft.plan(markers: markers)
        return try makePlan(
            .select(plan),
            table: table,
            resultColumns: plan.outputs.map(\.column),
            partitionKeyMarkers: plan.source.keyPlan?.markers
        )
    }

    /// A SELECT whose markers are not all known yet, since another part of the text has some.
    struct SelectDraft {
        var source: RowSource
        var filter: FilterPlan?
        var outputs: [SelectPlan.Output]
        var readColumns: [ColumnID]
        var call: ScoreCallDraft?
        var order: ScoreOrder
        var limit: ValueSource?
        var perPartitionLimit: ValueSource?

        func plan(markers: [Marker]) -> SelectPlan {
            SelectPlan(
                source: source,
                filter: filter,
                markers: markers,
                outputs: outputs,
                readColumns: readColumns,
                score: call?.call(markers: markers),
                order: order,
                limit: limit,
                perPartitionLimit: perPartitionLimit
            )
        }
    }

    /// Plans a SELECT of a user's table.
    mutating func draft(
        _ statement: SelectStatement,
        _ table: TableDefinition,
        isSubquery: Bool
    ) throws(CQLError) -> SelectDraft {
        try Self.refuseUnsupportedClauses(statement)
        var selection = Selection(table: table)
        switch statement.selection {
        case .all:
            for column in table.columns { selection.add(column, alias: nil) }
        case .items(let items):
            for item in items { try add(item, to: &selection, isSubquery: isSubquery) }
        }
        try selection.checkMixture()
        let (source, filter) = try rowSource(statement, of: table, isSubquery: isSubquery)
        if selection.call != nil {
            guard case .keys = source else {
                throw .invalid(
                    "a model call needs the full partition key of its candidates (WHERE k = ? or "
                        + "k IN ?); scoring a whole table or a part of the ring comes later "
                        + "(table \(table.qualifiedName))"
                )
            }
            guard filter == nil else {
                throw .unsupported(
                    "a filter beside a model call",
                    "filter the candidates first, and name those that are left"
                )
            }
        }
        let order = try order(statement.orderings, selection)
        let (outputs, readColumns) = selection.finished(reading: filter?.columns ?? [])
        return SelectDraft(
            source: source,
            filter: filter,
            outputs: outputs,
            readColumns: readColumns,
            call: selection.call?.draft,
            order: order,
            limit: try clause("LIMIT", statement.limit, .int),
            perPartitionLimit: try clause(
                "PER_PARTITION_LIMIT",
                statement.perPartitionLimit,
                .int
            )
        )
    }

    /// Throws for clauses that neither users' nor virtual tables take.
    static func refuseUnsupportedClauses(_ statement: SelectStatement) throws(CQLError) {
        if statement.isDistinct {
            throw .unsupported("SELECT DISTINCT", "each partition has one row; leave DISTINCT out")
        }
    }

    private mutating func add(
        _ item: SelectStatement.Item,
        to selection: inout Selection,
        isSubquery: Bool
    ) throws(CQLError) {
        let table = selection.table
        let name = item.alias?.name
        switch item.expression.kind {
        case .column(let column):
            selection.add(try self.column(column, of: table), alias: name)
        case .countRows:
            selection.add(name ?? "count", .bigint, .count)
        case .call(let call):
            if Functions.isBuiltIn(call.name) {
                try addBuiltIn(call, alias: name, to: &selection)
                return
            }
            guard !isSubquery else {
                throw .unsupported("a model in a subquery", "select one column")
            }
            guard selection.call == nil else {
                throw .unsupported(
                    "more than one model call in a statement",
                    "send one statement for each"
                )
            }
            let draft = try scoreCall(call, of: table)
            selection.call = Selection.Call(
                draft: draft,
                syntax: call,
                alias: name
            )
            selection.add(name ?? call.description, .float, .score)
        case .literal, .list, .set, .map, .tuple, .negated:
            throw .unsupported(
                "a literal in the select list (\(item.expression))",
                "select columns"
            )
        case .marker: throw .unsupported("a bind marker in the select list", "select columns")
        case .subquery:
            throw .unsupported(
                "a subquery in the select list",
                "it can be the argument of a model; here, send a statement of its own"
            )
        case .arithmetic:
            throw .unsupported("arithmetic in the select list", "compute in the client")
        case .element, .field:
            throw .unsupported(
                "a part of a column in the select list (\(item.expression))",
                "select the whole column"
            )
        case .cast: throw .unsupported("CAST in the select list", "convert in the client")
        }
    }

    private func addBuiltIn(
        _ call: FunctionCall,
        alias: String?,
        to selection: inout Selection
    ) throws(CQLError) {
        let function = call.name.name.name
        guard Functions.supported.contains(function) else {
            throw Functions.refusal(of: call, subject: "select list")
        }
        let table = selection.table
        var columns: [Catalog.ColumnDefinition] = []
        for argument in call.arguments {
            guard argument.name == nil, case .column(let name) = argument.value.kind else {
                throw .invalid("\(function)() takes columns, given \(argument)")
            }
            columns.append(try column(name, of: table))
        }
        let text = "\(function)(\(columns.map(\.name).joined(separator: ", ")))"
        if function == "token" {
            guard columns == Array(table.partitionKey) else {
                throw .invalid(
                    "token() takes the partition key columns of \(table.qualifiedName) in order: "
                        + table.partitionKey.map(\.name).joined(separator: ", ")
                )
            }
            selection.add(alias ?? "system.\(text)", .bigint, .token)
            return
        }
        guard columns.count == 1, let column = columns.first else {
            throw .invalid("\(function)() takes one column, given \(columns.count)")
        }
        guard column.kind == .regular else {
            throw .invalid(
                "Cannot use selection function \(function) on PRIMARY KEY part \(column.name)"
            )
        }
        if function == "ttl" {
            selection.add(alias ?? text, .int, .ttl(column.id))
        } else {
            selection.add(alias ?? text, .bigint, .writetime(column.id))
        }
    }

    private mutating func order(
        _ orderings: [SelectStatement.Ordering],
        _ selection: Selection
    ) throws(CQLError) -> ScoreOrder {
        guard let ordering = orderings.first else { return .none }
        guard orderings.count == 1 else {
            throw .unsupported("ORDER BY more than the score", "ties are ordered by key")
        }
        let direction: ScoreOrder = ordering.isDescending ? .descending : .ascending
        switch ordering.key {
        case .nearest:
            throw .unsupported(
                "ORDER BY ... ANN OF",
                "vector search comes later; name the candidates with IN"
            )
        case .value(let expression):
            switch expression.kind {
            case .column(let name) where selection.call?.alias == name.name: return direction
            case .call(let call) where call.description == selection.call?.syntax.description:
                // Its markers are markers of the statement too.
                guard !call.hasPositionalMarker else {
                    throw .invalid(
                        "ORDER BY repeats a call with ? in it, which would be bound twice: give "
                            + "the call an alias and order by that, or name the markers"
                    )
                }
                _ = try scoreCall(call, of: selection.table)
                return direction
            default:
                throw .invalid(
                    "ORDER BY takes only the score of a model that is selected, not "
                        + "\(expression): SELECT k, model(...) AS score ... ORDER BY score DESC"
                )
            }
        }
    }
}

extension FunctionCall {
    /// Whether `?` stands in an argument.
    fileprivate var hasPositionalMarker: Bool {
        arguments.contains { argument in
            switch argument.value.kind {
            case .marker(let marker): marker.name == nil
            case .subquery(let select):
                select.relations.contains { relation in
                    guard case .comparison(_, _, let value) = relation.kind,
                        case .marker(let marker) = value.kind
                    else { return false }
                    return marker.name == nil
                }
            default: false
            }
        }
    }
}
