package import Catalog
package import PeerMessages
package import TokenPlacement

/// The cluster as a coordinator sees it at one moment: the agreed state, the placement that
/// follows from it, and who is alive.
package struct ClusterView: Sendable {
    /// This node.
    package let node: NodeID
    /// The state of the cluster log.
    package let state: ClusterState
    /// Where rows of a keyspace are; empty until the slices have owners.
    package let placements: [String: ReplicaTable]
    /// The nodes that gossip holds to be alive; this node is always among them.
    package var alive: Set<NodeID>

    /// The view of a node on a state.
    package init(node: NodeID, state: ClusterState, alive: Set<NodeID>) {
        self.node = node
        self.state = state
        self.alive = alive.union([node])
        guard let slices = state.slices else {
            placements = [:]
            return
        }
        let locations = state.nodes.mapValues(\.location)
        var tables: [ReplicationStrategy: ReplicaTable] = [:]
        for keyspace in state.keyspaces.values where tables[keyspace.replication] == nil {
            tables[keyspace.replication] = ReplicaTable(
                slices: slices,
                locations: locations,
                strategy: keyspace.replication
            )
        }
        placements = state.keyspaces.compactMapValues { tables[$0.replication] }
    }

    /// The datacenter of this node.
    package var datacenter: String { state.nodes[node]?.location.datacenter ?? "" }

    /// How many replicas must answer a read at a level, for data placed so.
    ///
    /// - Throws: ``CoordinationError/invalid(_:)`` for a level that reads cannot have.
    package func required(
        _ consistency: ConsistencyLevel,
        _ placement: ReplicaTable
    ) throws(CoordinationError) -> Int {
        switch consistency {
        case .one, .localOne: return 1
        case .two: return 2
        case .three: return 3
        case .quorum: return placement.replicationFactor / 2 + 1
        case .all: return placement.replicationFactor
        case .localQuorum: return placement.replicationFactor(in: datacenter) / 2 + 1
        case .eachQuorum: return requiredOfEach(consistency, placement)
        case .any:
            throw .invalid(
                """
                consistency level \(consistency) is not supported for reads; use ONE, TWO, THREE, \
                QUORUM, ALL, LOCAL_ONE, LOCAL_QUORUM or EACH_QUORUM
                """
            )
        case .serial, .localSerial: throw .unsupported(consistency)
        }
    }

    /// Groups partitions by their replicas and orders each group's candidates.
    ///
    /// This node comes first, unless it is markedly slower than the others, then those of its
    /// datacenter, then the fast ones, then the nodes that can serve the most keys of the request,
    /// so that few messages suffice.
    ///
    /// - Throws: ``CoordinationError/unavailable(consistency:required:alive:)`` if a group has too
    ///   few living replicas.
    package func group(
        _ partitions: [PartitionRef],
        keyspace: String,
        consistency: ConsistencyLevel,
        latencies: LatencyTracker? = nil
    ) throws(CoordinationError) -> [KeyGroup] {
        let placement = try placement(of: keyspace)
        let required = try required(consistency, placement)
        var groupOfSet: [Int: Int] = [:]
        var groups: [KeyGroup] = []
        for (key, partition) in partitions.enumerated() {
            let set = placement.setIndex(of: partition.token)
            if let group = groupOfSet[set] {
                groups[group].keys.append(key)
                continue
            }
            var group = try group(placement.sets[set], consistency, placement, required: required)
            group.keys.append(key)
            groupOfSet[set] = groups.count
            groups.append(group)
        }
        if groups.count == 1 {
            let order = CandidateOrder(self, nodes: groups[0].candidates, latencies: latencies)
            order.sort(&groups[0].candidates)
            groups[0].datacenters.arrange(&groups[0].candidates)
            return groups
        }
        var coverage: [NodeID: Int] = [:]
        for group in groups {
            for candidate in group.candidates {
                coverage[candidate, default: 0] += group.keys.count
            }
        }
        let order = CandidateOrder(
            self,
            nodes: coverage.keys,
            coverage: coverage,
            latencies: latencies
        )
        for index in groups.indices {
            order.sort(&groups[index].candidates)
            groups[index].datacenters.arrange(&groups[index].candidates)
        }
        return groups
    }

    /// A group of some replicas, without keys yet.
    private func group(
        _ replicas: [NodeID],
        _ consistency: ConsistencyLevel,
        _ placement: ReplicaTable,
        required: Int
    ) throws(CoordinationError) -> KeyGroup {
        var group = KeyGroup(
            replicas: replicas,
            candidates: replicas.filter {
                alive.contains($0) && (!consistency.isLocal || isLocal($0))
            },
            required: required,
            keys: []
        )
        guard group.candidates.count >= required else {
            throw .unavailable(
                consistency: consistency,
                required: required,
                alive: group.candidates.count
            )
        }
        let quotas = datacenterQuotas(consistency, placement, candidates: group.candidates)
        if let short = quotas.first(where: { $0.nodes.count < $0.required }) {
            throw .unavailable(
                consistency: consistency,
                required: short.required,
                alive: short.nodes.count
            )
        }
        group.datacenters = quotas
        return group
    }

    /// Where rows of a keyspace are.
    package func placement(of keyspace: String) throws(CoordinationError) -> ReplicaTable {
        if let placement = placements[keyspace] { return placement }
        guard state.keyspaces[keyspace] != nil else {
            throw .invalid("keyspace \(keyspace) does not exist")
        }
        throw .overloaded(
            """
            the ring has no owners yet: \(state.nodes.count) of \(state.expectedNodeCount) \
            expected nodes are registered; start the others
            """
        )
    }

    /// Whether a node stands in this node's datacenter.
    package func isLocal(_ other: NodeID) -> Bool {
        state.nodes[other]?.location.datacenter == datacenter
    }
}

/// The keys of a request that have the same replicas.
package struct KeyGroup: Hashable, Sendable {
    /// All replicas, in the ring's order.
    package var replicas: [NodeID]
    /// The replicas that may be asked, best first.
    package var candidates: [NodeID]
    /// How many must answer.
    package var required: Int
    /// What each datacenter must give, if they count by themselves.
    package var datacenters: [DatacenterQuota]
    /// The places of the keys in the request.
    package var keys: [Int]

    /// A group with all its parts.
    package init(
        replicas: [NodeID],
        candidates: [NodeID],
        required: Int,
        datacenters: [DatacenterQuota] = [],
        keys: [Int]
    ) {
        self.replicas = replicas
        self.candidates = candidates
        self.required = required
        self.datacenters = datacenters
        self.keys = keys
    }

    /// Needs one answer of anybody; only a planted mistake does that.
    package mutating func requireOne() {
        required = 1
        datacenters = []
    }
}
