internal import CRocksDB
package import Storage

/// What damage asks for: compactions that wait, and work on a store that is closed.
///
/// A compaction that meets damage stops all writes of the database, at every start until the damage
/// is gone. So a store is opened without compactions, which begin once nothing is known against it.
extension RocksStore {
    /// Lets RocksDB compact the node's own values and hints by itself.
    package func compactValues() throws(StorageError) {
        try setCompacts(true, database.local)
        try setCompacts(true, database.hints)
    }

    /// Lets RocksDB compact rows by itself, or not any more; writes to the disk.
    package func compactRows(_ isAllowed: Bool) throws(StorageError) {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        try setCompacts(isAllowed, database.rows)
    }

    private func setCompacts(
        _ isAllowed: Bool,
        _ family: OpaquePointer
    ) throws(StorageError) {
        let value = isAllowed ? "false" : "true"
        try database.call("change when it compacts") { message in
            "disable_auto_compactions".withCString { name in
                value.withCString { value in
                    var names: [UnsafePointer<CChar>?] = [name]
                    var values: [UnsafePointer<CChar>?] = [value]
                    rocksdb_set_options_cf(database.handle, family, 1, &names, &values, message)
                }
            }
        }
    }

    // MARK: - While it is closed

    /// Drops all hints of a store that is closed; when it is opened next it has none.
    ///
    /// For a store whose hints are damaged. Their files go unread, which no removal key by key could
    /// do; rows and the node's own values stay.
    ///
    /// - Parameters:
    ///   - options: where the store is.
    ///   - first: what is to be written, and to last, before they go.
    ///   - merging: how pieces of a row become one.
    ///   - environment: the disk; tests pass a simulated one.
    /// - Throws: ``StorageError/locked(_:)`` if the store is open, or what the disk says.
    package static func dropHints(
        options: RocksOptions,
        first: StoreWrites,
        merging: RowMerging = .rows,
        environment: StoreEnvironment = .realDisk
    ) throws(StorageError) {
        let backend = try openQuietly(options, merging, environment)
        defer { backend.close() }
        try backend.write([first], synced: true)
        let database = backend.database
        try database.call("drop the hints") {
            rocksdb_drop_column_family(database.handle, database.hints, $0)
        }
    }

    /// Writes to a store that is closed, and that failed because of what it could not read.
    ///
    /// - Parameters:
    ///   - options: where the store is.
    ///   - merging: how pieces of a row become one.
    ///   - environment: the disk; tests pass a simulated one.
    ///   - writes: given the store's files, says what is written; nil: nothing.
    /// - Throws: ``StorageError/locked(_:)`` if the store is open, or what the disk says.
    package static func amend(
        options: RocksOptions,
        merging: RowMerging = .rows,
        environment: StoreEnvironment = .realDisk,
        _ writes: (any StoreReading) -> StoreWrites?
    ) throws(StorageError) {
        let backend = try openQuietly(options, merging, environment)
        defer { backend.close() }
        if let writes = writes(backend) { try backend.write([writes], synced: true) }
    }

    /// Takes out of a store that is closed the table files that cannot be read and hold nothing but
    /// rows of a range, on whatever level they lie.
    ///
    /// What they hid in older files comes back: the range must be dropped behind this.
    ///
    /// - Parameters:
    ///   - range: the rows that are to be dropped.
    ///   - options: where the store is.
    ///   - merging: how pieces of a row become one.
    ///   - environment: the disk; tests pass a simulated one.
    /// - Returns: how many files were taken out.
    /// - Throws: ``StorageError/locked(_:)`` if the store is open, or what the disk says.
    package static func removeUnreadableFiles(
        inside range: KeyRange,
        options: RocksOptions,
        merging: RowMerging = .rows,
        environment: StoreEnvironment = .realDisk
    ) throws(StorageError) -> Int {
        var count = 0
        while let file = try unreadableFile(inside: range, options, merging, environment) {
            try StoreOpener.remove(file: file.number, options, environment)
            count += 1
        }
        return count
    }

    /// A file that stands in the way of reading a range, if it holds nothing else.
    private static func unreadableFile(
        inside range: KeyRange,
        _ options: RocksOptions,
        _ merging: RowMerging,
        _ environment: StoreEnvironment
    ) throws(StorageError) -> LiveFile? {
        let backend = try openQuietly(options, merging, environment)
        defer { backend.close() }
        let database = backend.database
        let files = LiveFile.all(in: database)
        // From the beginning of each file anew: one may hide the next.
        for start in [range.lower] + files.map(\.keys.lowerBound.bytes).filter(range.contains) {
            let scan = RowScan(
                database: database,
                family: database.rows,
                from: start,
                to: range.upper
            )
            while scan.key != nil { scan.advance() }
            do throws(StorageError) {
                try scan.check()
                if start == range.lower { return nil }
            } catch {
                guard let text = error.asDamage.flatMap(\.fault)?.message else { throw error }
                let found = files.first { text.contains($0.name) }
                if let found, found.isInside(range) { return found }
            }
        }
        return nil
    }

    private static func openQuietly(
        _ options: RocksOptions,
        _ merging: RowMerging,
        _ environment: StoreEnvironment
    ) throws(StorageError) -> RocksBackend {
        var options = options
        options.compactsByItself = false
        return try RocksBackend(options: options, merging: merging, environment: environment)
    }
}
