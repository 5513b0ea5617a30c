import Catalog
import RocksStorage
import Storage
import Synchronization
import Testing

/// Hints, sweeps and drops through the writer thread.
@Suite struct SweepTests {
    /// Counts what it hears.
    private final class CountingObserver: WriteObserver {
        struct Counts: Equatable {
            var begun = 0
            var ended = 0
            var replaced: [[UInt8]] = []
            var deleted: [KeyRange] = []
            var failed = 0
        }

        private let state = Mutex(Counts())

        var counts: Counts { state.withLock { $0 } }

        func writesWillBegin(_ batches: [StoreWrites]) {
            state.withLock { $0.begun += batches.count }
        }
        func writesDidEnd(_ batches: [StoreWrites], failed: Bool) {
            state.withLock { counts in
                counts.ended += batches.count
                if failed { counts.failed += 1 }
            }
        }
        func rowsWillBeReplaced(_ keys: [[UInt8]]) {}
        func rowsReplaced(_ keys: [[UInt8]], failed: Bool) {
            state.withLock { $0.replaced += keys }
        }
        func rowsWillBeDeleted(in range: KeyRange) {}
        func rowsDeleted(in range: KeyRange, failed: Bool) {
            state.withLock { $0.deleted.append(range) }
        }
    }

    private func cell(_ timestamp: Int64, _ content: Cell.Content, column: UInt32 = 1) -> [UInt8] {
        let cell = Cell(
            column: ColumnID(column),
            timestamp: WriteTimestamp(timestamp),
            content: content
        )
        return Row(cells: [cell]).encoded()
    }

    @Test func `hints outlive a loss of power, and go one by one`() throws {
        let disk = try SimulatedDisk()
        let options = RocksOptions.small()
        var store = try RocksStore(options: options, environment: disk.environment())
        var writes = StoreWrites()
        for number in UInt8(0)..<20 { writes.putHint([number], for: [number % 2, number]) }
        writes.merge(cell(1, .live([1])), into: [1, 1])
        try store.commit(writes)
        for round in 0..<3 {
            let ofTarget = KeyRange(lower: [1], upper: [2])
            let hints = try store.scanHints(ofTarget, limit: 4, bytesMax: .max)
            let first = UInt8(1 + 2 * round)
            #expect(hints.map(\.value) == (0..<4).map { [first + 2 * $0] })
            let bytes = try store.scanHints(.all, limit: 9, bytesMax: 6)
            #expect(bytes.count == 2)
            #expect(try store.read([[1, 1]]) == [cell(1, .live([1]))])
            #expect(try store.readLocal([1, 1]) == nil)
            if round == 0 { try store.flush() }
            disk.cutPower()
            store.close()
            disk.restorePower()
            store = try RocksStore(options: options, environment: disk.environment())
            var removal = StoreWrites()
            removal.deleteHint([1, first])
            try store.commit(removal)
        }
        #expect(try store.scanHints(.all, limit: 99, bytesMax: .max).count == 17)
        #expect(try store.statistics().hintBytes > 0)
    }

