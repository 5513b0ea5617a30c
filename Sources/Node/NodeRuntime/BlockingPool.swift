internal import NIOConcurrencyHelpers
internal import NIOPosix

/// A few threads for calls that may wait for the disk, behind a bounded queue.
final class BlockingPool: Sendable {
    private let pool: NIOThreadPool
    private let waitingMax: Int
    private let waiting = NIOLockedValueBox(0)

    /// Starts the threads.
    init(threadCount: Int, waitingMax: Int) {
        pool = NIOThreadPool(numberOfThreads: threadCount)
        self.waitingMax = waitingMax
        pool.start()
    }

    /// Hands a call to the next free thread; false if too many wait already.
    func submit(_ body: @escaping @Sendable () -> Void) -> Bool {
        let isTaken = waiting.withLockedValue { count in
            guard count < waitingMax else { return false }
            count += 1
            return true
        }
        guard isTaken else { return false }
        pool.submit { [waiting] state in
            waiting.withLockedValue { $0 -= 1 }
            // Also when the pool stops: who waits for an answer gets one.
            body()
        }
        return true
    }

    /// Ends the threads.
    func shutDown() async throws { try await pool.shutdownGracefully() }
}
