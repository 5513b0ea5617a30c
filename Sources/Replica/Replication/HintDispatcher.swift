package import Catalog
package import PeerMessages
package import Storage
package import TokenPlacement

/// Sends hints to the nodes that they are for, and removes those that are done or of no use.
///
/// Per node one step is under way at most: a page is read, its useless hints are removed, the rest
/// is sent, and only what the node acknowledged is removed. All is idempotent, so that a crash or a
/// failure anywhere only repeats a step. What is too old is not sent, as the sweeper counts on it:
/// its slice becomes dirty instead, in the same write.
package struct HintDispatcher: Sendable {
    /// A hint to remove from the disk.
    package struct Removal: Hashable, Sendable {
        /// Its key.
        package var key: [UInt8]
        /// The size of its value, for ``HintBook/removed(key:valueBytes:)``.
        package var valueBytes: Int

        /// A removal with both its parts.
        package init(key: [UInt8], valueBytes: Int) {
            self.key = key
            self.valueBytes = valueBytes
        }
    }

    /// What the driver must do, and then report.
    package enum Action: Equatable, Sendable {
        /// Read hints; then
        /// ``HintDispatcher/pageRead(_:_:now:steadyMicros:nowSeconds:actions:)`` or
        /// ``HintDispatcher/readFailed(_:now:actions:)``.
        case read(NodeID, KeyRange, rowsMax: Int, bytesMax: Int)
        /// Send writes to a node, with the time of the oldest hint; then `acknowledged` or `failed`.
        case send(NodeID, [Mutation], oldestMicros: Int64)
        /// Set dirty marks and remove hints, in one batch; then `removed`.
        case remove(NodeID, [Removal], marks: [DirtyMark])
    }

    struct Hint: Hashable, Sendable {
        var removal: Removal
        var key: HintKey
        var mutation: Mutation
    }

    private enum Phase: Sendable {
        /// Exits: to reading, whenever there is something to read and the rates allow it.
        case idle
        /// Exits: the page to removing, sending or idle; a failure to idle.
        case reading
        /// Hints are being removed, then these are sent. Exits: to sending, else to idle.
        case removing(thenSend: [Hint], cursor: [UInt8]?)
        /// Exits: the acknowledgement to removing; a failure to idle.
        case sending([Hint], cursor: [UInt8]?)
    }

    private struct Target: Sendable {
        var phase = Phase.idle
        var isAlive = false
        /// Whether there may be hints on disk.
        var hasHints = false
        /// Whether hints were added since the pass began, perhaps in front of the cursor.
        var hasNewHints = false
        /// Whether the pass left hints behind that are to be tried again.
        var hasSkipped = false
        /// Where the next page begins; nil: a new pass.
        var cursor: [UInt8]?
        /// Up to which key hints are sent one by one, since together they were refused.
        var singleUntil: [UInt8]?
        /// How many hints of the `remove` that is under way were not sent.
        var discardedCount = 0
        var failures = 0
        var notBefore = Duration.zero
    }

    private let settings: HintSettings
    /// Planted by the simulator: hints are removed before they are acknowledged.
    private let removesEarly: Bool
    private var targets: [NodeID: Target] = [:]
    private var bandwidth: TokenBucket
    /// The node that was served last, so that all get their turn.
    private var lastServed: NodeID?
    private var tables: Set<TableID> = []
    private var nextTable = TableID(0)
    /// The hints that were sent and acknowledged.
    package private(set) var sentCount = 0
    /// The hints that were removed unsent: too old, or their table is gone.
    package private(set) var discardedCount = 0

    /// A dispatcher that knows no nodes yet.
    package init(settings: HintSettings, removesEarly: Bool = false) {
        self.settings = settings
        self.removesEarly = removesEarly
        bandwidth = TokenBucket(
            bytesPerSecond: settings.bytesPerSecond,
            burstBytes: settings.pageBytesMax
        )
    }

    // MARK: Events

    /// The tables that there are, and the id of the next one; what is below it and not among them
    /// was dropped.
    package mutating func tablesChanged(_ tables: Set<TableID>, next: TableID) {
        self.tables = tables
        nextTable = next
    }

    /// There are hints for a node: at the start, and whenever one was written.
    package mutating func hintStored(
        for node: NodeID,
        now: Duration,
        actions: inout [Action]
    ) {
        if targets[node]?.hasHints != true {
            // A node that is down is looked at for hints that are too old, later.
            let isAlive = targets[node]?.isAlive ?? false
            targets[node, default: Target()].hasHints = true
            if !isAlive {
                targets[node, default: Target()].notBefore = now + settings.expiryInterval
            }
        }
        targets[node, default: Target()].hasNewHints = true
        pump(now, &actions)
    }

    /// Gossip says whether a node is alive.
    package mutating func aliveChanged(
        _ node: NodeID,
        isAlive: Bool,
        now: Duration,
        actions: inout [Action]
    ) {
        var target = targets[node] ?? Target()
        if target.isAlive != isAlive {
            target.isAlive = isAlive
            target.failures = 0
            target.notBefore = isAlive ? now : now + settings.expiryInterval
            target.cursor = nil
            target.singleUntil = nil
            // A page that is under way may begin anywhere: what it passes over is looked at again.
            target.hasNewHints = true
            targets[node] = target
        }
        pump(now, &actions)
    }

    /// Time passed: to be called at ``nextWake(now:)`` at the latest.
    package mutating func resumed(now: Duration, actions: inout [Action]) { pump(now, &actions) }

    /// The hints that a `read` found.
    ///
    /// - Parameters:
    ///   - node: whom they are for.
    ///   - page: their keys and values.
    ///   - now: the monotonic time.
    ///   - steadyMicros: by which their age is judged, as their keys were made by it.
    ///   - nowSeconds: the wall clock, for the marks of those that are given up.
    ///   - actions: takes what is to be done.
    package mutating func pageRead(
        _ node: NodeID,
        _ page: [(key: [UInt8], value: [UInt8])],
        now: Duration,
        steadyMicros: Int64,
        nowSeconds: Int64,
        actions: inout [Action]
    ) {
        guard var target = targets[node], case .reading = target.phase else { return }
        target.phase = .idle
        if page.isEmpty {
            finishPass(&target, now)
        } else {
            let page = HintPage.Read(
                hints: page,
                steadyMicros: steadyMicros,
                nowSeconds: nowSeconds
            )
            handle(page, for: node, &target, now, &actions)
        }
        targets[node] = target
        pump(now, &actions)
    }

    /// A `read` failed.
    package mutating func readFailed(_ node: NodeID, now: Duration, actions: inout [Action]) {
        guard var target = targets[node], case .reading = target.phase else { return }
        target.phase = .idle
        pause(&target, now)
        targets[node] = target
        pump(now, &actions)
    }

    /// A node has all writes of the last `send`, durably.
    package mutating func acknowledged(
        by node: NodeID,
        now: Duration,
        actions: inout [Action]
    ) {
        guard var target = targets[node], case .sending(let hints, let cursor) = target.phase
        else { return }
        target.failures = 0
        sentCount += hints.count
        remove(hints.map(\.removal), [], thenSend: [], node, cursor, &target, &actions)
        targets[node] = target
        pump(now, &actions)
    }

    /// A node did not take the writes of the last `send`, or it is not known whether it did.
    package mutating func failed(
        at node: NodeID,
        _ code: PeerFailure.Code,
        now: Duration,
        nowSeconds: Int64,
        actions: inout [Action]
    ) {
        guard var target = targets[node], case .sending(let hints, let cursor) = target.phase
        else { return }
        target.phase = .idle
        switch code {
        case .invalid, .unknownTable, .tooOld:
            if hints.count > 1 {
                // One of them spoils the others: one by one then, from the page's beginning.
                target.singleUntil = hints.last?.removal.key
            } else if code != .unknownTable {
                // Others may have what this one calls invalid, as its bounds are its own. Too old is
                // what was made by a clock that was wrong then, or before a restart.
                let marks = HintPage.marks(of: hints, nowSeconds: nowSeconds)
                target.discardedCount = hints.count
                remove(hints.map(\.removal), marks, thenSend: [], node, cursor, &target, &actions)
            } else {
                // The node will hear of the table: the hint stays for the next pass.
                target.hasSkipped = true
                target.cursor = cursor
            }
        case .failed, .overloaded, .modelNotReady, .disconnected, .unreadable:
            pause(&target, now)
        }
        targets[node] = target
        pump(now, &actions)
    }

    /// The last `remove` is done, or failed: then nothing of it happened.
    package mutating func removed(
        at node: NodeID,
        succeeded: Bool,
        now: Duration,
        actions: inout [Action]
    ) {
        guard var target = targets[node], case .removing(let hints, let cursor) = target.phase
        else { return }
        target.phase = .idle
        if succeeded { discardedCount += target.discardedCount }
        target.discardedCount = 0
        if !succeeded {
            pause(&target, now)
        } else if hints.isEmpty || !target.isAlive {
            if hints.isEmpty { target.cursor = cursor }
        } else {
            send(hints, node, cursor, &target, now, &actions)
        }
        targets[node] = target
        pump(now, &actions)
    }

    // MARK: Queries

    /// When `resumed` is to be called; nil: something else comes first.
    package func nextWake(now: Duration) -> Duration? {
        targets.values.compactMap { target -> Duration? in
            guard target.hasHints, case .idle = target.phase else { return nil }
            return target.isAlive
                ? max(target.notBefore, bandwidth.ready(now: now)) : max(now, target.notBefore)
        }.min()
    }

    /// Whether nothing is known to be left for the nodes that are alive.
    package var isDrained: Bool {
        targets.values.allSatisfy { target in
            guard case .idle = target.phase else { return false }
            return !target.isAlive || !target.hasHints
        }
    }

    // MARK: Steps

    /// Begins a page for every node for which one may begin.
    private mutating func pump(_ now: Duration, _ actions: inout [Action]) {
        let nodes = targets.keys.sorted()
        let first = lastServed.flatMap { last in nodes.firstIndex { $0 > last } } ?? 0
        for node in nodes[first...] + nodes[..<first] {
            guard var target = targets[node], target.hasHints, target.notBefore <= now,
                case .idle = target.phase
            else { continue }
            if target.isAlive {
                guard bandwidth.isReady(now: now) else { continue }
                lastServed = node
            }
            if target.cursor == nil {
                target.hasNewHints = false
                target.hasSkipped = false
            }
            target.phase = .reading
            targets[node] = target
            actions.append(
                .read(
                    node,
                    HintKeys.range(of: node, from: target.cursor),
                    rowsMax: target.singleUntil == nil ? settings.pageRowsMax : 1,
                    bytesMax: settings.pageBytesMax
                )
            )
        }
    }

    private mutating func handle(
        _ page: HintPage.Read,
        for node: NodeID,
        _ target: inout Target,
        _ now: Duration,
        _ actions: inout [Action]
    ) {
        var found = HintPage(tables: tables, nextTable: nextTable)
        if target.isAlive {
            found.sort(page, settings: settings)
        } else {
            found.takeExpired(page, for: node, settings: settings)
        }
        if found.hasKept { target.hasSkipped = true }
        if let last = target.singleUntil, let cursor = found.cursor,
            !cursor.lexicographicallyPrecedes(last)
        {
            target.singleUntil = nil
        }
        target.discardedCount = found.removals.count
        if !found.removals.isEmpty {
            remove(
                found.removals,
                HintPage.sorted(found.marks),
                thenSend: found.hints,
                node,
                found.cursor,
                &target,
                &actions
            )
        } else if !found.hints.isEmpty {
            send(found.hints, node, found.cursor, &target, now, &actions)
        } else {
            target.cursor = found.cursor
        }
    }

    private mutating func send(
        _ hints: [Hint],
        _ node: NodeID,
        _ cursor: [UInt8]?,
        _ target: inout Target,
        _ now: Duration,
        _ actions: inout [Action]
    ) {
        bandwidth.take(hints.reduce(0) { $0 + $1.removal.valueBytes }, now: now)
        target.phase = .sending(hints, cursor: cursor)
        let oldest = hints.map(\.key.createdMicros).min() ?? 0
        actions.append(.send(node, hints.map(\.mutation), oldestMicros: oldest))
        if removesEarly {
            actions.append(.remove(node, hints.map(\.removal), marks: []))
        }
    }

    private mutating func remove(
        _ removals: [Removal],
        _ marks: [DirtyMark],
        thenSend hints: [Hint],
        _ node: NodeID,
        _ cursor: [UInt8]?,
        _ target: inout Target,
        _ actions: inout [Action]
    ) {
        target.phase = .removing(thenSend: hints, cursor: cursor)
        actions.append(.remove(node, removals, marks: marks))
    }

    /// No hint lies behind the cursor.
    private func finishPass(_ target: inout Target, _ now: Duration) {
        target.cursor = nil
        target.singleUntil = nil
        if !target.isAlive {
            target.notBefore = now + settings.expiryInterval
        } else if target.hasSkipped {
            pause(&target, now)
        } else if !target.hasNewHints {
            target.hasHints = false
        }
    }

    private func pause(_ target: inout Target, _ now: Duration) {
        let doublings = min(target.failures, 20)
        target.failures += 1
        target.notBefore = now + min(settings.pauseMax, settings.pauseMin * (1 << doublings))
    }
}
