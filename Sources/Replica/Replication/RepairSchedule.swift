internal import Catalog
internal import PeerMessages
package import TokenPlacement

/// Says which slice this node repairs or rebuilds next.
///
/// A slice is repaired by its first replica that is alive. What must be rebuilt here comes first,
/// then what somebody asked for, then dirty slices, then those whose last repair is longest ago.
package struct RepairSchedule: Sendable {
    /// How far a run is that somebody asked for.
    package struct Progress: Hashable, Sendable {
        /// The slices of the run.
        package var total = 0
        /// Those that are repaired.
        package var repaired = 0
        /// Those of which not all replicas took part.
        package var incomplete = 0
        /// What was done.
        package var statistics = RepairStatistics()

        /// Whether all slices had their turn.
        package var isDone: Bool { repaired + incomplete == total }
    }

    private struct Attempt: Hashable {
        var seconds: Int64
        var at: Duration
    }

    private let node: NodeID
    private let settings: RepairSettings
    private var tables: [TableID: ReplicatedTable] = [:]
    private var alive: Set<NodeID> = []
    private var running: Set<SliceID> = []
    /// The last try of slices that were not repaired by it.
    private var attempts: [SliceID: Attempt] = [:]
    /// What is left of the run, in reverse.
    private var requested: [SliceID] = []
    private var requestedRunning: Set<SliceID> = []
    private var notBefore = Duration.zero

    /// The run that was asked for last; nil: none was.
    package private(set) var progress: Progress?

    /// A schedule without tables.
    package init(node: NodeID, settings: RepairSettings) {
        self.node = node
        self.settings = settings
    }

    // MARK: Events

    /// The tables, their replicas or the living nodes changed.
    package mutating func viewChanged(tables: [ReplicatedTable], alive: Set<NodeID>) {
        // Who failed may be back.
        if !alive.subtracting(self.alive).isEmpty { attempts = [:] }
        self.tables = [:]
        for table in tables { self.tables[table.id] = table }
        self.alive = alive.union([node])
        attempts = attempts.filter { self.tables[$0.key.table] != nil }
        let gone = requested.count { self.tables[$0.table] == nil }
        requested.removeAll { self.tables[$0.table] == nil }
        progress?.total -= gone
    }

    /// Begins a run over a keyspace or table (nil: all), in the place of one that is under way.
    ///
    /// It takes the slices that this node repairs by itself: on every node, that makes all slices.
    ///
    /// - Returns: the number of its slices.
    @discardableResult
    package mutating func run(keyspace: String? = nil, table name: String? = nil) -> Int {
        let chosen = tables.values.filter {
            (keyspace == nil || $0.keyspace == keyspace) && (name == nil || $0.name == name)
        }
        var slices: [SliceID] = []
        for table in chosen {
            for slice in 0..<table.sliceCount {
                let replicas = table.replicas(ofSlice: slice)
                guard replicas.count > 1, isCoordinated(replicas) else { continue }
                slices.append(SliceID(table.id, slice))
            }
        }
        requested = slices.sorted().reversed()
        requestedRunning = []
        progress = Progress(total: slices.count)
        return slices.count
    }

    /// The next task, if there is one that may begin now; it counts as begun.
    package mutating func next(
        nowSeconds: Int64,
        now: Duration,
        ledger: RepairLedger,
        health: SliceHealth
    ) -> RepairTask? {
        if let task = nextRebuild(now, health) { return begin(task) }
        if let task = nextRequested(health) {
            requestedRunning.insert(task.slice)
            return begin(task)
        }
        guard now >= notBefore, let task = nextDue(nowSeconds, now, ledger, health) else {
            return nil
        }
        notBefore = now + settings.pause
        return begin(task)
    }

    /// A task that `next` gave is over.
    package mutating func finished(
        _ task: RepairTask,
        _ outcome: RepairOutcome,
        _ statistics: RepairStatistics,
        nowSeconds: Int64,
        now: Duration
    ) {
        running.remove(task.slice)
        let isDone: Bool
        switch outcome {
        case .repaired, .rebuilt: isDone = true
        case .incomplete, .noSource: isDone = false
        }
        // Also behind a success: a dirty mark may outlive the repair.
        attempts[task.slice] = Attempt(seconds: nowSeconds, at: now)
        if isDone, task.mode == .rebuild { attempts[task.slice] = nil }
        if task.mode == .repair, requestedRunning.remove(task.slice) != nil {
            progress?.statistics += statistics
            if isDone { progress?.repaired += 1 } else { progress?.incomplete += 1 }
        }
    }

    // MARK: Queries

    /// The slices that a node repairs are those whose first living replica it is.
    private func isCoordinated(_ replicas: [NodeID]) -> Bool {
        replicas.first(where: alive.contains) == node
    }

    private func forEachCoordinated(
        _ body: (SliceID, ReplicatedTable, [NodeID]) -> Void
    ) {
        for (_, table) in tables.sorted(by: { $0.key < $1.key }) {
            for slice in 0..<table.sliceCount {
                let replicas = table.replicas(ofSlice: slice)
                guard replicas.count > 1, isCoordinated(replicas) else { continue }
                body(SliceID(table.id, slice), table, replicas)
            }
        }
    }

    // MARK: Choice

    private mutating func begin(_ task: RepairTask) -> RepairTask {
        running.insert(task.slice)
        return task
    }

    private func task(_ slice: SliceID, _ mode: RepairTask.Mode) -> RepairTask? {
        guard let table = tables[slice.table], slice.slice < table.sliceCount else { return nil }
        return RepairTask(
            slice: slice,
            tokens: table.tokens(ofSlice: slice.slice),
            replicas: table.replicas(ofSlice: slice.slice),
            gcGraceSeconds: table.gcGraceSeconds,
            mode: mode
        )
    }

    private func nextRebuild(_ now: Duration, _ health: SliceHealth) -> RepairTask? {
        guard !health.isWell else { return nil }
        for slice in health.slices(.rebuilding) where !running.contains(slice) {
            if let attempt = attempts[slice],
                now < attempt.at + .seconds(settings.rebuildRetrySeconds)
            {
                continue
            }
            // What had this replica only stays lost.
            if let task = task(slice, .rebuild), task.replicas.contains(node),
                task.replicas.count > 1
            {
                return task
            }
        }
        return nil
    }

    private mutating func nextRequested(_ health: SliceHealth) -> RepairTask? {
        while let slice = requested.last {
            // Its own repair is under way: it is waited for.
            guard !running.contains(slice) else { return nil }
            requested.removeLast()
            if health.state(of: slice) == nil, let task = task(slice, .repair) { return task }
            progress?.incomplete += 1
        }
        return nil
    }

    /// The dirty slice whose mark is oldest, else the slice whose repair is longest ago.
    private func nextDue(
        _ nowSeconds: Int64,
        _ now: Duration,
        _ ledger: RepairLedger,
        _ health: SliceHealth
    ) -> RepairTask? {
        var best: (rank: Int, seconds: Int64, slice: SliceID)?
        forEachCoordinated { slice, table, replicas in
            guard let interval = settings.interval(gcGraceSeconds: table.gcGraceSeconds),
                !running.contains(slice), health.state(of: slice) == nil
            else { return }
            let attempt = attempts[slice]
            let rank: Int
            let seconds: Int64
            if let since = dirtySince(slice, replicas, nowSeconds, ledger) {
                if let attempt, now < attempt.at + .seconds(settings.retrySeconds) { return }
                (rank, seconds) = (0, since)
            } else {
                let latest = nowSeconds.clampedSum(settings.skewMarginSeconds)
                // A time from the future is that of a clock that was set back since.
                let repaired = ledger.repairedSeconds(slice, replicas: replicas)
                    .flatMap { $0 <= latest ? $0 : nil }
                if let repaired, nowSeconds.clampedDifference(repaired) < interval { return }
                if let attempt {
                    // With all replicas alive a failure is worth another try soon.
                    let isWhole = replicas.allSatisfy(alive.contains)
                    let pause = isWhole ? min(settings.retrySeconds, interval) : interval
                    if now < attempt.at + .seconds(pause) { return }
                }
                (rank, seconds) = (1, max(repaired ?? .min, attempt?.seconds ?? .min))
            }
            if let best, (best.rank, best.seconds, best.slice) <= (rank, seconds, slice) { return }
            best = (rank, seconds, slice)
        }
        return best.flatMap { task($0.slice, .repair) }
    }

    /// Since when a slice is dirty, if a repair that begins now finds all that its marks stand for.
    private func dirtySince(
        _ slice: SliceID,
        _ replicas: [NodeID],
        _ nowSeconds: Int64,
        _ ledger: RepairLedger
    ) -> Int64? {
        guard ledger.isDirty(slice) else { return nil }
        return ledger.dirtyMarks(of: slice)
            .filter {
                replicas.contains($0.target) && alive.contains($0.target)
                    && ledger.isCovered($0.sinceSeconds, by: nowSeconds)
            }
            .map(\.sinceSeconds).min()
    }
}
