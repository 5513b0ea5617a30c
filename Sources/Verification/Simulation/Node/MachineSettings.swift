package import HistoryChecking
package import Replication
package import Storage

/// How the simulated machines of a run are built: threads, queues, what work costs.
package struct MachineSettings: Sendable {
    /// Event loops of a node.
    package var loopCount = 2
    /// Threads for reads that wait for the disk.
    package var readThreads = 2
    /// Threads for hints, repair and sweeping.
    package var backgroundThreads = 1
    /// Calls that may wait for one of the pools.
    package var poolWaitingMax = 1024
    /// Bytes of the row cache: none, or more than the rows of a run, since what it evicts depends on
    /// how the allocator rounds.
    package var cacheBytes = 1 << 20
    /// The probability per tick and node that the cache is emptied.
    package var cacheDropChance = 0.0
    /// The bounds of the writer's queue.
    package var writerQueue = CommitQueue.Bounds(bytesMax: 4 << 20, batchesMax: 4096)
    /// Bytes of a group of the writer.
    package var groupBytesMax = 256 << 10
    /// How long batches that ask for no sync stay unsynced.
    package var syncPeriod = Duration.milliseconds(200)
    /// Whether batches are synced as they say.
    package var syncsAsPromised = true
    /// Every how many reads memory does not have the row; 0: it has all.
    package var diskReadEvery = 3
    /// Requests of one loop to one peer and class that may wait for their answers.
    package var pendingRequestsMax = 16_384
    /// What a task of a loop costs.
    package var taskCost: ClosedRange<Nanoseconds> = 500...5000
    /// How late a loop or a thread wakes up.
    package var wakeLatency: ClosedRange<Nanoseconds> = 0...20_000
    /// What a write of a group costs before its sync.
    package var writeCost: ClosedRange<Nanoseconds> = 10_000...200_000
    /// What a sync costs.
    package var syncCost: ClosedRange<Nanoseconds> = 100_000...5_000_000
    /// What a read of the disk costs.
    package var readCost: ClosedRange<Nanoseconds> = 20_000...2_000_000
    /// The probability that the writer gets to run in the middle of a read on a loop.
    package var interleaving = 0.2
    /// When the writer answers.
    package var acknowledgement = CommitCycle.Acknowledgement.afterSync
    /// Whether nodes draw random numbers that no seed decides.
    package var drawsFreely = false
    /// What the cache does wrong.
    package var cacheFault = RowCache.Fault.none

    /// Machines as they come.
    package init() {}
}
