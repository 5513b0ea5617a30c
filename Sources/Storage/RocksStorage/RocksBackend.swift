internal import CRocksDB
internal import Foundation
package import Storage

/// RocksDB without a thread of ours: what reads and the writer call.
///
/// ``RocksStore`` puts its writer thread before it; the simulator drives it with a ``CommitCycle``
/// of its own.
///
/// `@unchecked Sendable`: `database` is thread-safe by itself; `batch` is touched by the writer
/// only, one call at a time; `close` comes after all other calls, which is its caller's duty.
package final class RocksBackend: StoreBackend, @unchecked Sendable {
    let database: RocksDatabase
    /// What was wrong with the write-ahead log when the store was opened.
    ///
    /// Some of what it held is lost. nil: nothing is, but for an end that a loss of power tore.
    package let logDamage: String?
    /// What lay in table files that had to be taken out for the store to open.
    ///
    /// With them went what they hid in older files: nothing of their ranges is to be read any more.
    package let lostFiles: [LostFile]
    private let environment: StoreEnvironment
    private let batch: OpaquePointer
    private var isClosed = false

    /// Opens the database in `options.path`, and makes it if there is none.
    ///
    /// - Parameters:
    ///   - options: where and how; validated here.
    ///   - merging: how pieces of a row become one.
    ///   - environment: the disk; tests pass a simulated one.
    /// - Throws: ``StorageError/invalid(_:)`` for options out of bounds,
    ///   ``StorageError/locked(_:)`` if the folder is in use, or what the disk says.
    package init(
        options: RocksOptions,
        merging: RowMerging = .rows,
        environment: StoreEnvironment = .realDisk
    ) throws(StorageError) {
        try options.validate()
        if environment.environment == nil { try Self.makeFolder(options.path) }
        self.environment = environment
        var opener = StoreOpener(options: options, merging: merging, environment: environment)
        database = try opener.open()
        logDamage = opener.logDamage
        lostFiles = opener.lostFiles
        batch = rocksdb_writebatch_create()
    }

    /// What damage to the log means is written down: the next start need not hear of it.
    package func forgetLogDamage() throws(StorageError) { try forget(StoreMarker.logDamage) }

    /// What lost files mean is written down: the next start need not hear of it.
    package func forgetLostFiles() throws(StorageError) { try forget(StoreMarker.lostFiles) }

    private func forget(_ marker: String) throws(StorageError) {
        try environment.markers(database.path)?.remove(marker)
    }

    deinit {
        close()
        rocksdb_writebatch_destroy(batch)
    }

    /// Closes the database; nothing may be called afterwards but this, which is then harmless.
    ///
    /// What was written unsynced is not synced.
    package func close() {
        guard !isClosed else { return }
        isClosed = true
        database.close()
    }

    // MARK: - Writes

    /// Writes batches as one atomic group.
    package func write(_ batches: [StoreWrites], synced: Bool) throws(StorageError) {
        rocksdb_writebatch_clear(batch)
        for writes in batches { append(writes) }
        try commit("commit writes", synced: synced)
    }

    /// Makes all earlier writes survive a loss of power.
    package func sync() throws(StorageError) {
        try database.call("sync the log") { rocksdb_flush_wal(database.handle, 1, $0) }
    }

    /// Puts rows in the place of what their keys hold, as one atomic group.
    package func replace(
        _ rows: [(key: [UInt8], row: [UInt8]?)],
        synced: Bool
    ) throws(StorageError) {
        rocksdb_writebatch_clear(batch)
        for (key, row) in rows {
            if let row {
                put(key, row, in: database.rows)
            } else {
                delete(key, in: database.rows)
            }
        }
        try commit("replace rows", synced: synced)
    }

    /// Removes the rows of a range, a bounded piece of it, unsynced.
    package func deleteRows(
        in range: KeyRange,
        from position: [UInt8]?,
        bytesMax: Int
    ) throws(StorageError) -> [UInt8]? {
        rocksdb_writebatch_clear(batch)
        var bytes = 0
        var next: [UInt8]?
        let scan = RowScan(
            database: database,
            family: database.rows,
            from: position ?? range.lower,
            to: range.upper
        )
        while let key = scan.key {
            guard bytes < bytesMax else {
                next = Array(key)
                break
            }
            bytes += key.count + 16
            rocksdb_writebatch_delete_cf(
                batch,
                database.rows,
                key.baseAddress?.assumingMemoryBound(to: CChar.self),
                key.count
            )
            scan.advance()
        }
        do throws(StorageError) {
            try scan.check()
        } catch {
            guard let damage = error.asDamage else { throw error }
            guard try removeFiles(inside: range) else { throw damage }
            return range.lower
        }
        try commit("delete rows", synced: false)
        return next
    }

    private func append(_ writes: StoreWrites) {
        for (key, operand) in writes.merges {
            Self.withBytes(key, operand) {
                rocksdb_writebatch_merge_cf(batch, database.rows, $0, $1, $2, $3)
            }
        }
        for (key, value) in writes.localPuts { put(key, value, in: database.local) }
        for key in writes.localDeletes { delete(key, in: database.local) }
        for (key, value) in writes.hintPuts { put(key, value, in: database.hints) }
        for key in writes.hintDeletes { delete(key, in: database.hints) }
    }

    private func put(_ key: [UInt8], _ value: [UInt8], in family: OpaquePointer) {
        Self.withBytes(key, value) { rocksdb_writebatch_put_cf(batch, family, $0, $1, $2, $3) }
    }

    private func delete(_ key: [UInt8], in family: OpaquePointer) {
        Self.withBytes(key, []) { pointer, count, _, _ in
            rocksdb_writebatch_delete_cf(batch, family, pointer, count)
        }
    }

    private func commit(_ operation: String, synced: Bool) throws(StorageError) {
        guard rocksdb_writebatch_count(batch) > 0 else { return }
        let options = synced ? database.writeSynced : database.writeUnsynced
        try database.call(operation) { rocksdb_write(database.handle, options, batch, $0) }
    }

    private static func withBytes(
        _ key: [UInt8],
        _ value: [UInt8],
        _ body: (UnsafePointer<CChar>?, Int, UnsafePointer<CChar>?, Int) -> Void
    ) {
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                body(
                    key.baseAddress?.assumingMemoryBound(to: CChar.self),
                    key.count,
                    value.baseAddress?.assumingMemoryBound(to: CChar.self),
                    value.count
                )
            }
        }
    }

    private static func makeFolder(_ path: String) throws(StorageError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true
            )
        } catch {
            throw .ioFailure(
                StorageError.Fault(
                    operation: "make the store's folder",
                    path: path,
                    message: error.localizedDescription
                )
            )
        }
    }
}
