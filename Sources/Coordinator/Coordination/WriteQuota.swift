internal import Catalog
internal import TokenPlacement

/// So many acknowledgements of some replicas that a write needs.
struct WriteQuota: Sendable {
    /// The replicas whose acknowledgements count.
    let nodes: [NodeID]
    let required: Int
    var acknowledged = 0
    /// The replicas that may still acknowledge.
    var pending: Int

    init(nodes: [NodeID], required: Int) {
        self.nodes = nodes
        self.required = required
        pending = nodes.count
    }

    var isMet: Bool { acknowledged >= required }
    var isLost: Bool { acknowledged + pending < required }
}

extension ClusterView {
    /// What a write to some replicas needs at a level: at EACH_QUORUM one quota for each
    /// datacenter, else a single one.
    ///
    /// - Throws: ``CoordinationError/unavailable(consistency:required:alive:)`` if too few of the
    ///   replicas live, ``CoordinationError/invalid(_:)`` for a level that writes cannot have.
    func quotas(
        _ consistency: ConsistencyLevel,
        _ placement: ReplicaTable,
        replicas: [NodeID]
    ) throws(CoordinationError) -> [WriteQuota] {
        switch consistency {
        // A hint counts too, so that even the dead can be written.
        case .any:
            guard !replicas.isEmpty else {
                throw .unavailable(consistency: consistency, required: 1, alive: 0)
            }
            return [WriteQuota(nodes: replicas, required: 1)]
        case .eachQuorum:
            let quorums = quorums(consistency, placement)
            guard !quorums.isEmpty else {
                let required = placement.replicationFactor / 2 + 1
                return [try quota(consistency, replicas, required: required)]
            }
            var quotas: [WriteQuota] = []
            for quorum in quorums {
                let nodes = replicas.filter {
                    state.nodes[$0]?.location.datacenter == quorum.datacenter
                }
                quotas.append(try quota(consistency, nodes, required: quorum.required))
            }
            return quotas
        case .serial, .localSerial: throw .unsupported(consistency)
        case .one, .two, .three, .quorum, .all, .localOne, .localQuorum:
            let required = try required(consistency, placement)
            let nodes = consistency.isLocal ? replicas.filter(isLocal) : replicas
            return [try quota(consistency, nodes, required: required)]
        }
    }

    private func quota(
        _ consistency: ConsistencyLevel,
        _ nodes: [NodeID],
        required: Int
    ) throws(CoordinationError) -> WriteQuota {
        let living = nodes.filter(alive.contains)
        guard living.count >= required else {
            throw .unavailable(
                consistency: consistency,
                required: required,
                alive: living.count
            )
        }
        return WriteQuota(nodes: living, required: required)
    }
}
