internal import Catalog
package import TokenPlacement

/// A slice that is to be swept now.
package struct SweepTask: Hashable, Sendable {
    /// The slice.
    package var slice: SliceID
    /// Its tokens.
    package var tokens: ClosedRange<Token>
    /// The second as of which cells expire.
    package var nowSeconds: Int64
    /// The second before which deletions and expiries go; `Int64.min`: none do.
    package var purgeBeforeSeconds: Int64

    /// A task with all its parts.
    package init(
        slice: SliceID,
        tokens: ClosedRange<Token>,
        nowSeconds: Int64,
        purgeBeforeSeconds: Int64
    ) {
        self.slice = slice
        self.tokens = tokens
        self.nowSeconds = nowSeconds
        self.purgeBeforeSeconds = purgeBeforeSeconds
    }
}

/// Says which slice of this node's disk is swept next, and what may be purged there.
///
/// Where others have the slice too, this node's clock decides nothing alone: a clock that jumped
/// ahead would take values away that still live, and repair would spread that. What counts is the
/// time of the last repair that all replicas noted, as each of them checked it against its own
/// clock; one wrong clock can only delay. A slice that was never repaired is not swept.
package struct SweepPlanner: Sendable {
    private let node: NodeID
    private let settings: RepairSettings
    /// Planted by the simulator: deletions are purged without grace period and repair.
    private let purgesEarly: Bool
    /// Planted by the simulator: what is purged need not have been repaired.
    private let ignoresRepair: Bool
    private var tables: [TableID: ReplicatedTable] = [:]
    /// When the slices are due again; those that are missing had no turn yet.
    private var dueAt: [SliceID: Duration] = [:]

    /// A planner without tables.
    package init(
        node: NodeID,
        settings: RepairSettings,
        purgesEarly: Bool = false,
        ignoresRepair: Bool = false
    ) {
        self.ignoresRepair = ignoresRepair
        self.node = node
        self.settings = settings
        self.purgesEarly = purgesEarly
    }

    // MARK: Events

    /// The tables or their replicas changed.
    package mutating func viewChanged(tables: [ReplicatedTable]) {
        self.tables = [:]
        for table in tables { self.tables[table.id] = table }
        dueAt = dueAt.filter { self.tables[$0.key.table] != nil }
    }

    /// The next slice, if one is due; it counts as swept now.
    package mutating func next(
        nowSeconds: Int64,
        now: Duration,
        ledger: RepairLedger,
        health: SliceHealth
    ) -> SweepTask? {
        guard settings.sweepIntervalSeconds > 0 else { return nil }
        var best: (at: Duration, task: SweepTask)?
        for (_, table) in tables.sorted(by: { $0.key < $1.key }) {
            for index in 0..<table.sliceCount {
                let slice = SliceID(table.id, index)
                guard health.state(of: slice) == nil,
                    table.replicas(ofSlice: index).contains(node)
                else { continue }
                let at = dueAt[slice] ?? .nanoseconds(Int64.min)
                guard at <= now, best.map({ at < $0.at }) ?? true,
                    let task = task(slice, table, nowSeconds: nowSeconds, ledger: ledger)
                else { continue }
                best = (at, task)
            }
        }
        guard let task = best?.task else { return nil }
        dueAt[task.slice] = now + .seconds(settings.sweepIntervalSeconds)
        return task
    }

    /// A sweep did not reach its end: the slice is due again soon, but behind those that wait.
    package mutating func failed(_ task: SweepTask, now: Duration) {
        let pause = min(settings.sweepRetrySeconds, settings.sweepIntervalSeconds)
        dueAt[task.slice] = now + .seconds(pause)
    }

    // MARK: Queries

    /// The sweep of a slice, due or not; nil if this node is none of its replicas, or nothing may
    /// be swept.
    package func task(
        _ slice: SliceID,
        nowSeconds: Int64,
        ledger: RepairLedger
    ) -> SweepTask? {
        guard let table = tables[slice.table], slice.slice < table.sliceCount,
            table.replicas(ofSlice: slice.slice).contains(node)
        else { return nil }
        return task(slice, table, nowSeconds: nowSeconds, ledger: ledger)
    }

    /// The second as of which cells expire, and the one before which deletions and expiries may go.
    ///
    /// What goes must be older than the grace period, and every replica must have it: a repair of
    /// all of them began when no hint or delayed message from before could still be on its way. A
    /// single replica needs no repair, and has no other clock than its own.
    ///
    /// - Parameters:
    ///   - nowSeconds: the wall clock.
    ///   - gcGraceSeconds: the table's grace period.
    ///   - replicaCount: how many replicas the slice has.
    ///   - repairedSeconds: when the last repair began that all present replicas took part in, or
    ///     nil.
    ///   - settings: the hint window and the margin for clocks that differ.
    /// - Returns: nil if nothing may be swept: there was no repair, or one from the future, by a
    ///   clock that was set back since.
    package static func seconds(
        nowSeconds: Int64,
        gcGraceSeconds: Int32,
        replicaCount: Int,
        repairedSeconds: Int64?,
        settings: RepairSettings
    ) -> (now: Int64, purgeBefore: Int64)? {
        let margin = settings.skewMarginSeconds
        guard let settledBy = replicaCount <= 1 ? nowSeconds : repairedSeconds,
            settledBy <= nowSeconds.clampedSum(margin)
        else { return nil }
        let asOf = min(nowSeconds, settledBy)
        let aged = asOf.clampedDifference(Int64(max(0, gcGraceSeconds)))
        let settled = settledBy.clampedDifference(settings.hintWindowSeconds)
            .clampedDifference(margin)
        // Whose clock is ahead a little takes no value away that others still show.
        return (asOf.clampedDifference(margin), min(aged, settled))
    }

    private func task(
        _ slice: SliceID,
        _ table: ReplicatedTable,
        nowSeconds: Int64,
        ledger: RepairLedger
    ) -> SweepTask? {
        let tokens = table.tokens(ofSlice: slice.slice)
        guard !purgesEarly else {
            return SweepTask(
                slice: slice,
                tokens: tokens,
                nowSeconds: nowSeconds,
                purgeBeforeSeconds: nowSeconds
            )
        }
        let replicas = table.replicas(ofSlice: slice.slice)
        let seconds = Self.seconds(
            nowSeconds: nowSeconds,
            gcGraceSeconds: table.gcGraceSeconds,
            replicaCount: replicas.count,
            repairedSeconds: ignoresRepair
                ? nowSeconds : ledger.repairedSeconds(slice, replicas: replicas),
            settings: settings
        )
        return seconds.map {
            SweepTask(
                slice: slice,
                tokens: tokens,
                nowSeconds: $0.now,
                purgeBeforeSeconds: $0.purgeBefore
            )
        }
    }
}
