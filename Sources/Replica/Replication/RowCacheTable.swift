/// The rows of one stripe of the cache, found by key: a hash table with open addressing.
///
/// The index holds numbers of entries and is probed from an entry's home onwards; it is at least
/// twice as large as the number of entries. Entries keep their number while they live.
struct RowCacheTable {
    /// One cached row, or the knowledge that there is none.
    struct Entry {
        /// Table and token.
        var position: RowCachePosition
        /// The partition key, not escaped.
        var partitionKey: [UInt8]
        /// The merged row; nil: the store has none.
        var row: [UInt8]?
        /// How often it was hit lately, up to 3.
        var frequency: UInt8 = 0
        /// Whether it holds anything.
        var isUsed = true
    }

    /// How far from its home an entry may stand.
    ///
    /// Keys that were made to collide are not cached beyond that, instead of making every search
    /// long.
    static let probeCountMax = 128

    /// The entries; `isUsed` is false for those that were removed.
    private(set) var entries: [Entry] = []
    /// The number of entries in use.
    private(set) var count = 0

    // Numbers of entries that may be used again.
    private var free: [UInt32] = []
    // Per place the number of an entry and 1, or 0; as many places as a power of two.
    private var index: [UInt32] = []

    /// The number of the entry at a position that also has the key, or nil.
    @inline(__always)
    func find(
        _ position: RowCachePosition,
        hash: UInt64,
        where hasKey: ([UInt8]) -> Bool
    ) -> Int? {
        guard !index.isEmpty else { return nil }
        let mask = index.count - 1
        var place = Int(truncatingIfNeeded: hash) & mask
        for _ in 0..<Self.probeCountMax {
            let mark = index[place]
            guard mark != 0 else { return nil }
            let number = Int(mark) - 1
            if entries[number].position == position, hasKey(entries[number].partitionKey) {
                return number
            }
            place = (place + 1) & mask
        }
        return nil
    }

    /// Takes a new entry, whose key must not be there; returns its number, or nil if too many keys
    /// collide with it.
    mutating func insert(_ entry: Entry) -> Int? {
        if (count + 1) * 2 > index.count { grow() }
        guard let place = freePlace(hash: entry.position.hash) else { return nil }
        let number: Int
        if let reused = free.popLast() {
            number = Int(reused)
            entries[number] = entry
        } else {
            number = entries.count
            entries.append(entry)
        }
        index[place] = UInt32(number + 1)
        count += 1
        return number
    }

    /// Removes an entry that is in use.
    mutating func remove(_ number: Int) {
        let mask = index.count - 1
        var hole = Int(truncatingIfNeeded: entries[number].position.hash) & mask
        while index[hole] != UInt32(number + 1) { hole = (hole + 1) & mask }
        // What stands behind moves nearer to its home, so that no search ends too early.
        var place = hole
        while true {
            place = (place + 1) & mask
            let mark = index[place]
            guard mark != 0 else { break }
            let home = Int(truncatingIfNeeded: entries[Int(mark) - 1].position.hash) & mask
            if (place - home) & mask >= (place - hole) & mask {
                index[hole] = mark
                hole = place
            }
        }
        index[hole] = 0
        entries[number].isUsed = false
        entries[number].partitionKey = []
        entries[number].row = nil
        free.append(UInt32(number))
        count -= 1
    }

    /// Replaces the row of an entry.
    mutating func setRow(_ row: [UInt8]?, of number: Int) {
        entries[number].row = row
    }

    /// Notes a hit of an entry.
    @inline(__always)
    mutating func raiseFrequency(of number: Int) {
        if entries[number].frequency < 3 { entries[number].frequency += 1 }
    }

    /// Lets the hits of an entry count for less.
    mutating func lowerFrequency(of number: Int) {
        entries[number].frequency -= 1
    }

    private func freePlace(hash: UInt64) -> Int? {
        let mask = index.count - 1
        var place = Int(truncatingIfNeeded: hash) & mask
        for _ in 0..<Self.probeCountMax {
            if index[place] == 0 { return place }
            place = (place + 1) & mask
        }
        return nil
    }

    /// Doubles the index.
    ///
    /// Every entry finds a place: taken in the order in which they stand, from behind an empty
    /// place, none comes to stand further from its home than before, as whatever stood behind it
    /// comes later and whatever stood before it has not moved past it.
    private mutating func grow() {
        let old = index
        index = Array(repeating: 0, count: max(16, old.count * 2))
        guard !old.isEmpty else { return }
        let start = old.firstIndex(of: 0) ?? 0
        for offset in 1...old.count {
            let mark = old[(start + offset) & (old.count - 1)]
            guard mark != 0 else { continue }
            guard let place = freePlace(hash: entries[Int(mark) - 1].position.hash) else {
                preconditionFailure("an entry found no place in an index of twice the size")
            }
            index[place] = mark
        }
    }
}
