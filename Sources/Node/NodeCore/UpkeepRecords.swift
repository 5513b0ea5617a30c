internal import Catalog
package import Replication
package import Storage
package import TokenPlacement

/// What a node finds on its disk about hints, repair and the state of its slices.
package struct UpkeepRecords: Sendable {
    /// The accounts of the hints; they themselves stay on disk, as there may be millions.
    package var hints = HintBook(settings: HintSettings())
    /// The logged batches: what names them, and the sizes of their values.
    package var batches: [(id: NodeID, valueBytes: Int)] = []
    /// The slices of which some replica lacks writes, as keys and values.
    package var dirty: [(key: [UInt8], value: [UInt8])] = []
    /// The slices' last repairs, as keys and values.
    package var repaired: [(key: [UInt8], value: [UInt8])] = []
    /// The slices that cannot be read, as keys and values.
    package var states: [(key: [UInt8], value: [UInt8])] = []
    /// What is owed if this disk was lost: every slice that the cluster has must be rebuilt.
    package var lostDisk: LostDiskDuty?
    /// Whether the disk is lost in so far as its write-ahead log was damaged.
    package var lostLog = false
    /// The rows that a compaction could not read, if they are still to be looked through.
    package var suspectRows: KeyRange?
    /// The ranges whose rows were lost with a table file.
    package var lostRows: [KeyRange] = []
    /// The drops that a damaged file stood in the way of.
    package var cuts: [(slice: SliceID, range: KeyRange)] = []
    /// What is owed if hints were lost: every slice must be repaired.
    package var lostHints: LostHints?

    /// What an empty disk says.
    package init() {}

    /// Reads what a store holds, page by page.
    package init(reading store: any StoreReading) throws(StorageError) {
        try self.init(hints: Self.hints(in: store), restOf: store)
    }

    /// Reads what a store holds beside its hints, page by page.
    package init(hints: HintBook, restOf store: any StoreReading) throws(StorageError) {
        self.hints = hints
        batches = try Self.batches(in: store)
        dirty = try Self.values(SliceKeys.dirtyPrefix, store)
        repaired = try Self.values(SliceKeys.repairedPrefix, store)
        states = try Self.values(SliceKeys.rebuildPrefix, store)
        lostDisk = try store.readLocal(LocalKeys.lostDisk).map { LostDiskDuty(value: $0) }
        lostLog = try store.readLocal(LocalKeys.lostLog) != nil
        suspectRows = try store.readLocal(LocalKeys.suspectRows).map(LocalKeys.range(decoding:))
        lostRows = try Self.values(LocalKeys.lostRowsPrefix, store)
            .map { LocalKeys.lostRows(decoding: $0.key) }
        cuts = try Self.cuts(in: store)
        lostHints = try store.readLocal(LocalKeys.lostHints).map { LostHints(value: $0) }
    }

    /// Counts the hints of a store, page by page.
    package static func hints(in store: any StoreReading) throws(StorageError) -> HintBook {
        var book = HintBook(settings: HintSettings())
        var start = KeyRange.all
        while true {
            let page = try store.scanHints(start, limit: 4096, bytesMax: 4 << 20)
            for hint in page { book.restore(key: hint.key, valueBytes: hint.value.count) }
            guard let last = page.last else { return book }
            start.lower = HintKeys.behind(last.key)
        }
    }

    /// The drops that a damaged file stood in the way of.
    package static func cuts(
        in store: any StoreReading
    ) throws(StorageError) -> [(slice: SliceID, range: KeyRange)] {
        try values(LocalKeys.cutPrefix, store).compactMap { key, value in
            LocalKeys.cut(decoding: key).map { ($0, LocalKeys.range(decoding: value)) }
        }
    }

    private static func batches(
        in store: any StoreReading
    ) throws(StorageError) -> [(id: NodeID, valueBytes: Int)] {
        var range = SliceKeys.range(of: LocalKeys.batchPrefix)
        var batches: [(id: NodeID, valueBytes: Int)] = []
        while true {
            let page = try store.scanLocal(range, limit: 4096, bytesMax: 4 << 20)
            for entry in page {
                guard let id = LocalKeys.batch(decoding: entry.key) else { continue }
                batches.append((id, entry.value.count))
            }
            guard let last = page.last else { return batches }
            range.lower = last.key + [0]
        }
    }

    private static func values(
        _ prefix: [UInt8],
        _ store: any StoreReading
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        var range = SliceKeys.range(of: prefix)
        var values: [(key: [UInt8], value: [UInt8])] = []
        while true {
            let page = try store.scanLocal(range, limit: 4096, bytesMax: 4 << 20)
            values += page
            guard let last = page.last else { return values }
            range.lower = last.key + [0]
        }
    }
}
