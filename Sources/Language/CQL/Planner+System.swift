internal import CQLSyntax
internal import Catalog

extension Planner {
    /// Plans a SELECT of a virtual table; ALLOW FILTERING is never needed and may stand.
    mutating func planSystem(
        _ statement: SelectStatement,
        _ table: TableDefinition
    ) throws(CQLError) -> Plan {
        try Self.refuseUnsupportedClauses(statement)
        if statement.perPartitionLimit != nil {
            throw .unsupported("PER PARTITION LIMIT on a system table", "use LIMIT")
        }
        guard statement.orderings.isEmpty else {
            throw .unsupported("ORDER BY on a system table", "sort in the client")
        }
        var columns: [ResultColumn] = []
        var places: [Int] = []
        var isCount = false
        func add(_ place: Int, alias: String?) {
            let column = table.columns[place]
            columns.append(ResultColumn(name: alias ?? column.name, type: column.type))
            places.append(place)
        }
        switch statement.selection {
        case .all:
            for place in table.columns.indices { add(place, alias: nil) }
        case .items(let items):
            for item in items {
                switch item.expression.kind {
                case .column(let name):
                    let column = try column(name, of: table)
                    guard let place = table.index(ofColumn: column.name) else { continue }
                    add(place, alias: item.alias?.name)
                case .countRows:
                    isCount = true
                    columns.append(
                        ResultColumn(name: item.alias?.name ?? "count", type: .bigint)
                    )
                default:
                    throw .unsupported(
                        "\(item.expression) on a system table",
                        "select columns, * or count(*)"
                    )
                }
            }
        }
        guard !isCount || columns.count == 1 else {
            throw .unsupported("count(*) beside other columns", "count in a statement of its own")
        }
        var conditions: [SystemSelectPlan.Condition] = []
        for relation in statement.relations {
            conditions.append(try condition(relation, of: table))
        }
        let limit = try clause("LIMIT", statement.limit, .int)
        let plan = SystemSelectPlan(
            table: table,
            markers: try markers.all(),
            resultColumns: columns,
            places: isCount ? nil : places,
            conditions: conditions,
            limit: limit
        )
        return try makePlan(.selectSystem(plan), table: table, resultColumns: columns)
    }

    private mutating func condition(
        _ relation: Relation,
        of table: TableDefinition
    ) throws(CQLError) -> SystemSelectPlan.Condition {
        let name: Identifier
        var expressions: [Expression] = []
        var list: BindMarker?
        switch relation.kind {
        case .comparison(let column, .equal, let expression):
            name = column
            expressions = [expression]
        case .isIn(let column, .list(let elements)):
            name = column
            expressions = elements
        case .isIn(let column, .marker(let marker)):
            name = column
            list = marker
        default: throw try Self.refusal(of: relation)
        }
        let column = try self.column(name, of: table)
        let subject = "column \(column.name) of \(table.qualifiedName)"
        var sources: [ValueSource] = []
        for expression in expressions {
            sources.append(
                try value(expression, name: column.name, type: column.type, subject: subject)
            )
        }
        if let list {
            markers.add(
                list,
                name: "in(\(column.name))",
                type: .list(column.type),
                subject: "IN of \(subject)"
            )
        }
        return SystemSelectPlan.Condition(
            place: table.index(ofColumn: column.name) ?? 0,
            values: sources,
            listMarker: list?.index
        )
    }
}
