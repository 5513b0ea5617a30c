import Catalog
import Replication
import Storage
import Testing
import TokenPlacement

@Suite struct RowCacheTests {
    @Test func `a row is found as the very array that was filled in`() throws {
        let cache = RowCache(bytesMax: 1 << 20)
        let key = cacheKey([1, 2, 3])
        let row = versionRow(1, bytes: 100)
        #expect(cache.cached(key) == nil)
        #expect(cache.put(key, row))
        let found = try #require(cache.cached(key))
        #expect(found == row)
        #expect(found.withUnsafeBytes { $0.baseAddress } == row.withUnsafeBytes { $0.baseAddress })
    }

    @Test func `an absent row is remembered until it is written`() {
        let cache = RowCache(bytesMax: 1 << 20)
        let key = cacheKey([1])
        cache.put(key, nil)
        #expect(cache.cached(key) == [])
        cache.apply(batch([(key, versionRow(3))]))
        #expect(cache.cached(key) == versionRow(3))
    }

    @Test func `a write is merged into the cached row, all of its operands at once`() throws {
        let cache = RowCache(bytesMax: 1 << 20)
        let key = cacheKey([1])
        let operands = (1...40).map { columnRow($0 % 7, timestamp: $0, value: [UInt8($0)]) }
        let old = columnRow(9, timestamp: 1, value: [9])
        cache.put(key, old)
        let batches = operands.map { batch([(cacheKey([2]), $0), (key, $0)]) }
        cache.writesWillBegin(batches)
        #expect(cache.cached(key) == old)
        cache.writesDidEnd(batches, failed: false)
        #expect(cache.cached(key) == RowMerge.merge([old] + operands))
        #expect(cache.cached(cacheKey([2])) == nil)
        #expect(cache.statistics.updates == 1)
    }

    @Test func `a failed write drops the row`() {
        let cache = RowCache(bytesMax: 1 << 20)
        let key = cacheKey([1])
        cache.put(key, versionRow(1))
        cache.apply(batch([(key, versionRow(2))]), failed: true)
        #expect(cache.cached(key) == nil)
        #expect(cache.statistics.bytes == 0)
    }

    @Test func `a write of another row of the stripe refuses a fill`() {
        let cache = RowCache(bytesMax: 1 << 20, stripeCount: 1)
        guard case .miss(let ticket) = cache.lookup(cacheKey([1])) else {
            Issue.record("an empty cache has a row")
            return
        }
        cache.apply(batch([(cacheKey([2], token: -9), versionRow(2))]))
        #expect(!cache.fill(ticket, cacheKey([1]), row: versionRow(1)))
        #expect(cache.statistics.refusedFills == 1)
    }

    @Test func `no row is filled in while any of several writes is under way`() {
        let cache = RowCache(bytesMax: 1 << 20, stripeCount: 1)
        let key = cacheKey([1])
        let first = [batch([(key, versionRow(2))])]
        let second = [batch([(cacheKey([2]), versionRow(3))])]
        cache.writesWillBegin(first)
        cache.writesWillBegin(second)
        #expect(!cache.put(key, versionRow(1)))
        cache.writesDidEnd(first, failed: false)
        #expect(!cache.put(key, versionRow(2)))
        cache.rowsWillBeReplaced([key.encoded])
        cache.writesDidEnd(second, failed: true)
        #expect(!cache.put(key, versionRow(2)))
        cache.rowsReplaced([key.encoded], failed: false)
        #expect(cache.put(key, versionRow(2)))
    }

    @Test func `keys of the same token are told apart`() {
        let cache = RowCache(bytesMax: 1 << 20, stripeCount: 4)
        let keys = [[], [0], [0, 0], [1], [1, 0], Array(0...8), Array(0...7) + [9]]
            .flatMap { bytes in [cacheKey(bytes), cacheKey(bytes, table: 8)] }
        for (number, key) in keys.enumerated() { cache.put(key, versionRow(number)) }
        cache.apply(batch([(keys[3], versionRow(100))]))
        for (number, key) in keys.enumerated() {
            #expect(cache.cached(key) == versionRow(number == 3 ? 100 : number))
        }
    }

