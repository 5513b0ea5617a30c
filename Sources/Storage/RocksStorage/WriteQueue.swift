internal import Storage

/// The queue between those who submit batches and the writer thread: a ``CommitQueue`` that waits.
///
/// `@unchecked Sendable`: all state is touched inside the monitor's lock only.
final class WriteQueue: @unchecked Sendable {
    /// What became of a batch that was offered.
    enum Offer {
        case accepted
        case full
        case closed
    }

    /// What the writer is to do next.
    enum Turn {
        /// Commit these as one group; none if the deadline passed first.
        case group([CommitRequest])
        /// Nothing waits and nothing will come.
        case finished
    }

    private let monitor = Monitor()
    private var queue: CommitQueue
    private var isClosed = false
    private var writerWaits = false
    private var submittersWaiting = 0

    init(path: String, bounds: CommitQueue.Bounds) {
        queue = CommitQueue(path: path, bounds: bounds)
    }

    /// Adds a batch if there is room, or once there is.
    func offer(
        _ writes: StoreWrites,
        ticket: UInt64,
        sink: any CommitSink,
        waitForRoom: Bool
    ) -> Offer {
        monitor.withLock {
            let request = queue.request(writes, ticket: ticket, sink: sink)
            while true {
                if isClosed { return .closed }
                if queue.offer(request) { break }
                guard waitForRoom else { return .full }
                submittersWaiting += 1
                monitor.wait()
                submittersWaiting -= 1
            }
            if writerWaits { monitor.broadcast() }
            return .accepted
        }
    }

    /// Waits for the next group: what waits, up to `groupBytesMax`, at least one batch; after
    /// `deadline` (on the monitor's clock, nil for never) an empty one.
    func take(groupBytesMax: Int, deadline: Duration?) -> Turn {
        monitor.withLock {
            while queue.isEmpty {
                if isClosed { return .finished }
                writerWaits = true
                defer { writerWaits = false }
                if let deadline {
                    guard Monitor.now < deadline, monitor.wait(until: deadline) else { break }
                } else {
                    monitor.wait()
                }
            }
            let group = queue.takeGroup(bytesMax: groupBytesMax)
            if submittersWaiting > 0 { monitor.broadcast() }
            return .group(group)
        }
    }

    /// Refuses every later batch; the writer still gets those that wait.
    func close() {
        monitor.withLock {
            isClosed = true
            monitor.broadcast()
        }
    }

    /// Bytes and batches that wait now.
    var waiting: (bytes: Int, batches: Int) {
        monitor.withLock { (queue.bytes, queue.count) }
    }
}
