internal import Storage

/// One stripe of the cache: its rows, its version, its share of the bytes; the lock is around it.
struct RowCacheStripe {
    /// Raised whenever a write begins or ends.
    private(set) var version: UInt64 = 0
    /// Writes under way.
    private(set) var writesUnderWay = 0
    /// What happened here.
    private(set) var statistics = RowCacheStatistics()

    private let fault: RowCache.Fault
    private var bytesMax: Int
    private var table = RowCacheTable()
    // The entry that eviction looks at next.
    private var hand = 0
    // Entries that a write under way found; they may have gone or been replaced since.
    private var written: [Int] = []
    // Positions without a row since they were cleared last.
    private var cleared: RowCacheSpan?

    init(bytesMax: Int, fault: RowCache.Fault) {
        self.bytesMax = bytesMax
        self.fault = fault
    }

    /// The most bytes of an entry that is kept, so that no row empties its stripe.
    private var entryBytesMax: Int { bytesMax / 8 }

    // MARK: - Readers

    /// What the stripe knows of a key.
    @inline(__always)
    mutating func lookup(
        _ key: RowKey,
        _ position: RowCachePosition,
        hash: UInt64,
        stripe: Int
    ) -> RowCache.Lookup {
        guard let number = find(key, position, hash: hash) else {
            statistics.misses += 1
            return .miss(RowCache.Ticket(stripe: stripe, version: version))
        }
        table.raiseFrequency(of: number)
        guard let row = table.entries[number].row else {
            statistics.absentHits += 1
            return .absent
        }
        statistics.hits += 1
        return .found(row)
    }

    /// Takes what the store said about a key, unless a write makes it doubtful.
    mutating func fill(
        _ key: RowKey,
        _ position: RowCachePosition,
        version ticketVersion: UInt64,
        row: [UInt8]?
    ) -> Bool {
        let number = find(key, position, hash: position.hash)
        let isCurrent = ticketVersion == version && writesUnderWay == 0
        guard isCurrent || fault == .installStaleFills else {
            // The reader may have seen a write that has not ended; nobody may hit what was before.
            if let number, writesUnderWay > 0, fault != .keepOverreadRows,
                table.entries[number].row != row
            {
                remove(number)
            }
            statistics.refusedFills += 1
            return false
        }
        if let number {
            if !isCurrent { setRow(row, of: number) }
            return true
        }
        let bytes = RowCache.bytes(partitionKey: key.partitionKey, row: row)
        guard bytes <= entryBytesMax else {
            statistics.refusedFills += 1
            return false
        }
        evict(toFit: bytes, sparing: nil)
        let entry = RowCacheTable.Entry(
            position: position,
            partitionKey: key.partitionKey,
            row: row
        )
        guard table.insert(entry) != nil else {
            statistics.refusedFills += 1
            return false
        }
        if let span = cleared, span.contains(position) { cleared = nil }
        statistics.fills += 1
        statistics.bytes += bytes
        statistics.entries += 1
        return true
    }

    /// Drops the rows that writes under way may have changed in the store already.
    mutating func dropWritten() {
        for number in written where table.entries[number].isUsed { remove(number) }
        written.removeAll()
    }

    // MARK: - The writer

    /// A write that may change any row begins.
    mutating func begin() {
        version += 1
        writesUnderWay += 1
    }

    /// A write of one row begins; its row stays until the write has ended.
    mutating func begin(_ position: RowCachePosition, encoded key: UnsafeRawBufferPointer) {
        begin()
        if let number = find(position, encoded: key) { written.append(number) }
    }

    /// A write ended.
    mutating func end() {
        precondition(writesUnderWay > 0, "a write of cached rows ended that had not begun")
        version += 1
        writesUnderWay -= 1
        if writesUnderWay == 0 { written.removeAll(keepingCapacity: true) }
    }

    /// The row of a storage key, if it is cached.
    func row(
        _ position: RowCachePosition,
        encoded key: UnsafeRawBufferPointer
    ) -> (number: Int, row: [UInt8]?)? {
        find(position, encoded: key).map { ($0, table.entries[$0].row) }
    }

    /// Puts what a write made of a row into its place, if it is still there as it was.
    mutating func update(
        _ position: RowCachePosition,
        encoded key: UnsafeRawBufferPointer,
        from old: [UInt8]?,
        to row: [UInt8]
    ) {
        guard let number = find(position, encoded: key) else { return }
        guard table.entries[number].row == old else { return remove(number) }
        setRow(row, of: number)
    }

    /// Drops the row of a storage key.
    mutating func drop(_ position: RowCachePosition, encoded key: UnsafeRawBufferPointer) {
        if let number = find(position, encoded: key) { remove(number) }
    }

    /// Drops all rows that may lie in a range.
    ///
    /// A large range is removed piece by piece; only the first piece has to look at every entry.
    mutating func clear(_ span: RowCacheSpan) {
        if let cleared, cleared.contains(span) { return }
        for number in table.entries.indices
        where table.entries[number].isUsed && span.contains(table.entries[number].position) {
            remove(number)
        }
        cleared = span
    }

    // MARK: - Its size

    /// Sets the bound of the bytes and evicts what is over it.
    mutating func resize(bytesMax: Int) {
        self.bytesMax = bytesMax
        evict(toFit: 0, sparing: nil)
        if table.count == 0 {
            table = RowCacheTable()
            hand = 0
            written.removeAll()
        }
    }

    /// Makes room: a clock whose hand passes an entry as often as it was hit, three times at most.
    private mutating func evict(toFit bytes: Int, sparing spared: Int?) {
        while statistics.bytes + bytes > bytesMax, table.count > 0 {
            hand = hand + 1 < table.entries.count ? hand + 1 : 0
            guard hand != spared, table.entries[hand].isUsed else { continue }
            if table.entries[hand].frequency > 0 {
                table.lowerFrequency(of: hand)
            } else {
                remove(hand)
                statistics.evictions += 1
            }
        }
    }

    private mutating func setRow(_ row: [UInt8]?, of number: Int) {
        let entry = table.entries[number]
        let old = RowCache.bytes(partitionKey: entry.partitionKey, row: entry.row)
        let new = RowCache.bytes(partitionKey: entry.partitionKey, row: row)
        guard new <= entryBytesMax else { return remove(number) }
        // At most an eighth of the bound: the loop ends before nothing but this entry is left.
        evict(toFit: new - old, sparing: number)
        table.setRow(row, of: number)
        statistics.bytes += new - old
        statistics.updates += 1
    }

    private mutating func remove(_ number: Int) {
        let entry = table.entries[number]
        statistics.bytes -= RowCache.bytes(partitionKey: entry.partitionKey, row: entry.row)
        statistics.entries -= 1
        table.remove(number)
    }

    @inline(__always)
    private func find(
        _ key: RowKey,
        _ position: RowCachePosition,
        hash: UInt64
    ) -> Int? {
        table.find(position, hash: hash) { RowCacheKey.areEqual($0, key.partitionKey) }
    }

    private func find(_ position: RowCachePosition, encoded key: UnsafeRawBufferPointer) -> Int? {
        table.find(position, hash: position.hash) { RowCacheKey.isEncoding(key, of: $0) }
    }
}
