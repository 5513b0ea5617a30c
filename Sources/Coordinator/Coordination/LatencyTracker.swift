package import TokenPlacement

/// What one loop measured of the replicas' latencies at reads of one kind: who is fast, and how
/// long is too long.
///
/// An estimate per node orders the candidates of a read. It moves by a quarter towards each new
/// latency, doubles with each failure, and drifts back to that of the fastest node while nothing
/// is heard, so that a node that was slow once is tried again. One histogram of all answers tells
/// after which delay a read asks another replica.
package struct LatencyTracker: Sendable {
    private struct Estimate: Sendable {
        var micros: Double
        var at: Duration
    }

    /// The share that a new latency has in the estimate.
    private static let newShare = 0.25
    /// In this time half of the distance to the fastest node is forgotten.
    private static let halfLifeMicros = 10_000_000.0
    /// A failed node's estimate is at least this, and at most the other.
    private static let failureMicros = 50_000.0
    private static let estimateMicrosMax = 10_000_000.0
    /// Differences below this are noise.
    private static let noiseMicros = 500.0

    private var estimates: [NodeID: Estimate] = [:]
    private var histogram = LatencyHistogram()
    /// The latest time that was told.
    private var now = Duration.zero

    /// The least delay before another replica is asked.
    package static let delayMin = Duration.milliseconds(1)

    /// A tracker that has measured nothing.
    package init() {}

    // MARK: Events

    /// A node answered a read.
    package mutating func answered(_ node: NodeID, after latency: Duration, now: Duration) {
        self.now = max(self.now, now)
        let micros = max(0, latency / .microseconds(1))
        histogram.record(micros)
        guard let known = estimates[node] else {
            estimates[node] = Estimate(micros: micros, at: self.now)
            return
        }
        estimates[node] = Estimate(
            micros: known.micros + (micros - known.micros) * Self.newShare,
            at: self.now
        )
    }

    /// This node answered a read from its memory, at once.
    ///
    /// That makes it fast again if it was slow, and says nothing of how long is too long.
    package mutating func answeredAtOnce(_ node: NodeID) {
        guard let known = estimates[node], known.micros > 1 else { return }
        estimates[node]?.micros = known.micros * (1 - Self.newShare)
    }

    /// A node has not answered for so long, and another one was asked: it takes that long at least.
    package mutating func overdue(_ node: NodeID, for latency: Duration, now: Duration) {
        self.now = max(self.now, now)
        let micros = max(0, latency / .microseconds(1))
        estimates[node] = Estimate(micros: max(estimates[node]?.micros ?? 0, micros), at: self.now)
    }

    /// A node failed a read, did not answer it in time, or its connection was lost.
    package mutating func failed(_ node: NodeID, now: Duration) {
        self.now = max(self.now, now)
        let doubled = 2 * (estimates[node]?.micros ?? 0)
        estimates[node] = Estimate(
            micros: min(max(doubled, Self.failureMicros), Self.estimateMicrosMax),
            at: self.now
        )
    }

    /// Forgets the nodes that are no more: the tracker holds one estimate for each of the rest.
    package mutating func forget(allBut nodes: Set<NodeID>) {
        estimates = estimates.filter { nodes.contains($0.key) }
    }

    // MARK: Queries

    /// How slow the nodes are compared with the fastest of them: 0 for less than twice its
    /// latency or what is noise, 1 for less than four times, and so on.
    ///
    /// A node of which nothing is known is as good as the fastest, so that it is tried.
    package func buckets(of nodes: [NodeID]) -> [NodeID: Int] {
        let fastestMicros = fastestMicros(of: nodes)
        var buckets: [NodeID: Int] = [:]
        for node in nodes { buckets[node] = bucket(of: node, fastestMicros: fastestMicros) }
        return buckets
    }

    /// The least estimate of some nodes.
    func fastestMicros(of nodes: some Sequence<NodeID>) -> Double {
        var fastest: Double?
        for node in nodes {
            guard let micros = estimates[node]?.micros else { continue }
            fastest = min(fastest ?? micros, micros)
        }
        return fastest ?? 0
    }

    /// How slow a node is compared with the fastest.
    func bucket(of node: NodeID, fastestMicros: Double) -> Int {
        guard let estimate = estimates[node] else { return 0 }
        let idle = (now - estimate.at) / .microseconds(1)
        let distance = max(0, estimate.micros - fastestMicros)
        let drifted = fastestMicros + distance * Self.remainder(after: idle)
        return max(0, Int((drifted / max(fastestMicros, Self.noiseMicros)).exponent))
    }

    /// After which time a read asks another replica: the latency that so many of a hundred answers
    /// stay below, at least 1 ms and at most half of the read's time.
    ///
    /// - Parameters:
    ///   - percentile: from 0 to 100.
    ///   - timeout: how long a read may take; until enough is measured, half of it is the delay.
    /// - Returns: the delay, counted from the start of the read.
    package func delay(percentile: Double, timeout: Duration) -> Duration {
        let most = max(timeout / 2, Self.delayMin)
        guard let micros = histogram.micros(percentile: percentile) else { return most }
        return min(max(.microseconds(micros), Self.delayMin), most)
    }

    /// The share of a distance that is left after a time: one half to the power of half-lives,
    /// straight between whole ones.
    private static func remainder(after micros: Double) -> Double {
        let halfLives = micros / halfLifeMicros
        guard halfLives > 0 else { return 1 }
        guard halfLives < 60 else { return 0 }
        let whole = halfLives.rounded(.down)
        return Double(sign: .plus, exponent: -Int(whole), significand: 1)
            * (1 - (halfLives - whole) / 2)
    }
}
