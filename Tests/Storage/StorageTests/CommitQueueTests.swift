import Storage
import Testing

@Suite struct CommitQueueTests {
    private let sink = JournalingSink("loop", Journal())

    private func batch(_ byteCount: Int) -> StoreWrites {
        var writes = StoreWrites()
        writes.merge([UInt8](repeating: 0, count: byteCount - 17), into: [1])
        return writes
    }

    private func queue(bytesMax: Int, batchesMax: Int) -> CommitQueue {
        CommitQueue(
            path: "model",
            bounds: CommitQueue.Bounds(bytesMax: bytesMax, batchesMax: batchesMax)
        )
    }

    /// Offers batches of some sizes; says which were taken.
    private func offer(_ sizes: [Int], to queue: inout CommitQueue) -> [Bool] {
        sizes.enumerated().map { index, size in
            queue.offer(queue.request(batch(size), ticket: UInt64(index), sink: sink))
        }
    }

    @Test func `it is bounded in batches and in bytes`() {
        var short = queue(bytesMax: 1000, batchesMax: 2)
        #expect(offer([20, 20, 20], to: &short) == [true, true, false])
        var narrow = queue(bytesMax: 100, batchesMax: 10)
        #expect(offer([50, 50, 20], to: &narrow) == [true, true, false])
        #expect(narrow.bytes == 100)
        let group = narrow.takeGroup(bytesMax: 60)
        #expect(group.map(\.ticket) == [0])
        #expect(narrow.bytes == 50)
        #expect(offer([50], to: &narrow) == [true])
    }

    @Test func `a group has at least one batch and keeps the order`() {
        var queue = queue(bytesMax: 1000, batchesMax: 10)
        #expect(queue.takeGroup(bytesMax: 10).isEmpty)
        #expect(offer([100, 100, 100, 300], to: &queue) == [true, true, true, true])
        #expect(queue.takeGroup(bytesMax: 10).map(\.ticket) == [0])
        #expect(queue.takeGroup(bytesMax: 299).map(\.ticket) == [1, 2])
        #expect(queue.takeGroup(bytesMax: .max).map(\.ticket) == [3])
        #expect(queue.isEmpty)
        #expect(queue.bytes == 0)
    }

    @Test func `what can never be written waits its turn without counting`() {
        var queue = queue(bytesMax: 100, batchesMax: 10)
        #expect(offer([100, 101], to: &queue) == [true, true])
        let group = queue.takeGroup(bytesMax: 100)
        #expect(group.map { $0.refusal == nil } == [true, false])
        #expect(group[1].refusal?.description.contains("a batch has 101 bytes") == true)
        #expect(group[1].refusal?.description.contains("is 100: split it") == true)
    }

    @Test func `a batch counts all its parts`() {
        var writes = StoreWrites()
        #expect(writes.isEmpty && writes.bytes == 0)
        writes.putHint([1, 2], for: [3])
        writes.deleteHint([4])
        #expect(writes.bytes == 19 + 17)
        #expect(writes.hasPuts && !writes.hasChores && !writes.touchesLocal)
        var chores = StoreWrites()
        chores.sweep([1], nowSeconds: 1, purgeBeforeSeconds: 0)
        chores.drop(range: KeyRange(lower: [1], upper: [2]))
        #expect(chores.bytes == 33 + 18)
        #expect(!chores.hasPuts && chores.hasChores && !chores.isEmpty)
        var local = StoreWrites()
        local.deleteLocal([1])
        #expect(local.touchesLocal && local.hasPuts)
        #expect(StoreWrites().durability == .synced)
    }
}
