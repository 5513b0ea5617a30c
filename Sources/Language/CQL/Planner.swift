package import CQLSyntax
package import Catalog
internal import ClusterLog
internal import TokenPlacement

/// Holds a parsed statement against the schema, and makes the plan of it.
///
/// All names are looked up here, once; binding values to the plan looks nothing up.
package struct Planner {
    let state: ClusterState
    let keyspace: String?
    let virtualTables: VirtualTables
    var markers: MarkerTable
    var warnings: [String] = []

    /// Plans a statement.
    ///
    /// - Parameters:
    ///   - statement: what the parser made of the text.
    ///   - state: the schema, models and nodes.
    ///   - keyspace: the connection's own keyspace (USE), for names without one.
    ///   - virtualTables: the tables that the node makes up.
    /// - Returns: the plan, with the markers and columns that PREPARED tells.
    /// - Throws: why the statement is refused; nothing is done for a statement that is refused.
    package static func plan(
        _ statement: Statement,
        state: ClusterState,
        keyspace: String? = nil,
        virtualTables: VirtualTables = .none
    ) throws(CQLError) -> Plan {
        guard statement.markers.count <= Int(UInt16.max) else {
            throw .invalid(
                "the statement has \(statement.markers.count) bind markers, the limit is "
                    + "\(UInt16.max)"
            )
        }
        var planner = Planner(
            state: state,
            keyspace: keyspace,
            virtualTables: virtualTables,
            markers: MarkerTable(count: statement.markers.count)
        )
        return try planner.plan(statement.kind)
    }

    /// Parses a text and plans it.
    package static func plan(
        cql: String,
        state: ClusterState,
        keyspace: String? = nil,
        virtualTables: VirtualTables = .none
    ) throws(CQLError) -> Plan {
        let statement: Statement
        do {
            statement = try CQLParser.parse(cql)
        } catch {
            throw CQLError(error)
        }
        return try plan(
            statement,
            state: state,
            keyspace: keyspace,
            virtualTables: virtualTables
        )
    }

    private mutating func plan(_ kind: Statement.Kind) throws(CQLError) -> Plan {
        switch kind {
        case .select(let statement): return try plan(statement)
        case .insert(let statement): return try planWrite(.insert(statement))
        case .update(let statement): return try planWrite(.update(statement))
        case .delete(let statement): return try planWrite(.delete(statement))
        case .batch(let statement): return try planBatch(statement)
        case .createKeyspace(let statement):
            let plan = try createKeyspace(statement)
            return try makePlan(.schema(plan))
        case .dropKeyspace(let statement):
            return try makePlan(.schema(dropKeyspace(statement)))
        case .createTable(let statement):
            let plan = try createTable(statement)
            return try makePlan(.schema(plan))
        case .dropTable(let statement): return try makePlan(.schema(dropTable(statement)))
        case .createModel(let statement):
            let plan = try pushModel(statement)
            return try makePlan(.pushModel(plan))
        case .dropModel(let statement): return try makePlan(dropModel(statement))
        case .describe(let statement): return try makePlan(.describe(statement))
        case .use(let name):
            guard
                state.keyspaces[name.name] != nil || virtualTables.contains(keyspace: name.name)
            else { throw .invalid("Keyspace '\(name.name)' does not exist") }
            return try makePlan(.use(keyspace: name.name))
        case .alterKeyspace:
            throw .unsupported("ALTER KEYSPACE", "it comes later; create a new keyspace")
        case .alterTable(let statement):
            let plan = try alterTable(statement)
            return try makePlan(.schema(plan))
        case .repair(let keyspace, let table):
            return try makePlan(repair(keyspace?.name, table?.name))
        case .truncate:
            throw .unsupported("TRUNCATE", "it comes later; DROP the table and CREATE it again")
        case .unsupported(let name): throw .unsupported(name, Self.hint(for: name))
        }
    }

    /// A plan with the markers and warnings collected so far: the action must be made before.
    func makePlan(
        _ action: Plan.Action,
        table: TableDefinition? = nil,
        resultColumns: [ResultColumn] = [],
        partitionKeyMarkers: [UInt16]? = nil
    ) throws(CQLError) -> Plan {
        Plan(
            action: action,
            markers: try markers.all(),
            resultColumns: resultColumns,
            table: table.map { Plan.TableName(keyspace: $0.keyspace, name: $0.name) },
            partitionKeyMarkers: partitionKeyMarkers,
            warnings: warnings,
            schemaVersion: state.schemaVersion
        )
    }

    private func repair(_ keyspace: String?, _ table: String?) throws(CQLError) -> Plan.Action {
        if let keyspace {
            if virtualTables.isProtected(keyspace) {
                throw .invalid("keyspace \(keyspace) is not replicated: there is nothing to repair")
            }
            guard state.keyspaces[keyspace] != nil else {
                throw .invalid("keyspace \(keyspace) does not exist")
            }
            if let table, state.table(keyspace, table) == nil {
                throw .invalid("table \(keyspace).\(table) does not exist")
            }
        }
        return .repair(keyspace: keyspace, table: table)
    }

    private static func hint(for name: String) -> String {
        switch name {
        case "INSERT JSON": "name the columns and give their values"
        case "CREATE INDEX", "CREATE CUSTOM INDEX", "CREATE MATERIALIZED VIEW":
            "read by the full partition key, or keep a second table with the other key"
        case "CREATE TYPE", "ALTER TYPE", "DROP TYPE": "give each field a column of its own"
        case "CREATE FUNCTION", "CREATE AGGREGATE", "DROP FUNCTION", "DROP AGGREGATE":
            "deploy an ONNX model (CREATE MODEL), or compute in the client"
        default:
            name.contains("ROLE") || name.contains("USER") || name.contains("PERMISSION")
                || name == "GRANT" || name == "REVOKE" || name.contains("IDENTITY")
                ? "roles come later; restrict the node's port meanwhile"
                : "see the README for the statements that are"
        }
    }
}

