internal import CRocksDB
package import Storage

/// Numbers of one store at one moment, for metrics and `martlet status`.
package struct StoreStatistics: Equatable, Sendable {
    /// Estimated number of rows.
    package var rowsEstimate: UInt64
    /// Bytes of the current table files of the rows.
    package var tableFileBytes: UInt64
    /// Estimated bytes of rows that are neither overwritten nor deleted.
    package var liveBytesEstimate: UInt64
    /// Bytes of all memtables.
    package var memtableBytes: UInt64
    /// Estimated number of hints.
    package var hintsEstimate: UInt64
    /// Bytes of the hints' memtables and table files.
    package var hintBytes: UInt64
    /// Estimated bytes that compactions have yet to rewrite.
    package var pendingCompactionBytes: UInt64
    /// Bytes in the block cache.
    package var blockCacheBytes: Int
    /// Bytes in the row cache.
    package var rowCacheBytes: Int
    /// Errors of flushes and compactions since the store was opened.
    package var backgroundErrors: UInt64
    /// Whether RocksDB has stopped writes until compactions catch up.
    package var isWriteStopped: Bool
    /// Bytes that wait for the writer.
    package var writerQueueBytes: Int
    /// Batches that wait for the writer.
    package var writerQueueBatches: Int
}

extension RocksStore {
    /// The numbers of this moment.
    ///
    /// - Throws: ``StorageError/closed(path:)``.
    package func statistics() throws(StorageError) -> StoreStatistics {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        let waiting = writer.queue.waiting
        return StoreStatistics(
            rowsEstimate: number("rocksdb.estimate-num-keys"),
            tableFileBytes: number("rocksdb.total-sst-files-size"),
            liveBytesEstimate: number("rocksdb.estimate-live-data-size"),
            memtableBytes: number("rocksdb.cur-size-all-mem-tables")
                + number("rocksdb.cur-size-all-mem-tables", database.local)
                + number("rocksdb.cur-size-all-mem-tables", database.hints),
            hintsEstimate: number("rocksdb.estimate-num-keys", database.hints),
            hintBytes: number("rocksdb.total-sst-files-size", database.hints)
                + number("rocksdb.cur-size-all-mem-tables", database.hints),
            pendingCompactionBytes: number("rocksdb.estimate-pending-compaction-bytes"),
            blockCacheBytes: rocksdb_cache_get_usage(database.blockCache),
            rowCacheBytes: database.rowCache.map { rocksdb_cache_get_usage($0) } ?? 0,
            backgroundErrors: number("rocksdb.background-errors"),
            isWriteStopped: number("rocksdb.is-write-stopped") != 0,
            writerQueueBytes: waiting.bytes,
            writerQueueBatches: waiting.batches
        )
    }

    /// A property of RocksDB on the rows, such as `rocksdb.stats`; nil if it knows none such.
    ///
    /// - Throws: ``StorageError/closed(path:)``.
    package func property(_ name: String) throws(StorageError) -> String? {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        var text = rocksdb_property_value_cf(database.handle, database.rows, name)
        return RocksDatabase.takeText(&text)
    }

    /// The approximate bytes on disk of the rows from `start` up to, not including, `end`.
    ///
    /// - Throws: what RocksDB says.
    package func approximateBytes(
        from start: [UInt8],
        to end: [UInt8]
    ) throws(StorageError) -> UInt64 {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        var size: UInt64 = 0
        try database.call("estimate the size of rows") { message in
            start.withUnsafeBytes { start in
                end.withUnsafeBytes { end in
                    var starts = start.baseAddress?.assumingMemoryBound(to: CChar.self)
                    var ends = end.baseAddress?.assumingMemoryBound(to: CChar.self)
                    var startCount = start.count
                    var endCount = end.count
                    rocksdb_approximate_sizes_cf(
                        database.handle,
                        database.rows,
                        1,
                        &starts,
                        &startCount,
                        &ends,
                        &endCount,
                        &size,
                        message
                    )
                }
            }
        }
        return size
    }

    /// Writes the memtables to table files and waits for it.
    ///
    /// - Throws: what RocksDB says.
    package func flush() throws(StorageError) {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        try backend.flush()
    }

    /// Has the memtables written to table files, and does not wait until they are: a failure is one
    /// of the store, as a later write tells.
    ///
    /// It waits while so many files wait for compaction that a flush would slow writes down.
    ///
    /// - Throws: what RocksDB says, ``StorageError/closed(path:)``.
    package func beginFlush() throws(StorageError) {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        try backend.flush(waits: false)
    }

    /// Compacts all rows and waits for it; purges nothing but what RocksDB itself overwrote.
    ///
    /// - Throws: ``StorageError/closed(path:)``.
    package func compact() throws(StorageError) {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        backend.compact()
    }

    private func number(_ name: String, _ family: OpaquePointer? = nil) -> UInt64 {
        var value: UInt64 = 0
        let code = rocksdb_property_int_cf(
            database.handle,
            family ?? database.rows,
            name,
            &value
        )
        return code == 0 ? value : 0
    }
}
