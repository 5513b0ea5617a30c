/// What the writer needs of a store; only the writer calls these, one at a time.
///
/// A failed write or sync leaves the disk in a state that only opening the store again tells, so
/// the writer calls nothing but reads afterwards.
package protocol StoreBackend: StoreReading {
    /// Writes merges, local values and hints of all batches as one atomic group; sweeps and drops
    /// are not looked at.
    ///
    /// `synced`: once it returns, these and all earlier writes survive a loss of power.
    func write(_ batches: [StoreWrites], synced: Bool) throws(StorageError)
    /// Makes all earlier writes survive a loss of power.
    func sync() throws(StorageError)
    /// Puts rows in the place of what their keys hold, nil removes, as one atomic group.
    func replace(
        _ rows: [(key: [UInt8], row: [UInt8]?)],
        synced: Bool
    ) throws(StorageError)
    /// Removes the rows of a range, unsynced.
    ///
    /// Damage goes with them where the range holds all that is damaged with it
    /// (``StoreReading/damagedRange(_:)``); else that is an error.
    ///
    /// - Parameters:
    ///   - range: the keys.
    ///   - position: where to begin within the range, nil at its beginning.
    ///   - bytesMax: bytes of keys after which to stop for now.
    /// - Returns: where the next call must begin, or nil if nothing is left.
    /// - Throws: ``StorageError/corruption(_:)`` if damage is in the way, and then nothing was
    ///   written and the store is sound elsewhere; other errors as a write does.
    func deleteRows(
        in range: KeyRange,
        from position: [UInt8]?,
        bytesMax: Int
    ) throws(StorageError) -> [UInt8]?
}

/// Hears of all that the writer does to rows, before and after: a cache of rows.
///
/// Called by the writer, each pair around one call of the backend and before its answers leave.
/// After a failure it is unknown which of the changes are there.
package protocol WriteObserver: AnyObject, Sendable {
    /// The merges of some batches are about to be written.
    func writesWillBegin(_ batches: [StoreWrites])
    /// They were written, or not.
    func writesDidEnd(_ batches: [StoreWrites], failed: Bool)
    /// A sweep is about to replace (or remove, or leave alone) the rows of some keys.
    func rowsWillBeReplaced(_ keys: [[UInt8]])
    /// It did, or not.
    func rowsReplaced(_ keys: [[UInt8]], failed: Bool)
    /// All rows of a range, or a part of them, are about to be removed.
    func rowsWillBeDeleted(in range: KeyRange)
    /// They were, or not.
    func rowsDeleted(in range: KeyRange, failed: Bool)
}
