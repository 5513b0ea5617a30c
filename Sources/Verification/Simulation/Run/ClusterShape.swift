internal import Catalog
internal import ClusterLog
internal import TokenPlacement

/// The shape of a run's cluster.
package struct ClusterShape: Hashable, Sendable {
    /// Nodes by datacenter.
    package var datacenters = ["dc1": 3]
    /// Replicas by datacenter.
    package var replicas = ["dc1": 3]
    /// Slices of the ring.
    package var sliceCount = 16
    /// Tables; the last one is synced periodically only, if there are two.
    package var tableCount = 1
    /// Columns of a table beside its key.
    package var columnCount = 3
    /// How long tombstones are kept.
    package var gcGraceSeconds: Int32 = 60

    /// Three nodes with three replicas.
    package init() {}

    /// The number of nodes.
    package var nodeCount: Int { datacenters.values.reduce(0, +) }
}

extension ClusterSetup {
    /// The keyspace of the clients' tables.
    package static let keyspace = "ks"

    /// The cluster of a shape, whose ids follow from a seed.
    package init(_ shape: ClusterShape, _ random: inout SimulatedRandom) throws {
        var nodes: [NodeRecord] = []
        for (datacenter, count) in shape.datacenters.sorted(by: { $0.key < $1.key }) {
            for place in 0..<count {
                nodes.append(
                    NodeRecord(
                        id: NodeID.random(using: &random),
                        address: "127.0.1.\(nodes.count + 1)",
                        nativePort: 9042,
                        internodePort: 7000,
                        location: Location(datacenter: datacenter, rack: "rack\(place + 1)")
                    )
                )
            }
        }
        let owners = (0..<shape.sliceCount).map { nodes[$0 % nodes.count].id }
        let replicas = shape.replicas.sorted { $0.key < $1.key }
        let strategy = ReplicationStrategy.networkTopology(
            replicas.map { DatacenterFactor(datacenter: $0.key, factor: $0.value) }
        )
        var changes: [ClusterChange] = [
            .found(
                Founding(
                    clusterID: NodeID.random(using: &random),
                    name: "simulated",
                    sliceCount: shape.sliceCount,
                    expectedNodeCount: nodes.count,
                    node: nodes[0]
                )
            )
        ]
        changes += nodes.dropFirst().map { .registerNode($0) }
        changes.append(.assignOwners(SliceMap(owners: owners)))
        changes.append(
            .createKeyspace(KeyspaceDefinition(name: Self.keyspace, replication: strategy))
        )
        for number in 0..<shape.tableCount {
            changes.append(.createTable(Self.table("t\(number)", number, shape)))
        }
        var state = ClusterState()
        var entries: [LogEntry] = []
        for change in changes {
            let entry = LogEntry(
                epoch: state.epoch.next,
                ballot: Ballot(round: 1, node: nodes[0].id),
                change: change
            )
            try state.apply(entry)
            entries.append(entry)
        }
        nodeIDs = nodes.map(\.id)
        tables = (0..<shape.tableCount).compactMap { state.table(Self.keyspace, "t\($0)") }
        self.entries = entries
        placement = ReplicaTable(
            slices: SliceMap(owners: owners),
            locations: state.nodes.mapValues(\.location),
            strategy: strategy
        )
        self.state = state
    }

    /// A table as the clients use it: a key, and columns with the ids 1, 2 and so on.
    static func table(_ name: String, _ number: Int, _ shape: ClusterShape) -> TableDefinition {
        var columns = [
            ColumnDefinition(id: ColumnID(0), name: "key", type: .blob, kind: .partitionKey)
        ]
        for column in 1...shape.columnCount {
            columns.append(
                ColumnDefinition(
                    id: ColumnID(UInt32(column)),
                    name: "c\(column - 1)",
                    type: .blob,
                    kind: .regular
                )
            )
        }
        return TableDefinition(
            id: TableID(UInt32(number + 1)),
            uuid: NodeID(high: 0, low: UInt64(number)),
            keyspace: keyspace,
            name: name,
            columns: columns,
            options: TableOptions(
                gcGraceSeconds: shape.gcGraceSeconds,
                durability: number == 1 ? .periodic : .synced
            )
        )
    }
}
