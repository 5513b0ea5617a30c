internal import CQLSyntax
internal import Catalog

/// What a SELECT selects, while it is planned.
struct Selection {
    struct Call {
        let draft: ScoreCallDraft
        let syntax: FunctionCall
        let alias: String?
    }

    let table: TableDefinition
    var call: Call?
    private var outputs: [(column: ResultColumn, source: OutputSource, read: ColumnID?)] = []

    init(table: TableDefinition) { self.table = table }

    mutating func add(_ column: Catalog.ColumnDefinition, alias: String?) {
        let result = ResultColumn(name: alias ?? column.name, type: column.type)
        if column.kind == .partitionKey {
            outputs.append((result, .partitionKey(component: column.position), nil))
        } else {
            outputs.append((result, .column(place: 0), column.id))
        }
    }

    mutating func add(_ name: String, _ type: CQLType, _ source: OutputSource) {
        outputs.append((ResultColumn(name: name, type: type), source, nil))
    }

    /// Throws for outputs that exclude each other.
    func checkMixture() throws(CQLError) {
        let sources = outputs.map(\.source)
        if sources.contains(.count), outputs.count > 1 {
            throw .unsupported("count(*) beside other columns", "count in a statement of its own")
        }
        guard call != nil else { return }
        for source in sources {
            switch source {
            case .writetime, .ttl:
                throw .unsupported(
                    "writetime() and ttl() beside a model call",
                    "read them in a statement of their own"
                )
            case .column, .partitionKey, .score, .count, .token: break
            }
        }
    }

    /// The outputs with their places among the columns to read, which conditions may add to.
    func finished(reading others: [ColumnID]) -> ([SelectPlan.Output], [ColumnID]) {
        let columns = Set(outputs.compactMap(\.read) + others).sorted()
        var places: [ColumnID: Int] = [:]
        for (place, column) in columns.enumerated() { places[column] = place }
        let placed = outputs.map { output in
            SelectPlan.Output(
                column: output.column,
                source: output.read.flatMap { places[$0] }.map(OutputSource.column)
                    ?? output.source
            )
        }
        return (placed, columns)
    }
}