// Names.
extension Planner {
    /// The keyspace of a name, by itself or by USE.
    func keyspace(of name: QualifiedName) throws(CQLError) -> String {
        guard let keyspace = name.keyspace?.name ?? keyspace else {
            throw .invalid(
                "No keyspace has been specified: USE a keyspace, or write keyspace.\(name.name)"
            )
        }
        return keyspace
    }

    /// The user's table with a name.
    func userTable(_ name: QualifiedName, toWrite: Bool = false) throws(CQLError)
        -> TableDefinition
    {
        let keyspace = try keyspace(of: name)
        if let table = state.table(keyspace, name.name.name) { return table }
        if toWrite, virtualTables.isProtected(keyspace) {
            throw .invalid("keyspace \(keyspace) is not user-modifiable")
        }
        guard state.keyspaces[keyspace] != nil || virtualTables.contains(keyspace: keyspace) else {
            throw .invalid("keyspace \(keyspace) does not exist")
        }
        throw .invalid("table \(keyspace).\(name.name.name) does not exist")
    }

    /// The column of a table with a name.
    func column(
        _ name: Identifier,
        of table: TableDefinition,
        hint: String = ""
    ) throws(CQLError) -> Catalog.ColumnDefinition {
        guard let column = table.column(name.name) else {
            throw .invalid(
                "Undefined column name \(name) in table \(table.qualifiedName)\(hint)"
            )
        }
        return column
    }

    /// Where a value comes from: a constant, which is encoded, or a marker, which gets its type.
    mutating func value(
        _ expression: Expression,
        name: String,
        type: CQLType,
        subject: String
    ) throws(CQLError) -> ValueSource {
        if case .marker(let marker) = expression.kind {
            markers.add(marker, name: name, type: type, subject: subject)
            return .marker(marker.index)
        }
        return .constant(try LiteralEncoding.encode(expression, as: type, subject: subject))
    }

    /// Where the number of a clause such as LIMIT comes from.
    mutating func clause(
        _ name: String,
        _ expression: Expression?,
        _ type: CQLType
    ) throws(CQLError) -> ValueSource? {
        guard let expression else { return nil }
        return try value(
            expression,
            name: "[\(name.lowercased())]",
            type: type,
            subject: name
        )
    }
}
