internal import CQLSyntax
internal import Catalog

extension Planner {
    /// Plans a WHERE that must give every component of the partition key; each may have several
    /// values if the statement takes IN.
    mutating func keyPlan(
        _ relations: [Relation],
        of table: TableDefinition,
        takesIn: Bool,
        verb: String
    ) throws(CQLError) -> KeyPlan {
        var sources: [KeySource?] = Array(repeating: nil, count: table.partitionKeyCount)
        for relation in relations {
            let (name, operands) = try keyOperands(relation, of: table)
            let column = try self.column(
                name,
                of: table,
                hint: ": an alias or a score cannot stand in WHERE"
            )
            let subject = "column \(column.name) of \(table.qualifiedName)"
            guard column.kind == .partitionKey else {
                throw .invalid(
                    "WHERE cannot restrict \(column.name), which is not in the partition key "
                        + "(\(keyText(table))) of \(table.qualifiedName): filter in the client"
                )
            }
            guard sources[column.position] == nil else {
                throw Self.restrictedTwice(column.name)
            }
            let source: KeySource
            switch operands {
            case .one(let expression):
                source = .one(
                    try value(expression, name: column.name, type: column.type, subject: subject)
                )
            case .list(let expressions):
                var values: [ValueSource] = []
                for expression in expressions {
                    values.append(
                        try value(
                            expression,
                            name: column.name,
                            type: column.type,
                            subject: subject
                        )
                    )
                }
                source = .several(values)
            case .marker(let marker):
                markers.add(
                    marker,
                    name: "in(\(column.name))",
                    type: .list(column.type),
                    subject: "IN of \(subject)"
                )
                source = .listMarker(marker.index)
            }
            if case .one = source {
            } else if !takesIn {
                throw .unsupported(
                    "IN (column \(column.name)) in \(verb)",
                    "write one statement for each key, in a batch if need be"
                )
            }
            sources[column.position] = source
        }
        let missing = table.partitionKey.filter { sources[$0.position] == nil }.map(\.name)
        guard missing.isEmpty else {
            throw .invalid(
                "\(verb) needs the full partition key (WHERE k = ?"
                    + (takesIn ? " or k IN ?); " : "); ")
                    + "WHERE lacks \(missing.joined(separator: ", ")) of \(table.qualifiedName)"
            )
        }
        return KeyPlan(table: table, sources: sources.compactMap { $0 })
    }

    private enum Operands {
        case one(Expression)
        case list([Expression])
        case marker(BindMarker)
    }

    /// The column and the values of a relation, if it is one that can name keys.
    private func keyOperands(
        _ relation: Relation,
        of table: TableDefinition
    ) throws(CQLError) -> (Identifier, Operands) {
        switch relation.kind {
        case .comparison(let column, .equal, let expression):
            return (column, .one(expression))
        case .isIn(let column, .list(let expressions)): return (column, .list(expressions))
        case .isIn(let column, .marker(let marker)): return (column, .marker(marker))
        default: throw try Self.refusal(of: relation)
        }
    }

    /// The error for a relation of a kind that nothing takes.
    static func refusal(of relation: Relation) throws(CQLError) -> CQLError {
        switch relation.kind {
        case .comparison(let column, .notEqual, _):
            return .unsupported("!= (column \(column))", "filter in the client")
        case .comparison(let column, let comparison, _):
            return .unsupported(
                "the range \(column) \(comparison.rawValue) ...",
                "WHERE takes = here, and IN in a SELECT"
            )
        case .isIn(let column, _):
            return .unsupported("IN (column \(column))", "use =")
        case .token:
            return .unsupported("token() in WHERE", "name the keys here")
        case .contains(let column, _), .containsKey(let column, _):
            return .unsupported("CONTAINS (column \(column))", "filter in the client")
        case .element(let column, _, _, _), .field(let column, _, _, _):
            return .unsupported("a part of column \(column) in WHERE", "filter in the client")
        case .like(let column, _):
            return .unsupported("LIKE (column \(column))", "filter in the client")
        case .isNotNull(let column):
            return .unsupported("IS NOT NULL (column \(column))", "filter in the client")
        case .tuple, .tupleIsIn:
            return .unsupported(
                "a tuple of columns in WHERE",
                "restrict each column by itself: a = ? AND b = ?"
            )
        }
    }

    private func keyText(_ table: TableDefinition) -> String {
        table.partitionKey.map(\.name).joined(separator: ", ")
    }
}
