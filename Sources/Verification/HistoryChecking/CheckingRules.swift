package import Catalog

/// How a run's rows are replicated, as far as consistency levels count.
package struct ReplicaCounts: Hashable, Sendable {
    /// Replicas by datacenter, sorted by name.
    package let datacenters: [(name: String, count: Int)]

    /// Counts by datacenter.
    package init(_ counts: [String: Int]) {
        datacenters = counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.datacenters.elementsEqual(right.datacenters, by: ==)
    }

    package func hash(into hasher: inout Hasher) {
        for datacenter in datacenters { hasher.combine(datacenter.name) }
    }

    /// All replicas.
    package var total: Int { datacenters.reduce(0) { $0 + $1.count } }

    /// What a level needs: so many in each datacenter, and so many in all.
    private func need(
        _ level: ConsistencyLevel,
        _ datacenter: String
    ) -> (each: [Int], total: Int) {
        let none = datacenters.map { _ in 0 }
        let local = { (need: (Int) -> Int) in
            datacenters.map { $0.name == datacenter ? need($0.count) : 0 }
        }
        switch level {
        case .any: return (none, 0)
        case .one: return (none, 1)
        case .two: return (none, 2)
        case .three: return (none, 3)
        case .quorum, .serial: return (none, total / 2 + 1)
        case .all: return (none, total)
        case .localOne: return (local { min(1, $0) }, 1)
        case .localQuorum, .localSerial: return (local { $0 / 2 + 1 }, 0)
        case .eachQuorum: return (datacenters.map { $0.count / 2 + 1 }, 0)
        }
    }

    /// Whether every set of replicas that satisfies one level shares a replica with every set that
    /// satisfies the other.
    ///
    /// They need not if both fit side by side: the least of both in each datacenter, and room for
    /// the rest of both anywhere. `lost` replicas of the first set count no more.
    package func overlap(
        _ left: ConsistencyLevel,
        in leftDatacenter: String,
        _ right: ConsistencyLevel,
        in rightDatacenter: String,
        without lost: Int = 0
    ) -> Bool {
        if lost > 0 {
            // Which of several datacenters lost them is not asked: nothing is owed then.
            guard datacenters.count == 1 else { return false }
            let left = copies(left, in: leftDatacenter) - lost
            return left > 0 && left + copies(right, in: rightDatacenter) > total
        }
        let first = need(left, leftDatacenter)
        let second = need(right, rightDatacenter)
        var room = 0
        for (index, datacenter) in datacenters.enumerated() {
            let rest = datacenter.count - first.each[index] - second.each[index]
            guard rest >= 0 else { return true }
            room += rest
        }
        let firstRest = max(0, first.total - first.each.reduce(0, +))
        let secondRest = max(0, second.total - second.each.reduce(0, +))
        return firstRest + secondRest > room
    }

    /// The least replicas that have an acknowledged write.
    package func copies(_ level: ConsistencyLevel, in datacenter: String) -> Int {
        let need = need(level, datacenter)
        return max(need.total, need.each.reduce(0, +))
    }
}

/// How long requests may take at the most, in true time, beside pauses of their coordinator.
package struct RequestTimes: Hashable, Sendable {
    /// A write.
    package var write: Nanoseconds
    /// A logged batch.
    package var batch: Nanoseconds
    /// A read, or a page of a scan.
    package var read: Nanoseconds
    /// A scoring.
    package var score: Nanoseconds
    /// A change of the schema.
    package var schema: Nanoseconds
    /// The slices of the ring, each of which may end a page of a scan.
    package var sliceCount = 0
    /// What a request takes beside its time-outs: queues, slow machines.
    package var slack: Nanoseconds = .seconds(2)
    /// What a write at ANY takes on top, which waits for its hints.
    package var hintSlack: Nanoseconds = .seconds(2)

    /// Times with all their parts.
    package init(
        write: Nanoseconds,
        batch: Nanoseconds,
        read: Nanoseconds,
        score: Nanoseconds,
        schema: Nanoseconds
    ) {
        self.write = write
        self.batch = batch
        self.read = read
        self.score = score
        self.schema = schema
    }
}

/// What the checkers may hold against a run, beside the history itself.
package struct CheckingRules: Sendable {
    /// How rows are replicated.
    package var replicas = ReplicaCounts(["dc1": 3])
    /// How far wall clocks are wrong at most, in seconds.
    package var skewSeconds: Int64 = 0
    /// The one node whose wall clock may be wrong by more, and by how many seconds.
    package var jumping: (node: Int, seconds: Int64)?
    /// The nodes that hold a key; all of them where it is missing.
    package var holders: [Int: [Int]] = [:]
    /// How long requests may take; nil: it is not asked.
    package var times: RequestTimes?
    /// How long deletions and expired values stay at least before they are swept; nil: for good.
    package var gcGraceSeconds: Int64?
    /// The tables whose acknowledged writes a loss of power may take back, by place.
    package var periodicTables: Set<Int> = []
    /// For how long it may: so long after a write its replicas may still be about to sync it, beside
    /// pauses of theirs.
    package var periodicWindow: Nanoseconds = .seconds(1)
    /// Whether what was acknowledged at ANY is sure to arrive: hints outlive every outage.
    package var anyArrives = false
    /// The age, in seconds, from which on hints may expire.
    package var hintAgeMax: Int64 = 15
    /// How long after its expiry a value stays on disk at least, in seconds.
    package var sweptAfterSeconds: Int64 = 0
    /// Whether a refused write may come about all the same: a request that arrives twice can be
    /// refused first and done then.
    package var refusedMayAppear = false
    /// The true second since 1970 at time 0 of the history.
    package var epochSeconds: Int64 = 1_800_000_000
    /// The score of a value of the first column.
    package var score: @Sendable ([UInt8]) -> Float = { _ in .nan }
    /// What a table of the run holds as columns.
    package var columns: [Int] = [0, 1, 2]

    /// The rules of a cluster of three replicas.
    package init() {}
}
