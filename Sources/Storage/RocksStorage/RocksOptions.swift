package import Storage

/// How one store uses its disk and its memory; checked once, when the store is opened.
package struct RocksOptions: Equatable, Sendable {
    /// When a write counts as written.
    package enum SyncMode: Equatable, Sendable {
        /// A write is synced to the disk before its acknowledgement, unless its batch asks for less
        /// (``StoreWrites/durability``).
        case beforeAcknowledgement
        /// Writes are acknowledged unsynced and synced each period (1 ms to 60 s): a crash of the
        /// machine may lose the last period; a crash of the process alone loses nothing.
        case periodic(Duration)
    }

    /// How blocks of rows are compressed.
    package enum Compression: Equatable, Sendable {
        case none
        case snappy
    }

    /// The folder of the store; made if missing, used by one process at a time.
    package var path: String
    /// Bytes of decompressed blocks kept in memory, those of indexes and filters among them: 1 MiB to
    /// 1 TiB.
    package var blockCacheBytes = 256 << 20
    /// Bytes of RocksDB's row cache: 0 (none) or 64 KiB to 1 TiB.
    package var rowCacheBytes = 128 << 20
    /// Bytes of all memtables together before they are flushed: 64 KiB to 64 GiB.
    package var memtableBytes = 128 << 20
    /// Bytes of write-ahead log after which old memtables are flushed: 64 KiB to 1 TiB.
    package var totalWALBytesMax = 512 << 20
    /// The compression of row blocks.
    package var compression = Compression.snappy
    /// When a write counts as written.
    package var syncMode = SyncMode.beforeAcknowledgement
    /// How long batches that ask for no sync stay unsynced in the mode `beforeAcknowledgement`: 1 ms
    /// to 60 s.
    package var syncPeriod = Duration.milliseconds(200)
    /// Bytes that may wait for the writer before submitters are refused: 1 KiB to 4 GiB.
    ///
    /// Also the size limit of one batch.
    package var writerQueueBytesMax = 64 << 20
    /// Batches that may wait for the writer before submitters are refused: 1 to 1,000,000.
    package var writerQueueBatchesMax = 16_384
    /// Bytes of one commit, so that nobody waits behind an endless one: 1 KiB to 1 GiB.
    ///
    /// A single larger batch is a commit of its own.
    package var commitGroupBytesMax = 1 << 20
    /// Table files held open: 64 to 1,000,000, or -1 for all.
    package var maxOpenFiles = 1_024
    /// Threads that flush and compact, compactions at low CPU priority: 2 to 64.
    package var backgroundJobs = 2
    /// Whether RocksDB compacts when it finds that it should; false only where runs must be alike.
    package var compactsByItself = true
    /// Bits of bloom filter per row: 0 (none) to 30.
    package var bloomBitsPerKey = 10

    /// The default options for the folder `path`.
    package init(path: String) {
        self.path = path
    }

    /// Everything that is out of bounds, one sentence each; empty if all is well.
    package var problems: [String] {
        var found: [String] = []
        func check(_ name: String, _ value: Int, _ bounds: ClosedRange<Int>, or other: Int? = nil) {
            guard value != other, !bounds.contains(value) else { return }
            let alternative = other.map { "\($0) or " } ?? ""
            found.append(
                "\(name) is \(value); it must be \(alternative)"
                    + "\(bounds.lowerBound) to \(bounds.upperBound)"
            )
        }
        if path.isEmpty || path.utf8.contains(0) {
            found.append("path is empty or contains a NUL byte; name a folder")
        }
        check("blockCacheBytes", blockCacheBytes, 1 << 20...1 << 40)
        check("rowCacheBytes", rowCacheBytes, 64 << 10...1 << 40, or: 0)
        check("memtableBytes", memtableBytes, 64 << 10...64 << 30)
        check("totalWALBytesMax", totalWALBytesMax, 64 << 10...1 << 40)
        check("writerQueueBytesMax", writerQueueBytesMax, 1 << 10...4 << 30)
        check("writerQueueBatchesMax", writerQueueBatchesMax, 1...1_000_000)
        check("commitGroupBytesMax", commitGroupBytesMax, 1 << 10...1 << 30)
        check("maxOpenFiles", maxOpenFiles, 64...1_000_000, or: -1)
        check("backgroundJobs", backgroundJobs, 2...64)
        check("bloomBitsPerKey", bloomBitsPerKey, 0...30)
        let periods = Duration.milliseconds(1)...Duration.seconds(60)
        if case .periodic(let period) = syncMode, !periods.contains(period) {
            found.append("syncMode is periodic with \(period); the period must be 1 ms to 60 s")
        }
        if !periods.contains(syncPeriod) {
            found.append("syncPeriod is \(syncPeriod); it must be 1 ms to 60 s")
        }
        return found
    }

    /// How the writer works under these options.
    package var commitSettings: CommitCycle.Settings {
        let (syncsAsPromised, period) =
            switch syncMode {
            case .beforeAcknowledgement: (true, syncPeriod)
            case .periodic(let period): (false, period)
            }
        return CommitCycle.Settings(
            groupBytesMax: commitGroupBytesMax,
            syncsAsPromised: syncsAsPromised,
            syncPeriod: period
        )
    }

    /// The bounds of the writer's queue.
    package var queueBounds: CommitQueue.Bounds {
        CommitQueue.Bounds(bytesMax: writerQueueBytesMax, batchesMax: writerQueueBatchesMax)
    }

    /// Refuses options that are out of bounds, all problems in one error.
    ///
    /// - Throws: ``StorageError/invalid(_:)``.
    package func validate() throws(StorageError) {
        let problems = problems
        guard problems.isEmpty else {
            throw .invalid(
                StorageError.Fault(
                    operation: "accept the storage options",
                    path: path,
                    message: problems.joined(separator: "; ")
                )
            )
        }
    }
}
