internal import CRocksDB
internal import Storage

/// Walks the keys of a column family in order, over a snapshot taken at its start.
final class RowScan {
    private let database: RocksDatabase
    private let options: OpaquePointer
    private let iterator: OpaquePointer
    /// RocksDB keeps a pointer to the upper bound: it lives as long as the iterator.
    private let upperBound: UnsafeMutableBufferPointer<CChar>

    init(database: RocksDatabase, family: OpaquePointer, from start: [UInt8], to end: [UInt8]?) {
        self.database = database
        options = rocksdb_readoptions_create()
        // A scan must not push out what requests read.
        rocksdb_readoptions_set_fill_cache(options, 0)
        upperBound = .allocate(capacity: end?.count ?? 0)
        if let end {
            _ = upperBound.initialize(from: end.lazy.map { CChar(bitPattern: $0) })
            rocksdb_readoptions_set_iterate_upper_bound(options, upperBound.baseAddress, end.count)
        }
        iterator = rocksdb_create_iterator_cf(database.handle, options, family)
        start.withUnsafeBytes { start in
            rocksdb_iter_seek(
                iterator,
                start.baseAddress?.assumingMemoryBound(to: CChar.self),
                start.count
            )
        }
    }

    deinit {
        rocksdb_iter_destroy(iterator)
        rocksdb_readoptions_destroy(options)
        upperBound.deallocate()
    }

    /// The key here, valid until the next `advance`; nil at the end or after an error.
    var key: UnsafeRawBufferPointer? {
        guard rocksdb_iter_valid(iterator) != 0 else { return nil }
        var count = 0
        let pointer = rocksdb_iter_key(iterator, &count)
        return UnsafeRawBufferPointer(start: pointer, count: count)
    }

    /// The value here, valid until the next `advance`; only where there is a key.
    var value: UnsafeRawBufferPointer {
        var count = 0
        let pointer = rocksdb_iter_value(iterator, &count)
        return UnsafeRawBufferPointer(start: pointer, count: count)
    }

    /// Goes to the next key.
    func advance() {
        rocksdb_iter_next(iterator)
    }

    /// Throws if the walk ended at an error rather than at its end.
    func check() throws(StorageError) {
        try database.call("scan rows") { rocksdb_iter_get_error(iterator, $0) }
    }
}
