package import Replication
package import Storage

/// A read of many rows through the cache, in steps: what the cache has, then the store for the
/// rest, then the cache gets it.
///
/// The program takes the steps one behind the other; the simulator lets writes come between.
package struct FillingRead: Sendable {
    private var rows: [[UInt8]?]
    private var open: [(place: Int, key: RowKey, ticket: RowCache.Ticket)] = []

    /// The storage keys that the store must be asked for.
    package private(set) var missing: [[UInt8]] = []

    /// Looks up keys in the cache.
    package init(_ keys: [RowKey], _ cache: RowCache) {
        rows = []
        rows.reserveCapacity(keys.count)
        for (place, key) in keys.enumerated() {
            switch cache.lookup(key) {
            case .found(let row): rows.append(row)
            case .absent: rows.append(nil)
            case .miss(let ticket):
                rows.append(nil)
                open.append((place, key, ticket))
                missing.append(key.encoded)
            }
        }
    }

    /// Puts what the store had for the missing keys into its places and into the cache.
    ///
    /// - Returns: all rows, in the order of the keys.
    package mutating func finish(_ read: [[UInt8]?], _ cache: RowCache) -> [[UInt8]?] {
        for (entry, row) in zip(open, read) {
            rows[entry.place] = row
            _ = cache.fill(entry.ticket, entry.key, row: row)
        }
        return rows
    }
}