    @Test func `a sweep on disk leaves what the merged row still says`() throws {
        let disk = try SimulatedDisk()
        let observer = CountingObserver()
        let store = try RocksStore(
            options: .small(),
            environment: disk.environment(),
            observer: observer
        )
        let dead = cell(5, .deleted(deletionSeconds: 100))
        let expiry = Expiry(atSeconds: 100, timeToLiveSeconds: 5)
        let expiring = cell(5, .expiring([7], expiry), column: 2)
        var writes = StoreWrites()
        writes.merge(dead, into: [1])
        for operand in [dead, expiring] { writes.merge(operand, into: [2]) }
        writes.merge(cell(9, .live([3])), into: [3])
        writes.merge(dead, into: [3])
        writes.merge([42], into: [4])
        try store.commit(writes)
        try store.flush()
        var sweep = StoreWrites()
        // The merge of this very batch and the one before the sweep both count.
        sweep.merge(cell(8, .live([8]), column: 3), into: [2])
        for key in UInt8(1)...5 { sweep.sweep([key], nowSeconds: 200, purgeBeforeSeconds: 100) }
        try store.commit(sweep)
        let value = cell(8, .live([8]), column: 3)
        let swept = cell(5, .expired(atSeconds: 100), column: 2)
        let kept = RowMerge.merge([dead, swept, value])
        for round in 0..<2 {
            #expect(
                try store.read([[1], [2], [3], [4], [5]])
                    == [dead, kept, cell(9, .live([3])), [42], nil]
            )
            if round == 0 { try store.compact() }
        }
        var purge = StoreWrites()
        for key in UInt8(1)...5 { purge.sweep([key], nowSeconds: 200, purgeBeforeSeconds: 101) }
        try store.commit(purge)
        // A sweep that purges removes whole rows, and a late write finds nothing in its way.
        #expect(try store.read([[1], [2]]) == [nil, value])
        var late = StoreWrites()
        late.merge(cell(4, .live([4])), into: [1])
        try store.commit(late)
        #expect(try store.read([[1]]) == [cell(4, .live([4]))])
        try store.compact()
        #expect(try store.read([[1], [2]]) == [cell(4, .live([4])), value])
        #expect(observer.counts.replaced.count == 10)
        #expect(observer.counts.begun == 3)
        #expect(observer.counts.ended == 3)
        #expect(observer.counts.failed == 0)
    }

    @Test func `sweeps beside concurrent merges lose none`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(options: .small(), environment: disk.environment())
        let sink = RecordingSink()
        let dead = cell(0, .deleted(deletionSeconds: 1), column: 9)
        var expected: [[UInt8]] = []
        for number in 0..<200 {
            let column = UInt32(number % 5)
            let operand = cell(Int64(number + 1), .live([UInt8(number)]), column: column)
            var merge = StoreWrites()
            merge.merge(operand, into: [1])
            merge.merge(dead, into: [1])
            expected.append(operand)
            var sweep = StoreWrites()
            sweep.durability = number % 3 == 0 ? .synced : .periodic
            sweep.sweep([1], nowSeconds: 100, purgeBeforeSeconds: 100)
            #expect(store.submit(sweep, ticket: UInt64(2 * number), sink: sink))
            #expect(store.submit(merge, ticket: UInt64(2 * number + 1), sink: sink))
        }
        sink.waitForOutcomes(400)
        #expect(sink.acknowledged.count == 400)
        var last = StoreWrites()
        last.sweep([1], nowSeconds: 100, purgeBeforeSeconds: 100)
        try store.commit(last)
        #expect(try store.read([[1]]) == [RowMerge.merge(expected)])
    }

    @Test func `batches that ask for no sync get none until the period is over`() throws {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.syncPeriod = .seconds(60)
        var store = try RocksStore(options: options, environment: disk.environment())
        func commit(_ key: UInt8, _ durability: StoreWrites.Durability) throws {
            var writes = StoreWrites()
            writes.durability = durability
            writes.merge(cell(1, .live([1])), into: [key])
            try store.commit(writes)
        }
        let syncs = disk.syncCount
        try commit(1, .periodic)
        #expect(disk.syncCount == syncs)
        try commit(2, .synced)
        #expect(disk.syncCount == syncs + 1)
        try commit(3, .periodic)
        disk.cutPower()
        store.close()
        disk.restorePower()
        store = try RocksStore(options: options, environment: disk.environment())
        let rows = try store.read([[1], [2], [3]])
        #expect(rows.map { $0 == nil } == [false, false, true])
        options.syncPeriod = .zero
        #expect(options.problems.contains { $0.contains("syncPeriod is 0") })
    }

    @Test func `the observer hears of a failed write, and of a range that is dropped`() throws {
        let disk = try SimulatedDisk()
        let observer = CountingObserver()
        let store = try RocksStore(
            options: .small(),
            environment: disk.environment(),
            observer: observer
        )
        var writes = StoreWrites()
        for key in UInt8(0)..<10 { writes.merge(cell(1, .live([1])), into: [key]) }
        try store.commit(writes)
        let range = KeyRange(lower: [3], upper: [7])
        var drop = StoreWrites()
        drop.drop(range: range)
        try store.commit(drop)
        #expect(observer.counts.deleted == [range])
        let rest = try store.scan(.all, rowsMax: 99, bytesMax: .max)
        #expect(rest.entries.map(\.key) == [0, 1, 2, 7, 8, 9].map { [$0] })
        #expect(rest.isComplete)
        disk.failSyncs(1)
        #expect(throws: StorageError.self) { try store.commit(writes) }
        #expect(throws: StorageError.self) { try store.commit(writes) }
        #expect(observer.counts.failed == 1)
        #expect(observer.counts.begun == 2)
        #expect(observer.counts.ended == 2)
    }
}
