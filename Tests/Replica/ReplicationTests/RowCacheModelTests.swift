import Catalog
import Replication
import Storage
import Testing

/// Random work of several readers and one writer against a dictionary.
@Suite struct RowCacheModelTests {
    @Test(arguments: 0..<40 as Range<UInt64>)
    func `what is found is what the store holds, or held before a write under way`(seed: UInt64) {
        var model = Model(seed: seed)
        for _ in 0..<1_500 { model.step() }
        #expect(model.mismatches == 0)
        #expect(model.bytesOverLimit == 0)
        let statistics = model.cache.statistics
        #expect(statistics.hits + statistics.absentHits > 10)
        #expect(statistics.updates > 0)
        #expect(statistics.refusedFills > 0)
        model.finish()
        #expect(model.cache.statistics.entries == 0)
        #expect(model.cache.statistics.bytes == 0)
    }

    @Test func `stale fills differ from the store with most seeds`() {
        let caught = (0..<40 as Range<UInt64>).count { seed in
            var model = Model(seed: seed, fault: .installStaleFills)
            for _ in 0..<1_500 { model.step() }
            return model.mismatches > 0
        }
        #expect(caught > 30)
    }
}

private struct Model {
    private enum Open {
        case merges([StoreWrites], before: [RowKey: [UInt8]])
        case sweep([RowKey])
        case deletion(KeyRange)
    }

    private struct Reader {
        let key: RowKey
        let ticket: RowCache.Ticket
        var row: [UInt8]??
    }

    let cache: RowCache
    /// Lookups that found something else than the store held.
    private(set) var mismatches = 0
    /// Steps behind which the rows took more than they may, or less than they must.
    private(set) var bytesOverLimit = 0

    private var random: CacheRandom
    private var bytesMax: Int
    private var store: [RowKey: [UInt8]] = [:]
    private let keys: [RowKey]
    private var readers: [Reader] = []
    private var open: Open?
    private var isStored = false
    private var clock = 0

    init(seed: UInt64, fault: RowCache.Fault = .none) {
        random = CacheRandom(seed: seed)
        bytesMax = 16_000 << random.below(4)
        cache = RowCache(bytesMax: bytesMax, stripeCount: 1 << random.below(3), fault: fault)
        let partitionKeys: [[UInt8]] = [
            [], [0], [0, 0xFF], [1, 0, 0], [7, 7, 7, 7, 7, 7, 7, 7, 0],
        ]
        // Few tokens for many keys, in two tables.
        keys = partitionKeys.flatMap { bytes in
            [-3, 0, 1 << 40].flatMap { token in
                [7, 8].map { cacheKey(bytes, token: token, table: $0) }
            }
        }
    }

    mutating func step() {
        switch random.below(100) {
        case ..<42: lookup()
        case ..<82: advanceReader()
        case ..<97: advanceWriter()
        case ..<98:
            bytesMax = random.below(4) == 0 ? 0 : 16_000 << random.below(4)
            cache.resize(bytesMax: bytesMax)
        default: cache.rowsReadAround()
        }
        let statistics = cache.statistics
        let least = statistics.entries * RowCache.entryOverheadBytes
        if statistics.bytes > bytesMax || statistics.bytes < least { bytesOverLimit += 1 }
    }

    /// Ends what is under way and removes everything.
    mutating func finish() {
        while open != nil { advanceWriter() }
        cache.rowsWillBeDeleted(in: .all)
        cache.rowsDeleted(in: .all, failed: false)
    }

    private func key(_ random: inout CacheRandom) -> RowKey { keys[random.below(keys.count)] }

    private mutating func lookup() {
        let key = key(&random)
        let found: [UInt8]?
        switch cache.lookup(key) {
        case .found(let row): found = row
        case .absent: found = nil
        case .miss(let ticket):
            readers.append(Reader(key: key, ticket: ticket))
            return
        }
        if case .merges(let batches, let before) = open,
            batches.contains(where: { $0.merges.contains { $0.key == key.encoded } })
        {
            if found != before[key] { mismatches += 1 }
        } else {
            if found != store[key] { mismatches += 1 }
        }
    }

    private mutating func advanceReader() {
        guard !readers.isEmpty else { return }
        // Mostly the latest: the others show how old a ticket may get.
        let index = random.below(8) == 0 ? random.below(readers.count) : readers.count - 1
        let reader = readers[index]
        guard let row = reader.row else {
            readers[index].row = .some(store[reader.key])
            return
        }
        cache.fill(reader.ticket, reader.key, row: row)
        readers.remove(at: index)
    }

    private mutating func advanceWriter() {
        guard let open else { return beginWrite() }
        guard isStored else {
            isStored = true
            return apply(open)
        }
        switch open {
        case .merges(let batches, _): cache.writesDidEnd(batches, failed: random.below(20) == 0)
        case .sweep(let keys): cache.rowsReplaced(keys.map(\.encoded), failed: false)
        case .deletion(let range): cache.rowsDeleted(in: range, failed: false)
        }
        self.open = nil
    }

    private mutating func beginWrite() {
        isStored = false
        switch random.below(20) {
        case 0:
            let prefix = RowKey.tablePrefix(key(&random).table)
            let range = KeyRange(lower: key(&random).encoded, upper: KeyRange.successor(of: prefix))
            cache.rowsWillBeDeleted(in: range)
            open = .deletion(range)
        case 1...2:
            let swept = (0...random.below(3)).map { _ in key(&random) }
            cache.rowsWillBeReplaced(swept.map(\.encoded))
            open = .sweep(swept)
        default:
            let batches = (0...random.below(3)).map { _ in
                batch(
                    (0...random.below(3)).map { _ in
                        clock += 1
                        let value = Array(repeating: UInt8(clock & 0xFF), count: random.below(60))
                        let column = random.below(4)
                        return (key(&random), columnRow(column, timestamp: clock, value: value))
                    }
                )
            }
            cache.writesWillBegin(batches)
            open = .merges(batches, before: store)
        }
    }

    private mutating func apply(_ open: Open) {
        switch open {
        case .merges(let batches, _):
            for (bytes, operand) in batches.flatMap(\.merges) {
                guard let key = keys.first(where: { $0.encoded == bytes }) else { continue }
                store[key] = RowMerge.merge((store[key].map { [$0] } ?? []) + [operand])
            }
        case .sweep(let keys): for key in keys { store[key] = nil }
        case .deletion(let range): store = store.filter { !range.contains($0.key.encoded) }
        }
    }
}
