import Catalog
import SystemTables
import TokenPlacement

/// A cluster of three nodes with a keyspace, a table and a model of two versions.
enum Fixture {
    static func id(_ number: UInt64) -> NodeID { NodeID(high: 0xAB, low: number) }

    static func node(_ number: UInt64) -> NodeRecord {
        NodeRecord(
            id: id(number),
            address: "127.0.0.\(number)",
            nativePort: 9042,
            internodePort: UInt16(7000 + number),
            location: Location(datacenter: "dc1", rack: "rack\(number)")
        )
    }

    /// Eight slices: nodes 1, 1, 2, 3, 1, 2, 2, 1.
    static let owners: [UInt64] = [1, 1, 2, 3, 1, 2, 2, 1]

    static func state(nodes: UInt64 = 3, hasOwners: Bool = true) -> ClusterState {
        var state = ClusterState()
        state.clusterID = NodeID(high: 1, low: 2)
        state.name = "Test Cluster"
        state.epoch = Epoch(9)
        state.founder = id(1)
        state.expectedNodeCount = 3
        state.sliceCount = 8
        for number in 1...nodes { state.nodes[id(number)] = node(number) }
        if hasOwners { state.slices = SliceMap(owners: owners.map(id)) }
        state.schemaVersion = NodeID(high: 5, low: 6)
        state.keyspaces["ml"] = KeyspaceDefinition(
            name: "ml",
            replication: .networkTopology([DatacenterFactor(datacenter: "dc1", factor: 3)])
        )
        state.keyspaces["Simple"] = KeyspaceDefinition(
            name: "Simple",
            replication: .simple(factor: 2),
            durableWrites: false
        )
        state.tables["ml"] = ["movies": movies]
        let model = ModelName(keyspace: "ml", name: "ranker")
        state.models[model] = ModelDefinition(
            name: model,
            signature: ModelSignature(
                parameters: [
                    ModelParameter(name: "user", type: .floatVector(width: 4), input: "user"),
                    ModelParameter(name: "popularity", type: .float, defaultValue: [0], input: "p"),
                ],
                inputs: [],
                output: "score"
            ),
            versions: [(1, 0x11), (2, 0x22)].compactMap { number, byte in
                ModelHash([UInt8](repeating: byte, count: 32)).map {
                    ModelVersion(number: number, hash: $0, byteCount: 1000 * number)
                }
            }
        )
        return state
    }

    static let movies = TableDefinition(
        id: TableID(1),
        uuid: NodeID(high: 7, low: 8),
        keyspace: "ml",
        name: "movies",
        columns: [
            ColumnDefinition(id: ColumnID(1), name: "movie_id", type: .int, kind: .partitionKey),
            ColumnDefinition(id: ColumnID(2), name: "title", type: .text, kind: .regular),
            ColumnDefinition(
                id: ColumnID(3),
                name: "embedding",
                type: .vector(dimension: 3),
                kind: .regular
            ),
            ColumnDefinition(id: ColumnID(4), name: "tags", type: .set(.text), kind: .regular),
        ],
        options: TableOptions(comment: "films", defaultTimeToLiveSeconds: 60, gcGraceSeconds: 5)
    )

    static func snapshot(_ state: ClusterState = state()) -> SystemSnapshot {
        SystemSnapshot(
            state: state,
            node: id(1),
            alive: [id(2)],
            martletVersion: "0.1.0",
            epochs: [id(2): Epoch(8)],
            schemaVersions: [id(3): NodeID(high: 0, low: 77)],
            loadBytes: [id(1): 4096]
        )
    }
}
