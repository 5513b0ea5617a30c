internal import CRocksDB
package import Storage

/// Damaged table files: what they hold, and how they go.
///
/// Deleting rows one by one does not help there: they cannot be found, and the first compaction that
/// reads the file stops all writes of the database (seen). The file itself must go, and it can once
/// all that it holds is to be deleted: one of a lower level at any time, one of level 0 only while
/// there is nothing below it. Where it cannot, the drop fails, and
/// ``RocksStore/removeUnreadableFiles(inside:options:merging:environment:)`` takes the file out at the
/// next start.
extension RocksBackend {
    /// The rows that an error of corruption may concern; nil if it does not tell.
    package func damagedRange(_ error: StorageError) -> KeyRange? {
        guard let fault = error.asDamage?.fault else { return nil }
        return LiveFile.all(in: database).first { fault.message.contains($0.name) }?.range
    }

    /// The table files that hold rows of a range, by name, with the ranges of all their rows.
    package func files(overlapping range: KeyRange) -> [(name: String, range: KeyRange)] {
        LiveFile.all(in: database).filter { $0.range.overlaps(range) }.map { ($0.name, $0.range) }
    }

    /// Forgets the blocks of table files that are in memory, so that reads go to the disk.
    package func forgetBlocks(capacity: Int) {
        rocksdb_cache_set_capacity(database.blockCache, 0)
        rocksdb_cache_set_capacity(database.blockCache, capacity)
    }

    /// Writes the memtables to table files and waits for it, if asked to.
    ///
    /// - Throws: what RocksDB says.
    package func flush(waits: Bool = true) throws(StorageError) {
        let flushOptions = rocksdb_flushoptions_create()
        defer { rocksdb_flushoptions_destroy(flushOptions) }
        rocksdb_flushoptions_set_wait(flushOptions, waits ? 1 : 0)
        for family in [database.rows, database.local, database.hints] {
            try database.call("flush memtables") {
                rocksdb_flush_cf(database.handle, flushOptions, family, $0)
            }
        }
    }

    /// Compacts all rows and waits for it; if it meets damage, no more writes are taken.
    package func compact() {
        rocksdb_compact_range_cf(database.handle, database.rows, nil, 0, nil, 0)
    }

    /// Removes table files that hold nothing but rows of a range; says whether there were any.
    ///
    /// Rows of the range that such a file hid in older files come back, so the caller must delete
    /// from the beginning of the range again.
    func removeFiles(inside range: KeyRange) throws(StorageError) -> Bool {
        let before = LiveFile.all(in: database)
        // Of level 0 RocksDB lets only the oldest go, as a younger one may hide what is older.
        for file in before.reversed() where file.level == 0 {
            guard file.isInside(range) else { break }
            rocksdb_delete_file(database.handle, file.name)
        }
        if before.contains(where: { $0.level > 0 && $0.isInside(range) }) {
            try removeLowerFiles(inside: range, known: before)
        }
        return LiveFile.all(in: database).count < before.count
    }

    private func removeLowerFiles(
        inside range: KeyRange,
        known files: [LiveFile]
    ) throws(StorageError) {
        // RocksDB counts the limit as a part of the range; there it must not meet a file's end.
        if let upper = range.upper, files.contains(where: { $0.keys.upperBound.bytes == upper }) {
            return
        }
        let limit =
            range.upper ?? files.map(\.keys.upperBound).max().map { $0.bytes + [0] } ?? []
        try database.call("remove table files") { message in
            range.lower.withUnsafeBytes { start in
                limit.withUnsafeBytes { limit in
                    rocksdb_delete_file_in_range_cf(
                        database.handle,
                        database.rows,
                        start.baseAddress?.assumingMemoryBound(to: CChar.self),
                        start.count,
                        limit.baseAddress?.assumingMemoryBound(to: CChar.self),
                        limit.count,
                        message
                    )
                }
            }
        }
    }
}
