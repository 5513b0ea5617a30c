internal import CQL
internal import CQLSyntax
internal import Catalog
internal import Coordination
internal import NativeProtocol
internal import NativeServer
internal import NodeCore
internal import SystemTables

/// What this program calls itself.
package enum MartletVersion {
    /// The version of this source tree.
    package static let text = "0.1.0"
}

/// Answers from the cluster's state: system tables and DESCRIBE.
extension StatementExecutor {
    /// The state as the system tables show it.
    private func snapshot(_ activity: NodeActivity) -> SystemSnapshot {
        SystemSnapshot(
            state: coordinator.view.state,
            node: coordinator.view.node,
            alive: coordinator.view.alive,
            martletVersion: MartletVersion.text,
            activity: activity
        )
    }

    /// Answers a SELECT from a virtual table; what this node alone knows is asked of the control
    /// loop first.
    func answerSystem(
        _ plan: Plan,
        _ select: SystemSelectPlan,
        _ values: [MarkerValue],
        skipsMetadata: Bool,
        _ reply: Reply
    ) throws(CQLError) {
        guard select.table.keyspace == "system_martlet" else {
            try answerSystem(plan, select, values, NodeActivity(), skipsMetadata, reply)
            return
        }
        let resources = resources
        let bound = LoopBound((self, reply), on: coordinator.environment)
        logic.upkeep.perform { upkeep in
            var activity = upkeep.activity
            resources.describe(in: &activity)
            let known = activity
            bound.perform { (executor, reply) in
                do throws(CQLError) {
                    try executor.answerSystem(plan, select, values, known, skipsMetadata, reply)
                } catch {
                    reply.error(ErrorResponse(error))
                }
            }
        }
    }

    private func answerSystem(
        _ plan: Plan,
        _ select: SystemSelectPlan,
        _ values: [MarkerValue],
        _ activity: NodeActivity,
        _ skipsMetadata: Bool,
        _ reply: Reply
    ) throws(CQLError) {
        let rows = try select.evaluate(
            rows: SystemTables.rows(of: select.table, in: snapshot(activity)),
            values: values
        )
        var writer = RowsWriter(
            stream: reply.stream,
            metadata: Self.metadata(of: plan, skipsColumns: skipsMetadata),
            extras: ResponseExtras(warnings: plan.warnings)
        )
        writer.append(rows)
        reply.respond(writer.finish())
    }

    /// Answers DESCRIBE as Cassandra 4 and later do: cqlsh leaves it to the server.
    func describe(
        _ statement: DescribeStatement,
        _ session: Session,
        _ reply: Reply
    ) throws(CQLError) {
        if case .cluster = statement.subject {
            let state = coordinator.view.state
            let partitioner = "org.apache.cassandra.dht.Murmur3Partitioner"
            answer(
                ["cluster", "partitioner", "snitch"],
                [[state.name, partitioner, "org.apache.cassandra.locator.SimpleSnitch"]],
                reply
            )
            return
        }
        let described = try Described(coordinator.view.state, session.keyspace)
            .items(of: statement.subject)
        answer(
            ["keyspace_name", "type", "name", "create_statement"],
            described.map { [$0.keyspace, $0.type, $0.name, $0.text] },
            reply
        )
    }

    private func answer(_ columns: [String], _ rows: [[String]], _ reply: Reply) {
        var writer = RowsWriter(
            stream: reply.stream,
            metadata: RowsMetadata(
                columns: columns.map {
                    ColumnSpecification(
                        keyspace: "system",
                        table: "describe",
                        name: $0,
                        type: .text
                    )
                }
            )
        )
        writer.append(rows.map { $0.map { Array($0.utf8) } })
        reply.respond(writer.finish())
    }
}

extension RowsWriter {
    fileprivate mutating func append(_ rows: [[[UInt8]?]]) {
        for row in rows {
            for value in row {
                if let value { appendCell(value) } else { appendNull() }
            }
        }
    }
}

/// Finds what DESCRIBE names, and its CREATE statements.
private struct Described {
    struct Item {
        let keyspace: String
        let type: String
        let name: String
        let text: String
    }

    private let state: ClusterState
    private let current: String?

