import Catalog
import ClusterLog
import TokenPlacement

/// Nodes, tables, models and logs to test with.
enum Fixture {
    static func id(_ number: UInt64) -> NodeID { NodeID(high: 0xAB, low: number) }

    static func node(_ number: UInt64) -> NodeRecord {
        NodeRecord(
            id: id(number),
            address: "127.0.0.\(number)",
            nativePort: 9042,
            internodePort: 7000,
            location: Location(datacenter: "dc1", rack: "rack\(number)")
        )
    }

    static func founding(expected: Int = 1, slices: Int = 16) -> Founding {
        Founding(
            clusterID: NodeID(high: 1, low: 2),
            name: "Test",
            sliceCount: slices,
            expectedNodeCount: expected,
            node: node(1)
        )
    }

    static func keyspace(_ name: String) -> KeyspaceDefinition {
        KeyspaceDefinition(name: name, replication: .simple(factor: 3))
    }

    static func table(_ keyspace: String, _ name: String, type: CQLType = .text) -> TableDefinition
    {
        TableDefinition(
            id: TableID(0),
            uuid: NodeID(high: 0, low: 0),
            keyspace: keyspace,
            name: name,
            columns: [
                ColumnDefinition(id: ColumnID(1), name: "id", type: .int, kind: .partitionKey),
                ColumnDefinition(id: ColumnID(2), name: "value", type: type, kind: .regular),
            ]
        )
    }

    static func hash(_ bytes: [UInt8]) -> ModelHash {
        guard let hash = ModelHash(bytes) else { preconditionFailure("32 bytes are needed") }
        return hash
    }

    static func push(_ keyspace: String, _ name: String, byte: UInt8, width: Int = 4) -> ModelPush {
        ModelPush(
            name: ModelName(keyspace: keyspace, name: name),
            signature: ModelSignature(
                parameters: [
                    ModelParameter(name: "user", type: .floatVector(width: width), input: "x")
                ],
                inputs: [ModelInput(name: "x", elementType: .float, width: width)],
                output: "score"
            ),
            hash: hash([UInt8](repeating: byte, count: 32)),
            byteCount: 100 + Int(byte)
        )
    }

    /// The entries of these changes, from epoch 1 on.
    static func log(_ changes: [ClusterChange]) -> [LogEntry] {
        changes.enumerated().map { index, change in
            LogEntry(
                epoch: Epoch(UInt64(index + 1)),
                ballot: Ballot(round: 1, node: id(1)),
                change: change
            )
        }
    }

    /// The state after these changes.
    static func state(_ changes: [ClusterChange]) throws -> ClusterState {
        var state = ClusterState()
        for entry in log(changes) { try state.apply(entry) }
        return state
    }

    /// Changes of every kind that fit one after the other.
    static let history: [ClusterChange] = [
        .found(founding(expected: 2)),
        .registerNode(node(2)),
        .assignOwners(SliceMap(owners: (0..<16).map { id(1 + $0 % 2) })),
        .createKeyspace(keyspace("ml")),
        .createTable(table("ml", "movies")),
        .createTable(table("ml", "users")),
        .pushModel(push("ml", "ranker", byte: 1)),
        .pushModel(push("ml", "ranker", byte: 2)),
        .alterTable(
            keyspace: "ml",
            name: "movies",
            TableOptionsChange(comment: "films", gcGraceSeconds: 60)
        ),
        .dropTable(keyspace: "ml", name: "users"),
        .createKeyspace(keyspace("other")),
        .dropModel(ModelName(keyspace: "ml", name: "ranker")),
        .dropKeyspace("other"),
    ]
}

extension ClusterState {
    /// The state after one more change.
    func after(_ change: ClusterChange) throws -> ClusterState {
        var next = self
        try next.apply(
            LogEntry(
                epoch: epoch.next,
                ballot: Ballot(round: 1, node: Fixture.id(1)),
                change: change
            )
        )
        return next
    }

    /// Why a change does not fit; nil if it does.
    func refusal(of change: ClusterChange) -> ClusterChangeError? {
        do {
            _ = try after(change)
            return nil
        } catch {
            return error as? ClusterChangeError
        }
    }
}
