package import Catalog
package import PeerMessages
internal import TokenPlacement

/// A subquery that gives one value: one column of one partition.
package struct ScalarSubquery: Sendable {
    /// The read; it has one output, which is a column, and names one partition.
    package let plan: SelectPlan
}

/// A call of a model, its arguments already matched with the parameters.
package struct ScoreCall: Sendable {
    /// Where a parameter's argument comes from.
    package enum Argument: Hashable, Sendable {
        /// A column of the row that is scored.
        case column(ColumnID)
        /// The text or a marker.
        case value(ValueSource)
        /// The subquery with this index.
        case subquery(Int)
    }

    /// The model's full name.
    package let model: ModelName
    /// The version behind `@`; nil for the newest.
    package let pinnedVersion: Int?
    /// What the arguments were matched with; it is fixed per name.
    package let signature: ModelSignature
    /// One for each parameter, in the signature's order.
    package let arguments: [Argument]
    /// The subqueries among the arguments, in the order of the text.
    package let subqueries: [ScalarSubquery]

    /// The model's version that is to run now: that of the newest push, or the pinned one.
    ///
    /// - Throws: `invalid` if the model or version is gone, or the name now has another signature.
    package func resolve(
        _ state: ClusterState
    ) throws(CQLError) -> (model: ModelDefinition, version: ModelVersion) {
        guard let definition = state.models[model] else {
            throw .invalid("model \(model) does not exist any more")
        }
        guard definition.signature == signature else {
            throw .invalid("the signature of \(model) has changed: prepare the statement again")
        }
        guard let pinnedVersion else { return (definition, definition.current) }
        guard let version = definition.version(pinnedVersion) else {
            throw Self.noVersion(pinnedVersion, of: definition)
        }
        return (definition, version)
    }

    static func noVersion(_ number: Int, of model: ModelDefinition) -> CQLError {
        let numbers = model.versions.map { String($0.number) }.joined(separator: ", ")
        return .invalid("\(model.name) has no version \(number): its versions are \(numbers)")
    }

    func isCurrent(in state: ClusterState) -> Bool {
        state.models[model]?.signature == signature
            && subqueries.allSatisfy { $0.plan.isCurrent(in: state) }
    }

    func bind(_ values: CheckedValues) throws(CQLError) -> BoundScore {
        var bound: [BoundScore.Argument] = []
        bound.reserveCapacity(arguments.count)
        for (index, argument) in arguments.enumerated() {
            switch argument {
            case .column(let column): bound.append(.known(.column(column)))
            case .subquery(let place): bound.append(.subquery(place))
            case .value(let source):
                switch values.value(of: source) {
                case .value(let bytes): bound.append(.known(.value(bytes)))
                case .null: bound.append(.known(.value(nil)))
                case .unset:
                    throw .invalid(
                        "Invalid unset value for parameter \(signature.parameters[index].name) of "
                            + "\(model): bind a value or null"
                    )
                }
            }
        }
        var reads: [BoundSelect] = []
        for subquery in subqueries { reads.append(try subquery.plan.bind(values, keyCountMax: 1)) }
        return BoundScore(call: self, arguments: bound, subqueries: reads)
    }
}

/// A call of a model with its values, except those that subqueries will give.
package struct BoundScore: Hashable, Sendable {
    enum Argument: Hashable, Sendable {
        case known(ScoreArgument)
        case subquery(Int)
    }

    /// The model's full name.
    package let model: ModelName
    /// The reads that give values, in the order in which `arguments` takes them; each has one
    /// partition.
    package let subqueries: [BoundSelect]
    /// The column that each subquery reads.
    package let subqueryColumns: [ColumnID]

    private let bound: [Argument]

    init(call: ScoreCall, arguments: [Argument], subqueries: [BoundSelect]) {
        model = call.model
        bound = arguments
        self.subqueries = subqueries
        subqueryColumns = call.subqueries.flatMap(\.plan.readColumns)
    }

    /// The arguments in the signature's order, once the subqueries are answered.
    ///
    /// - Parameter subqueryValues: one per subquery; nil where the row or its value is missing.
    /// - Returns: one argument for each parameter.
    package func arguments(subqueryValues: [[UInt8]?]) -> [ScoreArgument] {
        precondition(
            subqueryValues.count == subqueries.count,
            "\(subqueries.count) subqueries, \(subqueryValues.count) values"
        )
        return bound.map { argument in
            switch argument {
            case .known(let known): known
            case .subquery(let place): .value(subqueryValues[place])
            }
        }
    }
}