    @Test func `stored keys find their rows whatever zeros they hold`() {
        // All keys up to four bytes of an alphabet in which escapes could be mistaken.
        let alphabet: [UInt8] = [0, 1, 0x40, 0xFF]
        var all: [[UInt8]] = [[]]
        var longest = all
        for _ in 0..<4 {
            longest = longest.flatMap { key in alphabet.map { key + [$0] } }
            all += longest
        }
        let keys = all.enumerated().map { cacheKey($1, token: Int64($0) / 16) }
        let cache = RowCache(bytesMax: 1 << 22, stripeCount: 2)
        for key in keys { cache.put(key, versionRow(1)) }
        for (number, key) in keys.enumerated() {
            cache.apply(batch([(key, versionRow(number + 2))]))
        }
        for (number, key) in keys.enumerated() {
            #expect(cache.cached(key) == versionRow(number + 2))
        }
        // What belongs to the partition but is not the row, and what is no key at all.
        for key in [keys[0].encoded(.staticRow), keys[0].encoded + [0], [], [0, 0, 0, 7]] {
            var writes = StoreWrites()
            writes.merge(versionRow(1_000), into: key)
            cache.apply(writes)
        }
        #expect(cache.cached(keys[0]) == versionRow(2))
    }

    @Test func `keys that all collide are cached in part and found quickly`() {
        let cache = RowCache(bytesMax: 1 << 24, stripeCount: 1)
        let keys = (0..<1_000).map { cacheKey([UInt8($0 & 0xFF), UInt8($0 >> 8)], token: .min) }
        let filled = keys.count { cache.put($0, versionRow(1)) }
        #expect(filled == 128)
        #expect(keys.count { cache.cached($0) != nil } == filled)
        #expect(cache.statistics.entries == filled)
    }

