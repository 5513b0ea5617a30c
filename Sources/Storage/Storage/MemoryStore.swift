/// An ordered store of merged rows in memory: for tests and for the simulator.
///
/// It behaves as RocksDB does with Martlet's merge operator, and forgets everything when dropped.
package struct MemoryStore: Sendable {
    /// One row, as it is stored.
    package struct Entry: Hashable, Sendable {
        /// The storage key.
        package var key: [UInt8]
        /// The merged row.
        package var row: [UInt8]
    }

    // Sorted by key; small enough in tests that inserting in the middle costs little.
    private var entries: [Entry] = []

    /// An empty store.
    package init() {}

    /// The number of keys.
    package var count: Int { entries.count }

    /// Merges writes into their rows, in order.
    package mutating func apply(_ writes: [(key: [UInt8], operand: [UInt8])]) {
        for write in writes {
            let index = firstIndex(notBefore: write.key)
            if index < entries.count, entries[index].key == write.key {
                entries[index].row = RowMerge.merge([entries[index].row, write.operand])
            } else {
                let row = RowMerge.merge([write.operand])
                entries.insert(Entry(key: write.key, row: row), at: index)
            }
        }
    }

    /// The merged row of a key, or nil if nothing was ever written to it.
    package func read(_ key: [UInt8]) -> [UInt8]? {
        let index = firstIndex(notBefore: key)
        return index < entries.count && entries[index].key == key ? entries[index].row : nil
    }

    /// The rows of a range, in the order of their keys.
    package func rows(in range: KeyRange) -> ArraySlice<Entry> {
        let start = firstIndex(notBefore: range.lower)
        let end = range.upper.map { firstIndex(notBefore: $0) } ?? entries.count
        return entries[start..<max(start, end)]
    }

    private func firstIndex(notBefore key: [UInt8]) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = low + (high - low) / 2
            if ByteOrder.precedes(entries[middle].key, key) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
