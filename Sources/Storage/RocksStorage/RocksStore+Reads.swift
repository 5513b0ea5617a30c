package import Storage

extension RocksStore: StoreReading {
    /// Reads rows in the order of the keys, nil where there is none.
    package func read(_ keys: [[UInt8]]) throws(StorageError) -> [[UInt8]?] {
        try read(keys, sorted: false)
    }

    /// Reads rows in one batch.
    ///
    /// - Parameters:
    ///   - keys: row keys, repeated ones allowed.
    ///   - sorted: whether they ascend already, which saves RocksDB a copy and a sort.
    /// - Returns: the rows in the order of the keys; nil where there is none.
    /// - Throws: the first error; then no row is returned.
    package func read(
        _ keys: [[UInt8]],
        sorted: Bool
    ) throws(StorageError) -> [[UInt8]?] {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        return try backend.read(keys, sorted: sorted)
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
        try backend.visit(keys, sorted: sorted, body)
    }

    /// Reads one row if memory holds what it takes: never waits for the disk.
    ///
    /// - Throws: what RocksDB says, corruption above all.
    package func readFromMemory(_ key: [UInt8]) throws(StorageError) -> MemoryRead {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        return try backend.readFromMemory(key)
    }

    /// Reads the first rows of a range.
    package func scan(
        _ range: KeyRange,
        rowsMax: Int,
        bytesMax: Int
    ) throws(StorageError) -> StoreScan {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        return try backend.scan(range, rowsMax: rowsMax, bytesMax: bytesMax)
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
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        return try backend.scan(
            database.rows,
            KeyRange(lower: start, upper: end),
            limit: limit,
            bytesMax: .max
        ).found
    }

    /// Reads a value of the node's own, nil if there is none.
    ///
    /// - Throws: what RocksDB says.
    package func readLocal(_ key: [UInt8]) throws(StorageError) -> [UInt8]? {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        return try backend.readLocal(key)
    }

    /// Reads some of the node's own values, in the order of their keys.
    package func scanLocal(
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        return try backend.scanLocal(range, limit: limit, bytesMax: bytesMax)
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
        let range = KeyRange(lower: start ?? prefix, upper: end)
        return try scanLocal(range, limit: limit, bytesMax: .max)
    }

    /// Reads some hints, in the order of their keys.
    package func scanHints(
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        guard gate.enter() else { throw .closed(path: options.path) }
        defer { gate.leave() }
        return try backend.scanHints(range, limit: limit, bytesMax: bytesMax)
    }

    /// The rows that an error of corruption may concern; nil if it does not tell.
    package func damagedRange(_ error: StorageError) -> KeyRange? {
        guard gate.enter() else { return nil }
        defer { gate.leave() }
        return backend.damagedRange(error)
    }
}
