internal import CRocksDB
package import Storage

extension RocksBackend {
    /// Keys of one call into RocksDB, which holds the blocks of all of them in memory meanwhile.
    private static let keysPerCall = 512

    /// Reads rows in the order of the keys, nil where there is none.
    package func read(_ keys: [[UInt8]]) throws(StorageError) -> [[UInt8]?] {
        try read(keys, sorted: false)
    }

    /// Reads rows in one batch, see ``RocksStore/read(_:sorted:)``.
    func read(_ keys: [[UInt8]], sorted: Bool) throws(StorageError) -> [[UInt8]?] {
        var rows: [[UInt8]?] = []
        rows.reserveCapacity(keys.count)
        try visit(keys, sorted: sorted) { _, row in rows.append(row.map { [UInt8]($0) }) }
        return rows
    }

    /// Reads rows in one batch without copying them, see ``RocksStore/visit(_:sorted:_:)``.
    func visit(
        _ keys: [[UInt8]],
        sorted: Bool,
        _ body: (_ index: Int, _ row: UnsafeRawBufferPointer?) -> Void
    ) throws(StorageError) {
        var start = 0
        while start < keys.count {
            let count = min(keys.count - start, Self.keysPerCall)
            let scratch = MultiGetScratch(keys[start..<start + count])
            defer { scratch.free() }
            rocksdb_batched_multi_get_cf(
                database.handle,
                database.readAnywhere,
                database.rows,
                count,
                scratch.keys,
                scratch.keyCounts,
                scratch.values,
                scratch.errors,
                sorted
            )
            if let text = scratch.takeError() { throw database.error(text, "read rows") }
            for index in 0..<count { body(start + index, scratch.row(index)) }
            start += count
        }
    }

    /// Reads one row if memory holds what it takes: never waits for the disk.
    package func readFromMemory(_ key: [UInt8]) throws(StorageError) -> MemoryRead {
        var message: UnsafeMutablePointer<CChar>?
        let slice = get(key, database.readMemory, database.rows, &message)
        defer { if let slice { rocksdb_pinnableslice_destroy(slice) } }
        if let text = RocksDatabase.takeText(&message) {
            // The C API has no code for "not in memory", only this text.
            if text.hasPrefix("Result incomplete") { return .needsDisk }
            throw database.error(text, "read a row from memory")
        }
        return slice.map { .found(Self.copy($0)) } ?? .absent
    }

    /// Reads the first rows of a range.
    package func scan(
        _ range: KeyRange,
        rowsMax: Int,
        bytesMax: Int
    ) throws(StorageError) -> StoreScan {
        let page = try scan(database.rows, range, limit: max(1, rowsMax), bytesMax: bytesMax)
        return StoreScan(
            entries: page.found.map { StoredRow(key: $0.key, row: $0.value) },
            isComplete: page.isComplete
        )
    }

    /// Reads a value of the node's own, nil if there is none.
    package func readLocal(_ key: [UInt8]) throws(StorageError) -> [UInt8]? {
        var message: UnsafeMutablePointer<CChar>?
        let slice = get(key, database.readAnywhere, database.local, &message)
        defer { if let slice { rocksdb_pinnableslice_destroy(slice) } }
        if let text = RocksDatabase.takeText(&message) {
            throw database.error(text, "read a local value")
        }
        return slice.map(Self.copy)
    }

    /// Reads some of the node's own values, in the order of their keys.
    package func scanLocal(
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        try scan(database.local, range, limit: limit, bytesMax: bytesMax).found
    }

    /// Reads some hints, in the order of their keys.
    package func scanHints(
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        try scan(database.hints, range, limit: limit, bytesMax: bytesMax).found
    }

    /// The first entries of a range in a column family, as ``StoreReading`` says.
    func scan(
        _ family: OpaquePointer,
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) throws(StorageError) -> (found: [(key: [UInt8], value: [UInt8])], isComplete: Bool) {
        if let end = range.upper, end.lexicographicallyPrecedes(range.lower) { return ([], true) }
        let walk = RowScan(database: database, family: family, from: range.lower, to: range.upper)
        var found: [(key: [UInt8], value: [UInt8])] = []
        var bytes = 0
        while let key = walk.key, found.count < limit, found.isEmpty || bytes < bytesMax {
            let value = walk.value
            bytes += key.count + value.count
            found.append((key: [UInt8](key), value: [UInt8](value)))
            walk.advance()
        }
        try walk.check()
        return (found, walk.key == nil)
    }

    private func get(
        _ key: [UInt8],
        _ options: OpaquePointer,
        _ family: OpaquePointer,
        _ message: inout UnsafeMutablePointer<CChar>?
    ) -> OpaquePointer? {
        key.withUnsafeBytes { key in
            rocksdb_get_pinned_cf(
                database.handle,
                options,
                family,
                key.baseAddress?.assumingMemoryBound(to: CChar.self),
                key.count,
                &message
            )
        }
    }

    private static func copy(_ slice: OpaquePointer) -> [UInt8] {
        var count = 0
        let pointer = rocksdb_pinnableslice_value(slice, &count)
        return [UInt8](UnsafeRawBufferPointer(start: pointer, count: count))
    }
}
