/// A batch on its way to the writer, and who hears of it.
package struct CommitRequest: Sendable {
    /// The batch.
    package let writes: StoreWrites
    /// The number that the submitter gave.
    package let ticket: UInt64
    /// Who hears the outcome.
    package let sink: any CommitSink
    /// Set where the batch is not acceptable: it waits its turn only to hear so.
    package let refusal: StorageError?

    /// What it counts in the queue.
    package var bytes: Int { refusal == nil ? writes.bytes : 0 }

    init(
        writes: StoreWrites,
        ticket: UInt64,
        sink: any CommitSink,
        refusal: StorageError?
    ) {
        self.writes = writes
        self.ticket = ticket
        self.sink = sink
        self.refusal = refusal
    }
}

/// The bounded queue of batches before the writer; a lock around it is its owner's affair.
package struct CommitQueue: Sendable {
    /// The bounds of a queue.
    package struct Bounds: Hashable, Sendable {
        /// Bytes that may wait, and the size limit of one batch.
        package var bytesMax: Int
        /// Batches that may wait.
        package var batchesMax: Int

        /// Bounds with both parts.
        package init(bytesMax: Int, batchesMax: Int) {
            self.bytesMax = bytesMax
            self.batchesMax = batchesMax
        }
    }

    private let path: String
    private let bounds: Bounds
    private var requests: [CommitRequest] = []
    /// Bytes that wait.
    package private(set) var bytes = 0

    /// An empty queue; `path` names the store in errors.
    package init(path: String, bounds: Bounds) {
        self.path = path
        self.bounds = bounds
    }

    /// Batches that wait.
    package var count: Int { requests.count }

    /// Whether nothing waits.
    package var isEmpty: Bool { requests.isEmpty }

    /// The request for a batch, which says so if the batch can never be written.
    package func request(
        _ writes: StoreWrites,
        ticket: UInt64,
        sink: any CommitSink
    ) -> CommitRequest {
        let refusal = writes.problem(bytesMax: bounds.bytesMax).map { problem in
            StorageError.invalid(
                StorageError.Fault(operation: "accept writes", path: path, message: problem)
            )
        }
        return CommitRequest(writes: writes, ticket: ticket, sink: sink, refusal: refusal)
    }

    /// Adds a request; false if there is no room for it.
    package mutating func offer(_ request: CommitRequest) -> Bool {
        guard requests.count < bounds.batchesMax, bytes + request.bytes <= bounds.bytesMax else {
            return false
        }
        bytes += request.bytes
        requests.append(request)
        return true
    }

    /// Takes what waits, up to `bytesMax`, but at least one request if there is any.
    package mutating func takeGroup(bytesMax: Int) -> [CommitRequest] {
        guard bytes > bytesMax else {
            defer {
                requests = []
                bytes = 0
            }
            return requests
        }
        var count = 0
        var groupBytes = 0
        while count < requests.count,
            count == 0 || groupBytes + requests[count].bytes <= bytesMax
        {
            groupBytes += requests[count].bytes
            count += 1
        }
        let group = Array(requests[..<count])
        requests.removeFirst(count)
        bytes -= groupBytes
        return group
    }

    /// Takes everything, as a crash does.
    package mutating func removeAll() -> [CommitRequest] {
        takeGroup(bytesMax: .max)
    }
}
