internal import HistoryChecking

/// Threads of a simulated node that may wait for the disk; the steps of a call are events.
final class SimulatedPool {
    /// A step, which says what comes next.
    struct Step {
        let run: () -> Step?

        init(_ run: @escaping () -> Step?) { self.run = run }
    }

    private unowned let life: NodeLife
    private let threads: Int
    private var busy = 0
    private var waiting = FIFO<Step>()

    init(_ life: NodeLife, threads: Int) {
        self.life = life
        self.threads = threads
    }

    /// Takes a call; false if too many wait already.
    func submit(_ step: Step) -> Bool {
        if busy < threads {
            busy += 1
            plan(step, after: life.cost(life.settings.wakeLatency))
            return true
        }
        guard waiting.count < life.settings.poolWaitingMax else { return false }
        waiting.append(step)
        return true
    }

    private func plan(_ step: Step, after span: Nanoseconds) {
        life.kernel.schedule(
            at: life.time(after: span),
            node: life.node,
            kind: .pool
        ) { [unowned self] in
            if life.pausedUntil > life.kernel.now {
                plan(step, after: 0)
            } else if let next = step.run() {
                plan(next, after: life.cost(life.settings.readCost, onDisk: true))
            } else if let next = waiting.popFirst() {
                plan(next, after: 0)
            } else {
                busy -= 1
            }
        }
    }
}
