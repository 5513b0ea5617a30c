internal import Catalog
package import TokenPlacement

/// So many answers that a read needs from the replicas of one datacenter, at EACH_QUORUM.
package struct DatacenterQuota: Hashable, Sendable {
    /// The living replicas there.
    package var nodes: [NodeID]
    /// How many of them must answer.
    package var required: Int

    /// A quota with both its parts.
    package init(nodes: [NodeID], required: Int) {
        self.nodes = nodes
        self.required = required
    }

    func isMet(by answered: some Sequence<NodeID>) -> Bool {
        answered.count(where: nodes.contains) >= required
    }
}

extension Collection<DatacenterQuota> {
    /// Whether every datacenter gave what is needed of it.
    func areMet(by answered: @autoclosure () -> [NodeID]) -> Bool {
        guard !isEmpty else { return true }
        let answered = answered()
        return allSatisfy { $0.isMet(by: answered) }
    }

    /// The replicas of each datacenter that did not give enough; of a nil one any replica will do.
    func short(of answered: @autoclosure () -> [NodeID]) -> [[NodeID]?] {
        guard !isEmpty else { return [nil] }
        let answered = answered()
        let short = filter { !$0.isMet(by: answered) }.map { Optional($0.nodes) }
        return short.isEmpty ? [nil] : short
    }

    /// The replicas that can stand in for one; nil: any can.
    func peers(of node: NodeID) -> [NodeID]? { first { $0.nodes.contains(node) }?.nodes }

    /// Puts as many candidates of each datacenter first as it must give; else their order stays.
    func arrange(_ candidates: inout [NodeID]) {
        guard !isEmpty else { return }
        let first = flatMap { quota in
            candidates.filter(quota.nodes.contains).prefix(quota.required)
        }
        candidates =
            candidates.filter(first.contains) + candidates.filter { !first.contains($0) }
    }
}

extension ClusterView {
    /// The quorums of the datacenters, if a level needs one of each; empty: it counts all replicas
    /// together.
    func quorums(
        _ consistency: ConsistencyLevel,
        _ placement: ReplicaTable
    ) -> [(datacenter: String, required: Int)] {
        guard consistency == .eachQuorum,
            case .networkTopology(let factors) = placement.strategy
        else { return [] }
        return factors.map { ($0.datacenter, $0.factor / 2 + 1) }
    }

    /// How many answers a level needs of all datacenters together, of which it needs a quorum each.
    func requiredOfEach(_ consistency: ConsistencyLevel, _ placement: ReplicaTable) -> Int {
        let quorums = quorums(consistency, placement)
        guard !quorums.isEmpty else { return placement.replicationFactor / 2 + 1 }
        return quorums.reduce(0) { $0 + $1.required }
    }

    /// What a read needs of each datacenter; empty at all levels but EACH_QUORUM.
    func datacenterQuotas(
        _ consistency: ConsistencyLevel,
        _ placement: ReplicaTable,
        candidates: [NodeID]
    ) -> [DatacenterQuota] {
        quorums(consistency, placement).map { quorum in
            DatacenterQuota(
                nodes: candidates.filter {
                    state.nodes[$0]?.location.datacenter == quorum.datacenter
                },
                required: quorum.required
            )
        }
    }
}
