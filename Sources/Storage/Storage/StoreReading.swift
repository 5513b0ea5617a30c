/// One row as a scan finds it.
package struct StoredRow: Hashable, Sendable {
    /// The row's key.
    package var key: [UInt8]
    /// The merged row.
    package var row: [UInt8]

    /// A row with its key.
    package init(key: [UInt8], row: [UInt8]) {
        self.key = key
        self.row = row
    }
}

/// A page of rows.
package struct StoreScan: Hashable, Sendable {
    /// The rows, in the order of their keys.
    package var entries: [StoredRow]
    /// Whether the range holds no row behind these; else go on behind the last one's key.
    package var isComplete: Bool

    /// A page with both its parts.
    package init(entries: [StoredRow], isComplete: Bool) {
        self.entries = entries
        self.isComplete = isComplete
    }
}

/// What anybody may ask of a store, on any thread; it may wait for the disk.
///
/// RocksDB and the simulator's model answer alike. A row on a damaged part of the disk is an
/// error, never an absent row.
package protocol StoreReading: AnyObject, Sendable {
    /// Reads one row if memory holds what it takes: never waits for the disk.
    func readFromMemory(_ key: [UInt8]) throws(StorageError) -> MemoryRead
    /// Reads rows in the order of the keys, nil where there is none.
    func read(_ keys: [[UInt8]]) throws(StorageError) -> [[UInt8]?]
    /// Reads the first rows of a range.
    ///
    /// - Parameters:
    ///   - range: the keys.
    ///   - rowsMax: rows to return at most, but never none if there are any.
    ///   - bytesMax: bytes of keys and rows after which the page ends; one row may exceed them.
    /// - Returns: the rows, and whether they are all.
    /// - Throws: ``StorageError``, with no row.
    func scan(_ range: KeyRange, rowsMax: Int, bytesMax: Int) throws(StorageError) -> StoreScan
    /// Reads a value of the node's own, nil if there is none.
    func readLocal(_ key: [UInt8]) throws(StorageError) -> [UInt8]?
    /// Reads up to `limit` of the node's own values in the order of their keys, and no more behind
    /// `bytesMax` bytes of keys and values; one value may exceed them.
    func scanLocal(
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])]
    /// Reads up to `limit` hints in the order of their keys, and no more behind `bytesMax` bytes of
    /// keys and values; one hint may exceed them.
    func scanHints(
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])]
    /// The rows that an error of corruption may concern, beside the one that was read: those in the
    /// same damaged file. Nil if the error does not tell.
    ///
    /// All of them must be dropped in one range before the damage is gone.
    func damagedRange(_ error: StorageError) -> KeyRange?
}

extension StoreReading {
    /// The rows that an error of corruption may concern; nil if it does not tell.
    package func damagedRange(_ error: StorageError) -> KeyRange? { nil }
}
