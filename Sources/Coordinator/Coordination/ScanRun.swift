package import Catalog
package import PeerMessages
package import TokenPlacement

/// Neighbouring tokens of a scan that have the same living replicas.
package struct ScanRun: Hashable, Sendable {
    /// The tokens, both ends included.
    package var tokens: ClosedRange<Token>
    /// The replicas that may be asked, best first.
    package var candidates: [NodeID]
    /// How many must answer; if there are fewer candidates, the scan fails when it gets here.
    package var required: Int
    /// What each datacenter must give, if they count by themselves.
    package var datacenters: [DatacenterQuota]

    /// A run with all its parts.
    package init(
        tokens: ClosedRange<Token>,
        candidates: [NodeID],
        required: Int,
        datacenters: [DatacenterQuota] = []
    ) {
        self.tokens = tokens
        self.candidates = candidates
        self.required = required
        self.datacenters = datacenters
    }

    /// What is lacking so that the run could be read; nil: nothing.
    var lack: (required: Int, alive: Int)? {
        if candidates.count < required { return (required, candidates.count) }
        return datacenters.first { $0.nodes.count < $0.required }
            .map { ($0.required, $0.nodes.count) }
    }

    /// Needs one answer of anybody; only a planted mistake does that.
    package mutating func requireOne() {
        required = 1
        datacenters = []
    }
}

/// How far a scan came: what a later page begins with.
package struct ScanPosition: Hashable, Sendable {
    /// The partition behind which the scan goes on, or nil for the start of the first range.
    package var after: PartitionRef?
    /// The ranges that are left, ascending; the first begins with the token of `after`.
    package var ranges: [ClosedRange<Token>]

    /// A position in some ranges.
    package init(after: PartitionRef? = nil, ranges: [ClosedRange<Token>]) {
        self.after = after
        self.ranges = ranges
    }
}

extension PartitionRef {
    /// Whether a partition is stored before another one of its table.
    func precedes(_ other: PartitionRef) -> Bool {
        if token != other.token { return token < other.token }
        return key.lexicographicallyPrecedes(other.key)
    }
}

extension ClusterView {
    /// The most runs that are made at once, so that a ring of a million slices costs little.
    private static let runsMax = 4096

    /// Cuts token ranges where the living replicas change.
    ///
    /// Not all of a great ring may be cut at once: what lies behind the last run is for the next.
    /// The ranges must ascend and not overlap.
    ///
    /// - Throws: ``CoordinationError/invalid(_:)`` for other ranges, and what `required` throws.
    package func runs(
        of ranges: [ClosedRange<Token>],
        keyspace: String,
        consistency: ConsistencyLevel,
        latencies: LatencyTracker? = nil
    ) throws(CoordinationError) -> [ScanRun] {
        for (left, right) in zip(ranges, ranges.dropFirst())
        where left.upperBound >= right.lowerBound {
            throw .invalid(
                """
                the token range from \(right.lowerBound) on does not lie behind the one that \
                ends with \(left.upperBound): a scan needs ascending ranges
                """
            )
        }
        let placement = try placement(of: keyspace)
        let required = try required(consistency, placement)
        var candidatesOfSet: [Int: (best: [NodeID], sorted: [NodeID])] = [:]
        let living = Set(placement.sets.joined()).filter(alive.contains)
        let order = CandidateOrder(self, nodes: living, latencies: latencies)
        var runs: [ScanRun] = []
        var sortedOfLast: [NodeID] = []
        let slices = placement.slices
        for range in ranges {
            let last = slices.slice(of: range.upperBound)
            var lower = range.lowerBound
            var isFirst = true
            for slice in slices.slice(of: range.lowerBound)...last {
                let end = slices.lastToken(of: slice)
                let upper = min(end, range.upperBound)
                let set = placement.setIndex(ofSlice: slice)
                if candidatesOfSet[set] == nil {
                    var best = placement.sets[set].filter {
                        alive.contains($0) && (!consistency.isLocal || isLocal($0))
                    }
                    order.sort(&best)
                    candidatesOfSet[set] = (best, best.sorted())
                }
                let candidates = candidatesOfSet[set] ?? ([], [])
                if !isFirst, sortedOfLast == candidates.sorted, let previous = runs.last {
                    runs[runs.count - 1].tokens = previous.tokens.lowerBound...upper
                } else {
                    if runs.count == Self.runsMax { return runs }
                    let best = candidates.best
                    runs.append(
                        ScanRun(
                            tokens: lower...upper,
                            candidates: best,
                            required: required,
                            datacenters: datacenterQuotas(consistency, placement, candidates: best)
                        )
                    )
                    sortedOfLast = candidates.sorted
                }
                isFirst = false
                if upper.value < .max { lower = Token(upper.value + 1) }
            }
        }
        return runs
    }
}
