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
package struct SweepPlanner: Sendable {
    private let node: NodeID
    private let settings: RepairSettings
    /// Planted by the simulator: deletions are purged without grace period and repair.
    private let purgesEarly: Bool
    private var tables: [TableID: ReplicatedTable] = [:]
    private var sweptAt: [SliceID: Duration] = [:]

    /// A planner without tables.
    package init(node: NodeID, settings: RepairSettings, purgesEarly: Bool = false) {
        self.node = node
        self.settings = settings
        self.purgesEarly = purgesEarly
    }

    // MARK: Events

    /// The tables or their replicas changed.
    package mutating func viewChanged(tables: [ReplicatedTable]) {
        self.tables = [:]
        for table in tables { self.tables[table.id] = table }
        sweptAt = sweptAt.filter { self.tables[$0.key.table] != nil }
    }

    /// The next slice, if one is due; it counts as swept now.
    package mutating func next(
        nowSeconds: Int64,
        now: Duration,
        ledger: RepairLedger,
        health: SliceHealth
    ) -> SweepTask? {
        guard settings.sweepIntervalSeconds > 0 else { return nil }
        var best: (at: Duration?, slice: SliceID)?
        for (_, table) in tables.sorted(by: { $0.key < $1.key }) {
            for index in 0..<table.sliceCount {
                let slice = SliceID(table.id, index)
                guard health.state(of: slice) == nil,
                    table.replicas(ofSlice: index).contains(node)
                else { continue }
                let at = sweptAt[slice]
                if let at, now < at + .seconds(settings.sweepIntervalSeconds) { continue }
                guard let known = best else {
                    best = (at, slice)
                    continue
                }
                if let knownAt = known.at, at.map({ $0 < knownAt }) ?? true { best = (at, slice) }
            }
        }
        guard let slice = best?.slice, let table = tables[slice.table] else { return nil }
        sweptAt[slice] = now
        return task(slice, table, nowSeconds: nowSeconds, ledger: ledger)
    }

    /// A sweep did not reach its end: the slice is due again.
    package mutating func failed(_ task: SweepTask) { sweptAt[task.slice] = nil }

    // MARK: Queries

    /// The sweep of a slice, due or not; nil if this node is none of its replicas.
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

    /// The second before which deletions and expiries may go.
    ///
    /// They must be older than the grace period, and every replica must have them: a repair of all
    /// of them began when no hint or delayed message from before could still be on its way. A
    /// single replica needs no repair.
    ///
    /// - Parameters:
    ///   - nowSeconds: the wall clock.
    ///   - gcGraceSeconds: the table's grace period.
    ///   - replicaCount: how many replicas the slice has.
    ///   - repairedSeconds: when the last repair began that all present replicas took part in, or
    ///     nil.
    ///   - settings: the hint window and the margin for clocks that differ.
    /// - Returns: `Int64.min` if nothing may go.
    package static func purgeBefore(
        nowSeconds: Int64,
        gcGraceSeconds: Int32,
        replicaCount: Int,
        repairedSeconds: Int64?,
        settings: RepairSettings
    ) -> Int64 {
        let aged = nowSeconds.clampedDifference(Int64(max(0, gcGraceSeconds)))
        guard let settledBy = replicaCount <= 1 ? nowSeconds : repairedSeconds else { return .min }
        let settled = settledBy.clampedDifference(settings.hintWindowSeconds)
            .clampedDifference(settings.skewMarginSeconds)
        return min(aged, settled)
    }

    private func task(
        _ slice: SliceID,
        _ table: ReplicatedTable,
        nowSeconds: Int64,
        ledger: RepairLedger
    ) -> SweepTask {
        let replicas = table.replicas(ofSlice: slice.slice)
        let purgeBefore =
            purgesEarly
            ? nowSeconds
            : Self.purgeBefore(
                nowSeconds: nowSeconds,
                gcGraceSeconds: table.gcGraceSeconds,
                replicaCount: replicas.count,
                repairedSeconds: ledger.repairedSeconds(slice, replicas: replicas),
                settings: settings
            )
        return SweepTask(
            slice: slice,
            tokens: table.tokens(ofSlice: slice.slice),
            // Whose clock is ahead a little takes no value away that others still show.
            nowSeconds: purgesEarly
                ? nowSeconds : nowSeconds.clampedDifference(settings.skewMarginSeconds),
            purgeBeforeSeconds: purgeBefore
        )
    }
}
