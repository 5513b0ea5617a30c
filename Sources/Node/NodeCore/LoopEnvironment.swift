package import Catalog
package import PeerMessages
package import Storage
package import TokenPlacement

/// Where work of one event loop runs.
package protocol LoopExecutor: AnyObject, Sendable {
    /// Whether the caller is on the loop.
    var isCurrent: Bool { get }
    /// Runs `body` on the loop, after what waits there already; callable from everywhere.
    func execute(_ body: @escaping @Sendable () -> Void)
}

/// A call that was put off, until it runs.
package protocol ScheduledCall: AnyObject {
    /// Makes sure that the call does not run (any more).
    func cancel()
}

/// Which threads a piece of blocking work takes.
package enum PoolClass: UInt8, Hashable, Sendable {
    /// Requests of clients wait for it.
    case reads
    /// Hints, repair and sweeping: yields to requests.
    case background
}

/// How much a line of the log matters.
package enum LogSeverity: UInt8, Hashable, Sendable {
    case debug, info, notice, warning, error, critical
}

/// What one event loop of a node gives to the node's logic: time, peers, the store.
///
/// The program implements it with NIO and RocksDB, the simulator with virtual time; the logic above
/// is the same. All but what ``LoopExecutor`` promises is called on the loop, and completions are
/// called on it, once each.
package protocol LoopEnvironment: LoopExecutor {
    /// Time that only goes forward, from an arbitrary origin.
    var now: Duration { get }
    /// The wall clock in microseconds since 1970; it may jump.
    var wallMicros: Int64 { get }
    /// A random number.
    func random() -> UInt64
    /// Calls `body` on the loop after a time, unless cancelled.
    func schedule(after delay: Duration, _ body: @escaping () -> Void) -> any ScheduledCall
    /// Writes a line to the node's log.
    func log(_ severity: LogSeverity, _ text: @autoclosure () -> String)

    /// Sends a request; the answer, or why there is none, comes at the latest after `timeout` (nil:
    /// the transport's own, which is longer than any request lives).
    func request(
        _ message: PeerMessage,
        to node: NodeID,
        class trafficClass: TrafficClass,
        timeout: Duration?,
        completion: @escaping (Result<PeerAnswer, PeerFailure>) -> Void
    )
    /// Sends a one-way message; it may be lost.
    func send(_ message: PeerMessage, to node: NodeID, class trafficClass: TrafficClass)

    /// A new state of the cluster counts: who is reached where, and which epoch messages carry.
    func adopt(_ state: ClusterState)
    /// Closes the connections to a node that is held dead; what waits for it fails.
    func giveUp(on node: NodeID)

    /// Hands a batch to the writer; `completion` hears the outcome once it is as durable as its
    /// batch says. False: the queue is full, nothing was or will be done.
    func submit(
        _ writes: StoreWrites,
        completion: @escaping (StorageError?) -> Void
    ) -> Bool
    /// Reads a row from the cache or from what the store has in memory.
    func readFromMemory(_ key: RowKey) throws(StorageError) -> MemoryRead
    /// Reads rows on a thread that may wait for the disk, and puts them into the cache. False: too
    /// many reads wait already.
    func readRows(
        _ keys: [RowKey],
        completion: @escaping (Result<[[UInt8]?], StorageError>) -> Void
    ) -> Bool
    /// Runs blocking work on the store off the loop. False: too much waits already.
    func runOnPool<Value: Sendable>(
        _ pool: PoolClass,
        _ body: @escaping @Sendable (any StoreReading) throws(StorageError) -> Value,
        completion: @escaping (Result<Value, StorageError>) -> Void
    ) -> Bool
}
