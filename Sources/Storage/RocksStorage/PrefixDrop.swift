internal import CRocksDB
internal import Storage

/// The removal of all rows under some prefixes, a bounded piece at a time.
///
/// Rows are deleted one by one: RocksDB's range deletion next to its row cache brings deleted
/// rows back where merges follow (facebook/rocksdb 4122 and 5576), and newer versions refuse it.
struct PrefixDrop {
    let entry: WriteQueue.Entry
    private var prefixes: ArraySlice<[UInt8]>
    /// Where the next piece begins within the first prefix.
    private var position: [UInt8]?

    init(_ entry: WriteQueue.Entry) {
        self.entry = entry
        prefixes = entry.writes.droppedPrefixes[...]
    }

    /// Appends deletions of up to `bytesMax` bytes of keys; says whether these were the last.
    mutating func appendDeletes(
        to batch: OpaquePointer,
        database: RocksDatabase,
        bytesMax: Int
    ) throws(StorageError) -> Bool {
        var bytes = 0
        while let prefix = prefixes.first {
            let scan = RowScan(
                database: database,
                family: database.rows,
                from: position ?? prefix,
                to: KeyRange.successor(of: prefix)
            )
            while let key = scan.key {
                guard bytes < bytesMax else {
                    position = Array(key)
                    return false
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
            try scan.check()
            prefixes = prefixes.dropFirst()
            position = nil
        }
        return true
    }
}
