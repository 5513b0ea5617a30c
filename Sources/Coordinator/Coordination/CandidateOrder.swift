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

    private var ranks: [NodeID: Rank] = [:]

    /// The order of all nodes that `coverage` names; it says how many keys each can serve.
    init(_ view: ClusterView, coverage: [NodeID: Int], latencies: LatencyTracker?) {
        let buckets = latencies?.buckets(of: Array(coverage.keys)) ?? [:]
        ranks.reserveCapacity(coverage.count)
        for (node, count) in coverage {
            let bucket = buckets[node] ?? 0
            ranks[node] = Rank(
                isOther: node != view.node || bucket >= Self.slowBucket,
                isRemote: !view.isLocal(node),
                bucket: bucket,
                coverage: count,
                node: node
            )
        }
    }

    /// Sorts candidates, the best first; all of them were named.
    func sort(_ candidates: inout [NodeID]) {
        candidates.sort { left, right in
            guard let leftRank = ranks[left], let rightRank = ranks[right] else {
                return left < right
            }
            return leftRank < rightRank
        }
    }
}
