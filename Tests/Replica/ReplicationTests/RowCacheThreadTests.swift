import Foundation
import Replication
import Storage
import Synchronization
import Testing

/// Real threads: two readers and a writer over few rows, in a cache that is too small for them.
@Suite struct RowCacheThreadTests {
    @Test func `on real threads no row goes back either`() throws {
        let world = World()
        let done = (0..<3).map { _ in DispatchSemaphore(value: 0) }
        for (index, semaphore) in done.enumerated() {
            let thread = Thread {
                if index == 0 { world.write() } else { world.read(seed: UInt64(index)) }
                semaphore.signal()
            }
            thread.start()
        }
        for semaphore in done { semaphore.wait() }
        #expect(world.violations.load(ordering: .sequentiallyConsistent) == 0)
        let statistics = world.cache.statistics
        #expect(statistics.bytes <= World.bytesMax)
        #expect(statistics.hits > 1_000)
        #expect(statistics.fills > 100)
        #expect(statistics.evictions > 0)
    }
}

private final class World: Sendable {
    static let keyCount = 96
    static let bytesMax = 16_000

    let cache = RowCache(bytesMax: World.bytesMax, stripeCount: 2)
    let violations = Atomic(0)

    private let keys = (0..<World.keyCount).map { cacheKey([UInt8($0), 0], token: Int64($0)) }
    private let store = Mutex([Int](repeating: 1, count: World.keyCount))
    /// The greatest version of each row that anybody had or that was acknowledged.
    private let floors = Mutex([Int](repeating: 1, count: World.keyCount))
    private let isWriting = Atomic(true)

    func write() {
        var random = CacheRandom(seed: 99)
        for round in 2..<12_000 {
            let chosen = Set((0...random.below(3)).map { _ in random.below(Self.keyCount) })
            let writes = [batch(chosen.map { (keys[$0], versionRow(round)) })]
            cache.writesWillBegin(writes)
            store.withLock { store in for index in chosen { store[index] = round } }
            cache.writesDidEnd(writes, failed: random.below(50) == 0)
            for index in chosen { raise(index, to: round) }
        }
        isWriting.store(false, ordering: .releasing)
    }

    func read(seed: UInt64) {
        var random = CacheRandom(seed: seed)
        var rounds = 0
        while isWriting.load(ordering: .acquiring) || rounds < 2_000 {
            rounds += 1
            // Half of the reads go to a quarter of the rows.
            let index = random.below(random.below(2) == 0 ? Self.keyCount / 4 : Self.keyCount)
            let floor = floors.withLock { $0[index] }
            let number: Int
            switch cache.lookup(keys[index]) {
            case .found(let row): number = (try? version(of: row)) ?? 0
            case .absent: number = 0
            case .miss(let ticket):
                number = store.withLock { $0[index] }
                cache.fill(ticket, keys[index], row: versionRow(number))
            }
            if number < floor { violations.add(1, ordering: .relaxed) }
            raise(index, to: number)
        }
    }

    private func raise(_ index: Int, to version: Int) {
        floors.withLock { $0[index] = max($0[index], version) }
    }
}
