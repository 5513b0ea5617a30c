package import TokenPlacement

/// The number of an entry of the cluster log, and of the state after it; 0 is before the first.
package struct Epoch: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number itself.
    package var value: UInt64

    /// The epoch with a number.
    package init(_ value: UInt64) { self.value = value }

    /// Before the first entry: no cluster yet.
    package static let zero = Epoch(0)

    /// The epoch after this one.
    package var next: Epoch { Epoch(value + 1) }

    package var description: String { String(value) }

    package static func < (left: Epoch, right: Epoch) -> Bool { left.value < right.value }
}

/// What the cluster knows of a node: who it is, where it listens and where it stands.
package struct NodeRecord: Hashable, Sendable {
    /// Its identity (`host_id`).
    package var id: NodeID
    /// The IP address that clients and other nodes use, as text.
    package var address: String
    /// The port of the native protocol.
    package var nativePort: UInt16
    /// The port between nodes.
    package var internodePort: UInt16
    /// Its datacenter and rack.
    package var location: Location

    /// A record with all its parts.
    package init(
        id: NodeID,
        address: String,
        nativePort: UInt16,
        internodePort: UInt16,
        location: Location
    ) {
        self.id = id
        self.address = address
        self.nativePort = nativePort
        self.internodePort = internodePort
        self.location = location
    }
}

/// All that the nodes agree on, as of one epoch: a pure fold over the cluster log.
///
/// Two nodes at the same epoch hold equal states.
package struct ClusterState: Hashable, Sendable {
    /// The cluster's identity, which every handshake between nodes checks; nil before the founding.
    package var clusterID: NodeID?
    /// The cluster's name, for people.
    package var name: String = ""
    /// The last entry that went into this state.
    package var epoch: Epoch = .zero
    /// The node that decides entries until consensus does.
    package var founder: NodeID?
    /// How many nodes must be registered before slices get their owners.
    package var expectedNodeCount: Int = 1
    /// How many slices the ring has; a power of two.
    package var sliceCount: Int = 1024
    /// The registered nodes.
    package var nodes: [NodeID: NodeRecord] = [:]
    /// The owner of every slice; nil until the expected nodes are registered.
    package var slices: SliceMap?
    /// The keyspaces by name.
    package var keyspaces: [String: KeyspaceDefinition] = [:]
    /// The tables by keyspace, then by name.
    package var tables: [String: [String: TableDefinition]] = [:]
    /// The models by full name.
    package var models: [ModelName: ModelDefinition] = [:]
    /// The number of the next table.
    package var nextTableID = TableID(1)
    /// Changes whenever keyspaces, tables or models do; what drivers compare between nodes.
    package var schemaVersion = NodeID(high: 0, low: 0)

    /// The state before the first entry.
    package init() {}

    /// The table with a name.
    package func table(_ keyspace: String, _ name: String) -> TableDefinition? {
        tables[keyspace]?[name]
    }

    /// The nodes in the order of their ids.
    package var sortedNodes: [NodeRecord] { nodes.values.sorted { $0.id < $1.id } }

    /// The datacenters that have nodes, sorted.
    package var datacenters: [String] {
        Set(nodes.values.map(\.location.datacenter)).sorted()
    }
}
