internal import TokenPlacement

/// Ranks replicas by how well they can be asked.
struct CandidateOrder {
    private struct Rank: Comparable {
        let isOther: Bool
        let isRemote: Bool
        let bucket: Int
        let coverage: Int
        let node: NodeID

        static func < (left: Rank, right: Rank) -> Bool {
            if left.isOther != right.isOther { return right.isOther }
            if left.isRemote != right.isRemote { return right.isRemote }
            if left.bucket != right.bucket { return left.bucket < right.bucket }
            if left.coverage != right.coverage { return left.coverage > right.coverage }
            return left.node < right.node
        }
    }

    /// From this bucket on a node counts as markedly slow: four times the fastest.
    private static let slowBucket = 2

    private let view: ClusterView
    private let latencies: LatencyTracker?
    private let fastestMicros: Double
    private let coverage: [NodeID: Int]

    /// The order of some nodes, which are compared with the fastest of them.
    ///
    /// The coverage says how many keys each can serve; it is of no use where all serve the same.
    init(
        _ view: ClusterView,
        nodes: some Sequence<NodeID>,
        coverage: [NodeID: Int] = [:],
        latencies: LatencyTracker?
    ) {
        self.view = view
        self.latencies = latencies
        self.coverage = coverage
        fastestMicros = latencies?.fastestMicros(of: nodes) ?? 0
    }

    /// Sorts candidates, the best first.
    func sort(_ candidates: inout [NodeID]) {
        guard candidates.count > 1 else { return }
        var ranks = candidates.map { node in
            let bucket = latencies?.bucket(of: node, fastestMicros: fastestMicros) ?? 0
            return Rank(
                isOther: node != view.node || bucket >= Self.slowBucket,
                isRemote: !view.isLocal(node),
                bucket: bucket,
                coverage: coverage[node] ?? 0,
                node: node
            )
        }
        ranks.sort()
        for (place, rank) in ranks.enumerated() { candidates[place] = rank.node }
    }
}