    @Test func `a range goes, its neighbours stay`() {
        let cache = RowCache(bytesMax: 1 << 20, stripeCount: 4)
        let tokens: [Int64] = [.min, -5, 0, 5, 100, .max]
        let keys = tokens.flatMap { token in
            [6, 7, 8].map { cacheKey([1], token: token, table: $0) }
        }
        func fill() { for key in keys { cache.put(key, versionRow(1)) } }
        func left() -> [RowKey] { keys.filter { cache.cached($0) != nil } }
        fill()
        let slice = RowKey.sliceRange(table: keys[1].table, tokens: Token(-5)...Token(5))
        cache.rowsWillBeDeleted(in: slice)
        #expect(!cache.put(cacheKey([2]), versionRow(2)))
        cache.rowsDeleted(in: slice, failed: false)
        #expect(
            left() == keys.filter { $0.table.value != 7 || !(-5...5).contains($0.token.value) }
        )
        fill()
        let table = RowKey.tableRange(keys[1].table)
        cache.rowsWillBeDeleted(in: table)
        cache.rowsDeleted(in: table, failed: true)
        #expect(left() == keys.filter { $0.table.value != 7 })
        fill()
        cache.rowsWillBeDeleted(in: .all)
        cache.rowsDeleted(in: .all, failed: false)
        #expect(left() == [])
        #expect(cache.statistics.bytes == 0)
    }

    @Test func `a range that is removed piece by piece takes what was filled in between`() {
        let cache = RowCache(bytesMax: 1 << 20, stripeCount: 1)
        let keys = (0..<10).map { cacheKey([1], token: Int64($0)) }
        for first in 0..<10 {
            let piece = KeyRange(
                lower: keys[first].encoded,
                upper: RowKey.tableRange(keys[0].table).upper
            )
            for key in keys { cache.put(key, versionRow(1)) }
            cache.rowsWillBeDeleted(in: piece)
            cache.rowsDeleted(in: piece, failed: false)
            #expect(keys.count { cache.cached($0) != nil } == first)
        }
    }

    @Test func `rows that are hit stay, a flood of others passes`() {
        let cache = RowCache(bytesMax: 100_000, stripeCount: 1)
        let hot = (0..<50).map { cacheKey([0, UInt8($0)], token: Int64($0)) }
        for key in hot { cache.put(key, versionRow(1)) }
        for number in 0..<20_000 {
            cache.put(cacheKey([1], token: Int64(1_000 + number)), versionRow(1))
            _ = cache.lookup(hot[number % hot.count])
        }
        #expect(hot.count { cache.cached($0) != nil } == hot.count)
        #expect(cache.statistics.evictions > 19_000)
        #expect(cache.statistics.bytes <= 100_000)
    }

    @Test func `a row of more than an eighth of a stripe is not kept`() {
        let cache = RowCache(bytesMax: 16_000, stripeCount: 2)
        let key = cacheKey([1])
        #expect(!cache.put(key, versionRow(1, bytes: 1_000)))
        #expect(cache.put(key, versionRow(1, bytes: 500)))
        cache.apply(batch([(key, versionRow(2, bytes: 600))]))
        #expect(cache.cached(key) == versionRow(2, bytes: 600))
        cache.apply(batch([(key, versionRow(3, bytes: 1_000))]))
        #expect(cache.cached(key) == nil)
        #expect(cache.statistics.bytes == 0)
    }

    @Test func `a row that grows makes others go, not itself`() {
        let cache = RowCache(bytesMax: 16_000, stripeCount: 1)
        let keys = (0..<60).map { cacheKey([1], token: Int64($0)) }
        for key in keys { cache.put(key, versionRow(1)) }
        for key in keys where cache.cached(key) != nil {
            cache.apply(batch([(key, versionRow(2, bytes: 1_500))]))
            #expect(cache.statistics.bytes <= 16_000)
        }
        #expect(keys.count { cache.cached($0) == versionRow(2, bytes: 1_500) } > 3)
    }

    @Test func `a row that grows before anybody hits it is not its own victim`() {
        let cache = RowCache(bytesMax: 16_000, stripeCount: 1)
        let keys = (0..<60).map { cacheKey([1], token: Int64($0)) }
        for key in keys { cache.put(key, versionRow(1)) }
        for round in 2..<5 {
            for key in keys { cache.apply(batch([(key, versionRow(round, bytes: 300 * round))])) }
            #expect(cache.statistics.bytes <= 16_000)
        }
        let entries = keys.count { cache.cached($0) != nil }
        #expect(entries > 3)
        #expect(cache.statistics.entries == entries)
        cache.resize(bytesMax: 0)
        #expect(cache.statistics.bytes == 0)
    }

    @Test func `the limit can be changed at any time, 0 turns the cache off`() {
        let cache = RowCache(bytesMax: 1 << 16, stripeCount: 2)
        let keys = (0..<100).map { cacheKey([1], token: Int64($0)) }
        for key in keys { cache.put(key, versionRow(1)) }
        cache.resize(bytesMax: 4_000)
        #expect(cache.statistics.bytes <= 4_000)
        #expect(cache.statistics.entries > 0)
        let writes = [batch([(keys[0], versionRow(2))])]
        cache.writesWillBegin(writes)
        cache.resize(bytesMax: 0)
        #expect(cache.statistics.entries == 0)
        #expect(!cache.put(keys[1], nil))
        cache.resize(bytesMax: 1 << 16)
        // Turning it off and on forgot no write.
        #expect(!cache.put(keys[0], versionRow(1)))
        cache.writesDidEnd(writes, failed: false)
        #expect(cache.put(keys[0], versionRow(2)))
    }

    @Test func `it counts what it does`() {
        let cache = RowCache(bytesMax: 1 << 20)
        let key = cacheKey([1, 2])
        let row = versionRow(1)
        cache.put(key, row)
        cache.put(cacheKey([2]), nil)
        _ = cache.lookup(key)
        _ = cache.lookup(cacheKey([2]))
        var expected = RowCacheStatistics()
        expected.misses = 2
        expected.fills = 2
        expected.hits = 1
        expected.absentHits = 1
        expected.entries = 2
        expected.bytes =
            2 * RowCache.entryOverheadBytes + key.partitionKey.count + 1 + row.count
        #expect(cache.statistics == expected)
    }
}
