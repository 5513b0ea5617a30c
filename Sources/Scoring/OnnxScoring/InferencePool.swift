import Foundation

/// A few threads of their own for inference, behind a bounded queue.
///
/// A run blocks its thread for as long as it takes, which neither an event loop nor Swift's
/// cooperative pool can bear. `@unchecked Sendable`: all state is guarded by `condition`.
package final class InferencePool: @unchecked Sendable {
    /// One piece of work; it must not block on other jobs of the pool.
    package typealias Job = @Sendable () -> Void

    /// The threads.
    package let threadCount: Int
    /// The most jobs that wait while all threads are busy.
    package let queueMax: Int

    private let condition = MonotonicCondition()
    /// A ring: `count` jobs from `head` on.
    private var queue: [Job?]
    private var head = 0
    private var count = 0
    private var isStopping = false
    private var threadsAlive: Int

    /// Starts the threads.
    package init(threadCount: Int, queueMax: Int) {
        precondition(threadCount > 0 && queueMax > 0, "\(threadCount) threads, \(queueMax) places")
        self.threadCount = threadCount
        self.queueMax = queueMax
        queue = Array(repeating: nil, count: queueMax)
        threadsAlive = threadCount
        for number in 1...threadCount {
            let thread = Thread { [self] in work() }
            thread.name = "martlet-infer-\(number)"
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    /// Hands a job to the next free thread; false if the queue is full or the pool has stopped, and
    /// then the job will never run.
    package func submit(_ job: @escaping Job) -> Bool {
        condition.withLock {
            guard !isStopping, count < queueMax else { return false }
            queue[(head + count) % queueMax] = job
            count += 1
            condition.signal()
            return true
        }
    }

    /// The jobs that wait.
    package var waitingCount: Int { condition.withLock { count } }

    /// Takes no more jobs, lets those in the queue run, and returns when all threads have ended.
    ///
    /// A pool must be shut down; never call it from one of its jobs.
    package func shutDown() {
        condition.withLock {
            isStopping = true
            condition.broadcast()
            while threadsAlive > 0 { condition.wait() }
        }
    }

    private func work() {
        while let job = next() { job() }
        condition.withLock {
            threadsAlive -= 1
            condition.broadcast()
        }
    }

    private func next() -> Job? {
        condition.withLock {
            while count == 0 {
                if isStopping { return nil }
                condition.wait()
            }
            let job = queue[head]
            queue[head] = nil
            head = (head + 1) % queueMax
            count -= 1
            return job
        }
    }
}
