internal import Catalog
package import Storage
internal import TokenPlacement

/// Walks over a slice page by page and finds the rows of which a sweep would leave something else.
///
/// The page may be older than the row: the writer reads it again, so that no write is lost.
package struct SweepPass: Sendable {
    /// What a pass did.
    package struct Statistics: Hashable, Sendable {
        /// The rows that were looked at.
        package var rows = 0
        /// Their bytes.
        package var bytes = 0
        /// The rows that were given to the writer.
        package var swept = 0
        /// The rows that cannot be read: their slice must be rebuilt.
        package var damaged = 0
    }

    /// What the driver must do.
    package enum Action: Equatable, Sendable {
        /// Scan; then `pageRead` or `failed`.
        case scan(KeyRange, rowsMax: Int, bytesMax: Int)
        /// Give the keys to the writer as sweeps (`StoreWrites.sweep`) of the task's seconds; then
        /// `swept` or `failed`.
        case sweep([[UInt8]])
        /// Call `resumed` at this time: the rate is used up.
        case wait(until: Duration)
        /// It is over.
        case finish(Statistics, isComplete: Bool)
    }

    private enum State: Hashable, Sendable {
        /// Exits: `start`.
        case initialized
        /// Exits: the page, to sweeping, waiting, scanning or finished.
        case scanning
        /// Exits: the writer's answer, as of scanning.
        case sweeping
        /// Exits: `resumed`, to scanning.
        case waiting
        /// No exit.
        case finished
    }

    /// What is swept.
    package let task: SweepTask
    private let settings: RepairSettings
    private var state = State.initialized
    /// What is left to scan; nil: nothing.
    private var rest: KeyRange?

    /// What the rate allows; to be handed on to the next pass.
    package private(set) var bandwidth: TokenBucket
    /// What was done so far.
    package private(set) var statistics = Statistics()

    /// A pass over a task's slice; `bandwidth` as the last pass left it.
    package init(task: SweepTask, settings: RepairSettings, bandwidth: TokenBucket) {
        self.task = task
        self.settings = settings
        self.bandwidth = bandwidth
        rest = RowKey.sliceRange(table: task.slice.table, tokens: task.tokens)
    }

    // MARK: Events

    /// Begins.
    package mutating func start(now: Duration, actions: inout [Action]) {
        guard case .initialized = state else { preconditionFailure("started twice: \(state)") }
        goOn(now, &actions)
    }

    /// The page of the last scan.
    package mutating func pageRead(_ page: StoreScan, now: Duration, actions: inout [Action]) {
        guard case .scanning = state else { return }
        var keys: [[UInt8]] = []
        var bytes = 0
        for entry in page.entries {
            bytes += entry.key.count + entry.row.count
            do {
                let outcome = try RowSweep.sweep(
                    entry.row,
                    nowSeconds: task.nowSeconds,
                    purgeBeforeSeconds: task.purgeBeforeSeconds
                )
                if outcome != .unchanged { keys.append(entry.key) }
            } catch {
                statistics.damaged += 1
            }
        }
        statistics.rows += page.entries.count
        statistics.bytes += bytes
        statistics.swept += keys.count
        bandwidth.take(bytes, now: now)
        if page.isComplete || page.entries.isEmpty {
            rest = nil
        } else if let last = page.entries.last {
            rest?.lower = last.key + [0]
        }
        guard keys.isEmpty else {
            state = .sweeping
            actions.append(.sweep(keys))
            return
        }
        goOn(now, &actions)
    }

    /// The writer has swept.
    package mutating func swept(now: Duration, actions: inout [Action]) {
        guard case .sweeping = state else { return }
        goOn(now, &actions)
    }

    /// The scan or the writer failed: the pass ends here.
    package mutating func failed(actions: inout [Action]) {
        switch state {
        case .scanning, .sweeping:
            state = .finished
            actions.append(.finish(statistics, isComplete: false))
        case .initialized, .waiting, .finished: return
        }
    }

    /// The time of a `wait` has come.
    package mutating func resumed(now: Duration, actions: inout [Action]) {
        guard case .waiting = state else { return }
        goOn(now, &actions)
    }

    // MARK: Queries

    /// Whether it is over.
    package var isFinished: Bool { state == .finished }

    private mutating func goOn(_ now: Duration, _ actions: inout [Action]) {
        guard let rest else {
            state = .finished
            actions.append(.finish(statistics, isComplete: true))
            return
        }
        guard bandwidth.isReady(now: now) else {
            state = .waiting
            actions.append(.wait(until: bandwidth.ready(now: now)))
            return
        }
        state = .scanning
        actions.append(
            .scan(rest, rowsMax: settings.pageRowsMax, bytesMax: settings.pageBytesMax)
        )
    }
}
