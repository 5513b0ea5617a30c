internal import CQLSyntax
internal import Catalog

/// A call of a model while the statement's markers are not all known.
struct ScoreCallDraft {
    let model: ModelName
    let pinnedVersion: Int?
    let signature: ModelSignature
    let arguments: [ScoreCall.Argument]
    let subqueries: [Planner.SelectDraft]

    func call(markers: [Marker]) -> ScoreCall {
        ScoreCall(
            model: model,
            pinnedVersion: pinnedVersion,
            signature: signature,
            arguments: arguments,
            subqueries: subqueries.map { ScalarSubquery(plan: $0.plan(markers: markers)) }
        )
    }
}

extension Planner {
    /// Plans a model call whose columns are a table's.
    mutating func scoreCall(
        _ call: FunctionCall,
        of table: TableDefinition
    ) throws(CQLError) -> ScoreCallDraft {
        let (model, pinnedVersion) = try model(call, of: table)
        let given = try matched(call, model)
        var arguments: [ScoreCall.Argument] = []
        var subqueries: [SelectDraft] = []
        for (index, parameter) in model.signature.parameters.enumerated() {
            guard let expression = given[index] else {
                guard parameter.defaultValue != nil else {
                    throw .invalid(
                        "parameter \(parameter.name) of \(model.name) has no DEFAULT and must be "
                            + "given: \(parameter.name) => ..."
                    )
                }
                arguments.append(.value(.constant(nil)))
                continue
            }
            let type = parameter.type.cqlType
            let subject = "parameter \(parameter.name) of \(model.name)"
            switch expression.kind {
            case .column(let name):
                arguments.append(
                    .column(try columnArgument(name, of: table, type: type, subject: subject))
                )
            case .subquery(let statement):
                let draft = try subquery(statement, of: table, type: type, subject: subject)
                arguments.append(.subquery(subqueries.count))
                subqueries.append(draft)
            default:
                arguments.append(
                    .value(
                        try value(
                            expression,
                            name: parameter.name,
                            type: type,
                            subject: subject
                        )
                    )
                )
            }
        }
        return ScoreCallDraft(
            model: model.name,
            pinnedVersion: pinnedVersion,
            signature: model.signature,
            arguments: arguments,
            subqueries: subqueries
        )
    }

    private func model(
        _ call: FunctionCall,
        of table: TableDefinition
    ) throws(CQLError) -> (ModelDefinition, Int?) {
        let keyspace = call.name.keyspace?.name ?? table.keyspace
        var name = call.name.name.name
        var pinnedVersion: Int?
        if let at = name.lastIndex(of: "@") {
            let digits = name[name.index(after: at)...]
            guard let number = Int(digits), number > 0 else {
                throw .invalid(
                    "\(call.name): a version behind @ is a number from 1, as in \"ranker@3\""
                )
            }
            pinnedVersion = number
            name = String(name[..<at])
        }
        guard let model = state.models[ModelName(keyspace: keyspace, name: name)] else {
            let known = state.models.keys.filter { $0.keyspace == keyspace }.sorted()
            let names = known.prefix(10).map(\.name).joined(separator: ", ")
            throw .invalid(
                "Unknown function \(call.name): there is no model \(keyspace).\(name); "
                    + (known.isEmpty
                        ? "keyspace \(keyspace) has no models" : "its models are \(names)")
            )
        }
        if let pinnedVersion, model.version(pinnedVersion) == nil {
            throw ScoreCall.noVersion(pinnedVersion, of: model)
        }
        return (model, pinnedVersion)
    }

    /// The arguments in the order of the parameters, nil where none is given.
    private func matched(
        _ call: FunctionCall,
        _ model: ModelDefinition
    ) throws(CQLError) -> [Expression?] {
        let parameters = model.signature.parameters
        func signatureText() -> String { "\(model.name)(\(model.signature.text))" }
        guard call.arguments.count <= parameters.count else {
            throw .invalid(
                "\(model.name) takes \(parameters.count) arguments, given "
                    + "\(call.arguments.count): \(signatureText())"
            )
        }
        var matched: [Expression?] = Array(repeating: nil, count: parameters.count)
        var isNamed = false
        for (place, argument) in call.arguments.enumerated() {
            let index: Int
            if let name = argument.name {
                isNamed = true
                guard let found = parameters.firstIndex(where: { $0.name == name.name }) else {
                    throw .invalid(
                        "\(model.name) has no parameter \(name): \(signatureText())"
                    )
                }
                index = found
            } else {
                guard !isNamed else {
                    throw .invalid(
                        "argument \(place + 1) of \(model.name) stands behind a named one: name it"
                    )
                }
                let type = parameters[place].type
                if let twin = parameters.indices.first(where: {
                    $0 != place && parameters[$0].type == type
                }) {
                    throw .invalid(
                        "parameters \(parameters[min(place, twin)].name) and "
                            + "\(parameters[max(place, twin)].name) of \(model.name) are both "
                            + "\(type.cqlType.cqlText), so that swapped arguments would not be "
                            + "noticed: name them, as in \(parameters[place].name) => ..."
                    )
                }
                index = place
            }
            guard matched[index] == nil else {
                throw .invalid(
                    "parameter \(parameters[index].name) of \(model.name) is given twice"
                )
            }
            matched[index] = argument.value
        }
        return matched
    }

    private func columnArgument(
        _ name: Identifier,
        of table: TableDefinition,
        type: CQLType,
        subject: String
    ) throws(CQLError) -> ColumnID {
        let column = try column(name, of: table, hint: " (\(subject))")
        guard column.type == type else {
            throw .invalid(
                "\(subject) takes \(type.cqlText), column \(column.name) is \(column.type.cqlText)"
            )
        }
        return column.id
    }

    private mutating func subquery(
        _ statement: SelectStatement,
        of outer: TableDefinition,
        type: CQLType,
        subject: String
    ) throws(CQLError) -> SelectDraft {
        let keyspace = statement.table.keyspace?.name ?? keyspace ?? outer.keyspace
        if virtualTables.table(keyspace, statement.table.name.name) != nil {
            throw .unsupported("a subquery of a system table (\(subject))", "bind the value")
        }
        let name = QualifiedName(
            keyspace: Identifier(keyspace, at: statement.table.position),
            name: statement.table.name
        )
        let table = try userTable(name)
        guard statement.orderings.isEmpty, statement.limit == nil,
            statement.perPartitionLimit == nil
        else {
            throw .unsupported(
                "ORDER BY or LIMIT in a subquery (\(subject))",
                "it names one row: SELECT column FROM t WHERE k = ?"
            )
        }
        let draft = try draft(statement, table, isSubquery: true)
        guard draft.outputs.count == 1, let output = draft.outputs.first,
            case .column = output.source
        else {
            throw .invalid(
                "\(subject): a subquery selects one column that is not in the key, as in "
                    + "(SELECT embedding FROM users WHERE user_id = ?)"
            )
        }
        for case .several in draft.source.keyPlan?.sources ?? [] { throw manyRows(subject) }
        guard draft.source.keyPlan?.listMarkers.isEmpty == true else { throw manyRows(subject) }
        guard output.column.type == type else {
            throw .invalid(
                "\(subject) takes \(type.cqlText), the subquery gives "
                    + "\(output.column.type.cqlText)"
            )
        }
        return draft
    }

    private func manyRows(_ subject: String) -> CQLError {
        .unsupported("IN in a subquery (\(subject))", "it names one row: WHERE k = ?")
    }
}
