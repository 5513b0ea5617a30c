/// The bounded queue between those who submit batches and the one writer.
///
/// `@unchecked Sendable`: all state is touched inside the monitor's lock only.
final class WriteQueue: @unchecked Sendable {
    /// One batch that waits.
    struct Entry {
        let writes: StoreWrites
        let ticket: UInt64
        let sink: any CommitSink
        /// Set where the batch is not acceptable: it waits its turn only to hear so.
        let refusal: StorageError?

        var bytes: Int { refusal == nil ? writes.bytes : 0 }
    }

    /// What became of an entry that was offered.
    enum Offer {
        case accepted
        case full
        case closed
    }

    /// What the writer is to do next.
    enum Turn {
        /// Commit these as one group; none if the deadline passed first.
        case group([Entry])
        /// Nothing waits and nothing will come.
        case finished
    }

    private let monitor = Monitor()
    private let bytesMax: Int
    private let batchesMax: Int
    private var entries: [Entry] = []
    private var bytes = 0
    private var isClosed = false
    private var writerWaits = false
    private var submittersWaiting = 0

    init(bytesMax: Int, batchesMax: Int) {
        self.bytesMax = bytesMax
        self.batchesMax = batchesMax
    }

    /// Adds an entry if there is room, or once there is.
    func offer(_ entry: Entry, waitForRoom: Bool) -> Offer {
        monitor.withLock {
            while !isClosed, !hasRoom(for: entry) {
                guard waitForRoom else { return .full }
                submittersWaiting += 1
                monitor.wait()
                submittersWaiting -= 1
            }
            if isClosed { return .closed }
            bytes += entry.bytes
            entries.append(entry)
            if writerWaits { monitor.broadcast() }
            return .accepted
        }
    }

    /// Waits for the next group: what waits, up to `groupBytesMax`, at least one entry; after
    /// `deadline` (on the monitor's clock, nil for never) an empty one.
    func take(groupBytesMax: Int, deadline: Duration?) -> Turn {
        monitor.withLock {
            while entries.isEmpty {
                if isClosed { return .finished }
                writerWaits = true
                defer { writerWaits = false }
                if let deadline {
                    guard Monitor.now < deadline, monitor.wait(until: deadline) else {
                        return entries.isEmpty ? .group([]) : .group(takeGroup(groupBytesMax))
                    }
                } else {
                    monitor.wait()
                }
            }
            return .group(takeGroup(groupBytesMax))
        }
    }

    /// Refuses every later entry; the writer still gets those that wait.
    func close() {
        monitor.withLock {
            isClosed = true
            monitor.broadcast()
        }
    }

    /// Bytes and batches that wait now.
    var waiting: (bytes: Int, batches: Int) {
        monitor.withLock { (bytes, entries.count) }
    }

    private func hasRoom(for entry: Entry) -> Bool {
        entries.count < batchesMax && bytes + entry.bytes <= bytesMax
    }

    private func takeGroup(_ groupBytesMax: Int) -> [Entry] {
        var group: [Entry]
        if bytes <= groupBytesMax {
            group = entries
            entries = []
            bytes = 0
        } else {
            var count = 0
            var groupBytes = 0
            while count < entries.count,
                count == 0 || groupBytes + entries[count].bytes <= groupBytesMax
            {
                groupBytes += entries[count].bytes
                count += 1
            }
            group = Array(entries[..<count])
            entries.removeFirst(count)
            bytes -= groupBytes
        }
        if submittersWaiting > 0 { monitor.broadcast() }
        return group
    }
}
