internal import HistoryChecking
internal import Storage

/// The writer thread of a simulated node: the steps of its commit cycle are events of their own.
final class SimulatedWriter {
    private enum Step {
        /// Waits for batches or for the next sync.
        case asleep
        case take
        case perform
        case end
        case answer
    }

    private unowned let life: NodeLife
    private var queue: CommitQueue
    private var cycle: CommitCycle
    private var step = Step.asleep
    private var event: Kernel.EventID?
    private var hasToldFailure = false

    init(_ life: NodeLife) {
        self.life = life
        let settings = life.settings
        queue = CommitQueue(path: "node\(life.node)", bounds: settings.writerQueue)
        var cycleSettings = CommitCycle.Settings(
            groupBytesMax: settings.groupBytesMax,
            syncsAsPromised: settings.syncsAsPromised,
            syncPeriod: settings.syncPeriod
        )
        cycleSettings.acknowledgement = settings.acknowledgement
        cycle = CommitCycle(
            settings: cycleSettings,
            backend: life.store,
            observer: life.cache
        )
    }

    var failure: StorageError? { cycle.failure }

    /// Whether a batch is taken and not answered.
    var isBusy: Bool {
        switch step {
        case .asleep, .take: !queue.isEmpty
        case .perform, .end, .answer: true
        }
    }

    func submit(_ writes: StoreWrites, ticket: UInt64, sink: any CommitSink) -> Bool {
        guard queue.offer(queue.request(writes, ticket: ticket, sink: sink)) else { return false }
        // It waits in the queue: nothing of it is done yet.
        if !writes.hintDeletes.isEmpty { life.network.hintsWillGo?(life, writes.hintDeletes) }
        for range in writes.droppedRanges { life.network.rangeWillGo?(life, range) }
        if case .asleep = step { plan(.take, after: life.cost(life.settings.wakeLatency)) }
        return true
    }

    /// Takes the next steps right now, as a thread of its own may at any moment: called in the
    /// middle of what another actor does.
    func interleave() {
        guard life.pausedUntil <= life.kernel.now,
            life.random.chance(life.settings.interleaving)
        else { return }
        let actor = life.kernel.currentActor
        life.kernel.currentActor = nil
        defer { life.kernel.currentActor = actor }
        for _ in 0...life.random.below(4) {
            if case .asleep = step { return }
            if let event { life.kernel.cancel(event) }
            event = nil
            advance()
        }
    }

    private var now: Duration {
        .nanoseconds(life.clock.monotonic(at: life.kernel.now))
    }

    private func plan(_ next: Step, after span: Nanoseconds) {
        step = next
        if let event { life.kernel.cancel(event) }
        event = life.kernel.schedule(
            at: life.time(after: span),
            node: life.node,
            kind: .writer
        ) { [unowned self] in
            event = nil
            if life.pausedUntil > life.kernel.now {
                plan(step, after: 0)
            } else {
                advance()
            }
        }
    }

    private func advance() {
        switch step {
        case .asleep, .take:
            cycle.take(queue.takeGroup(bytesMax: life.settings.groupBytesMax))
            beginNext()
        case .perform:
            cycle.perform(now: now)
            plan(.end, after: life.cost(life.settings.wakeLatency))
        case .end:
            cycle.end()
            tellFailure()
            plan(.answer, after: life.cost(life.settings.wakeLatency))
        case .answer:
            for answer in cycle.takeAnswers() { answer.deliver() }
            beginNext()
        }
    }

    /// The program looks for a store that failed now and then, and ends.
    private func tellFailure() {
        guard cycle.failure != nil, !hasToldFailure else { return }
        hasToldFailure = true
        life.network.storeFailed?(life)
    }

    private func beginNext() {
        if cycle.begin(now: now) {
            let cost =
                life.cost(life.settings.writeCost, onDisk: true)
                + life.cost(life.settings.syncCost)
            plan(.perform, after: cost)
            return
        }
        if !queue.isEmpty {
            plan(.take, after: 0)
            return
        }
        step = .asleep
        guard let deadline = cycle.deadline else { return }
        let wait = max(0, life.clock.trueSpan(of: Nanoseconds(deadline - now)))
        plan(deadline == .zero ? .take : .asleep, after: max(1000, wait))
    }
}
