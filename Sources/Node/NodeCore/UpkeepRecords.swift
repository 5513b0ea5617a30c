internal import Catalog
internal import Replication
package import Storage
internal import TokenPlacement

/// What a node finds on its disk about hints, repair and the state of its slices.
package struct UpkeepRecords: Sendable {
    /// The hints: their keys and the sizes of their values.
    package var hints: [(key: [UInt8], valueBytes: Int)] = []
    /// The slices of which some replica lacks writes, as keys and values.
    package var dirty: [(key: [UInt8], value: [UInt8])] = []
    /// The slices' last repairs, as keys and values.
    package var repaired: [(key: [UInt8], value: [UInt8])] = []
    /// The slices that cannot be read, as keys and values.
    package var states: [(key: [UInt8], value: [UInt8])] = []
    /// Whether this disk was lost: every slice that the cluster has must be rebuilt.
    package var mustRebuildAll = false

    /// What an empty disk says.
    package init() {}

    /// Reads what a store holds, page by page.
    package init(reading store: any StoreReading) throws(StorageError) {
        let everything = KeyRange.all
        var start = everything
        while true {
            let page = try store.scanHints(start, limit: 4096, bytesMax: 4 << 20)
            for hint in page { hints.append((hint.key, hint.value.count)) }
            guard let last = page.last else { break }
            start.lower = HintKeys.behind(last.key)
        }
        dirty = try Self.values(SliceKeys.dirtyPrefix, store)
        repaired = try Self.values(SliceKeys.repairedPrefix, store)
        states = try Self.values(SliceKeys.rebuildPrefix, store)
        mustRebuildAll = try store.readLocal(LocalKeys.lostDisk) != nil
    }

    private static func values(
        _ prefix: [UInt8],
        _ store: any StoreReading
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        var range = SliceKeys.range(of: prefix)
        var values: [(key: [UInt8], value: [UInt8])] = []
        while true {
            let page = try store.scanLocal(range, limit: 4096)
            values += page
            guard page.count == 4096, let last = page.last else { return values }
            range.lower = last.key + [0]
        }
    }
}
