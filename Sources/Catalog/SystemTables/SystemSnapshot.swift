package import Catalog
package import TokenPlacement

/// All that the system tables are rendered from: the cluster's state as this node has it, and what
/// the node knows besides.
package struct SystemSnapshot: Sendable {
    /// The state of the cluster.
    package var state: ClusterState
    /// This node, the one that `system.local` is about.
    package var node: NodeID
    /// The nodes that are believed to be alive; this node is one whether it is named or not.
    package var alive: Set<NodeID>
    /// The release of Cassandra whose ways drivers should expect.
    package var releaseVersion: String
    /// The version of CQL that is spoken.
    package var cqlVersion: String
    /// The version of Martlet.
    package var martletVersion: String
    /// The greatest version of the native protocol that is spoken.
    package var nativeProtocolVersion: String
    /// The epochs that other nodes told last; what is not known shows as null.
    package var epochs: [NodeID: Epoch]
    /// The schema versions of other nodes; who is not in here is taken to have this node's.
    package var schemaVersions: [NodeID: NodeID]
    /// The bytes that nodes store; what is not known shows as null.
    package var loadBytes: [NodeID: Int]
    /// What this node alone knows about its own work.
    package var activity: NodeActivity

    /// A snapshot with all its parts.
    package init(
        state: ClusterState,
        node: NodeID,
        alive: Set<NodeID>,
        martletVersion: String,
        releaseVersion: String = "5.0.0",
        cqlVersion: String = "3.4.7",
        nativeProtocolVersion: String = "4",
        epochs: [NodeID: Epoch] = [:],
        schemaVersions: [NodeID: NodeID] = [:],
        loadBytes: [NodeID: Int] = [:],
        activity: NodeActivity = NodeActivity()
    ) {
        self.state = state
        self.node = node
        self.alive = alive
        self.martletVersion = martletVersion
        self.releaseVersion = releaseVersion
        self.cqlVersion = cqlVersion
        self.nativeProtocolVersion = nativeProtocolVersion
        self.epochs = epochs
        self.schemaVersions = schemaVersions
        self.loadBytes = loadBytes
        self.activity = activity
    }

    /// The nodes in the order of their ids, each with its published tokens.
    var nodesWithTokens: [(node: NodeRecord, tokens: [Token])] {
        var tokens: [NodeID: [Token]] = [:]
        for (token, owner) in state.slices?.publishedTokens() ?? [] {
            tokens[owner, default: []].append(token)
        }
        return state.sortedNodes.map { ($0, tokens[$0.id, default: []]) }
    }

    /// The schema version that a node has, as far as this one knows.
    func schemaVersion(of other: NodeID) -> NodeID {
        if other == node { return state.schemaVersion }
        return schemaVersions[other] ?? state.schemaVersion
    }
}