    init(_ state: ClusterState, _ current: String?) {
        self.state = state
        self.current = current
    }

    private var userKeyspaces: [KeyspaceDefinition] {
        state.keyspaces.values.sorted { $0.name < $1.name }
    }

    func items(of subject: DescribeStatement.Subject) throws(CQLError) -> [Item] {
        switch subject {
        case .cluster: return []
        case .keyspaces:
            return (userKeyspaces + SystemTables.keyspaces).sorted { $0.name < $1.name }.map(item)
        case .tables: return scope.flatMap { tables(of: $0.name) }
        case .functions: return scope.flatMap { models(of: $0.name) }
        case .types, .aggregates: return []
        case .schema(let isFull):
            let keyspaces = userKeyspaces + (isFull ? SystemTables.keyspaces : [])
            return keyspaces.flatMap(whole)
        case .keyspace(let name, let isOnly):
            let keyspace = try keyspace(name?.name)
            return isOnly ? [item(keyspace)] : whole(keyspace)
        case .element(.table, let name): return [try table(name)]
        case .element(.function, let name): return [try model(name)]
        case .element(let element, let name):
            throw .invalid("\(element) \(name.description) does not exist")
        case .name(let name):
            if name.keyspace == nil, let keyspace = find(name.name.name) { return whole(keyspace) }
            return [try table(name)]
        }
    }

    /// The keyspaces that DESCRIBE TABLES looks at: the current one, or all.
    private var scope: [KeyspaceDefinition] {
        if let current, let keyspace = find(current) { return [keyspace] }
        return userKeyspaces + SystemTables.keyspaces
    }

    private func find(_ name: String) -> KeyspaceDefinition? {
        state.keyspaces[name] ?? SystemTables.keyspaces.first { $0.name == name }
    }

    private func keyspace(_ name: String?) throws(CQLError) -> KeyspaceDefinition {
        guard let name = name ?? current else {
            throw .invalid("no keyspace is named and none is in use: DESCRIBE KEYSPACE name")
        }
        guard let keyspace = find(name) else { throw .invalid("'\(name)' not found in keyspaces") }
        return keyspace
    }

    private func item(_ keyspace: KeyspaceDefinition) -> Item {
        Item(
            keyspace: keyspace.name,
            type: "keyspace",
            name: keyspace.name,
            text: DescribeText.createStatement(of: keyspace)
        )
    }

    private func item(_ table: TableDefinition) -> Item {
        Item(
            keyspace: table.keyspace,
            type: "table",
            name: table.name,
            text: DescribeText.createStatement(of: table)
        )
    }

    private func item(_ model: ModelDefinition) -> Item {
        Item(
            keyspace: model.name.keyspace,
            type: "function",
            name: model.name.name,
            text: DescribeText.createStatement(of: model)
        )
    }

    private func tables(of keyspace: String) -> [Item] {
        let own = state.tables[keyspace]?.values.sorted { $0.name < $1.name } ?? []
        let virtual = SystemTables.tables.filter { $0.keyspace == keyspace }
        return (own + virtual).map(item)
    }

    private func models(of keyspace: String) -> [Item] {
        state.models.values
            .filter { $0.name.keyspace == keyspace }
            .sorted { $0.name < $1.name }
            .map(item)
    }

    private func whole(_ keyspace: KeyspaceDefinition) -> [Item] {
        [item(keyspace)] + tables(of: keyspace.name) + models(of: keyspace.name)
    }

    private func table(_ name: QualifiedName) throws(CQLError) -> Item {
        let keyspace = try keyspace(name.keyspace?.name)
        let found =
            state.table(keyspace.name, name.name.name)
            ?? SystemTables.table(keyspace: keyspace.name, name: name.name.name)
        guard let found else {
            throw .invalid("'\(name.name.name)' not found in keyspace '\(keyspace.name)'")
        }
        return item(found)
    }

    private func model(_ name: QualifiedName) throws(CQLError) -> Item {
        let keyspace = try keyspace(name.keyspace?.name)
        let full = ModelName(keyspace: keyspace.name, name: name.name.name)
        guard let model = state.models[full] else { throw .invalid("model \(full) does not exist") }
        return item(model)
    }
}
