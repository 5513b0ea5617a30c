internal import CRocksDB
internal import Storage

/// What memory knows of a row.
package enum MemoryRead: Equatable, Sendable {
    /// The merged row.
    case found([UInt8])
    /// There is no such row.
    case absent
    /// Only the disk can tell: read it off the event loop.
    case needsDisk
}

extension RocksStore {
    /// Keys of one call into RocksDB, which holds the blocks of all of them in memory meanwhile.
    private static let keysPerCall = 512

    /// Reads rows in one batch.
    ///
    /// - Parameters:
    ///   - keys: row keys, repeated ones allowed.
    ///   - sorted: whether they ascend already, which saves RocksDB a copy and a sort.
    /// - Returns: the rows in the order of the keys; nil where there is none.
    /// - Throws: the first error; then no row is returned.
    package func read(
        _ keys: [[UInt8]],
        sorted: Bool = false
    ) throws(StorageError) -> [[UInt8]?] {
        var rows: [[UInt8]?] = []
        rows.reserveCapacity(keys.count)
        try visit(keys, sorted: sorted) { _, row in rows.append(row.map { [UInt8]($0) }) }
        return rows
    }

    /// Reads rows in one batch without copying them: `body` sees each in the order of the keys.
    ///
    /// The bytes are valid during the call only. After an error `body` is not called again.
    ///
    /// - Throws: the first error.
    package func visit(
        _ keys: [[UInt8]],
        sorted: Bool = false,
        _ body: (_ index: Int, _ row: UnsafeRawBufferPointer?) -> Void
    ) throws(StorageError) {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
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
    ///
    /// - Throws: what RocksDB says, corruption above all.
    package func readFromMemory(_ key: [UInt8]) throws(StorageError) -> MemoryRead {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
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

    /// Reads rows in key order from `start` up to, not including, `end` (nil: to the last).
    ///
    /// - Parameters:
    ///   - start: the first key that may be returned.
    ///   - end: the key before which to stop, or nil.
    ///   - limit: rows to return at most.
    /// - Returns: the rows that are there.
    /// - Throws: what RocksDB says; never part of the rows.
    package func scan(
        from start: [UInt8],
        to end: [UInt8]?,
        limit: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        try scan(database.rows, from: start, to: end, limit: limit)
    }

    /// Reads a value of the node's own, nil if there is none.
    ///
    /// - Throws: what RocksDB says.
    package func readLocal(_ key: [UInt8]) throws(StorageError) -> [UInt8]? {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        var message: UnsafeMutablePointer<CChar>?
        let slice = get(key, database.readAnywhere, database.local, &message)
        defer { if let slice { rocksdb_pinnableslice_destroy(slice) } }
        if let text = RocksDatabase.takeText(&message) {
            throw database.error(text, "read a local value")
        }
        return slice.map(Self.copy)
    }

    /// Reads the node's own values whose keys begin with `prefix`, in key order.
    ///
    /// - Parameters:
    ///   - prefix: what the keys begin with.
    ///   - start: the key to go on from, where a walk takes several calls.
    ///   - limit: values to return at most.
    /// - Returns: the values that are there.
    /// - Throws: what RocksDB says.
    package func scanLocal(
        prefix: [UInt8],
        from start: [UInt8]? = nil,
        limit: Int = .max
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        let end = KeyRange.successor(of: prefix)
        return try scan(database.local, from: start ?? prefix, to: end, limit: limit)
    }

    private func scan(
        _ family: OpaquePointer,
        from start: [UInt8],
        to end: [UInt8]?,
        limit: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        if let end, end.lexicographicallyPrecedes(start) { return [] }
        let walk = RowScan(database: database, family: family, from: start, to: end)
        var found: [(key: [UInt8], value: [UInt8])] = []
        while found.count < limit, let key = walk.key {
            found.append((key: [UInt8](key), value: [UInt8](walk.value)))
            walk.advance()
        }
        try walk.check()
        return found
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
