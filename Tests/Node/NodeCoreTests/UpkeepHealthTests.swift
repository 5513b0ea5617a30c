import Catalog
import ClusterLog
import NodeCore
import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

/// Slices that cannot be read, as upkeep finds and keeps them.
struct UpkeepHealthTests {
    private static let sliceCount = FakeNode.sliceCount
    private static let table = FakeNode.table

    /// Node `a` of two, on what a loop's store holds.
    private func start(
        _ loop: FakeLoop,
        factor: Int,
        _ records: UpkeepRecords? = nil
    ) throws -> NodeLogic {
        let logic = try FakeNode.logic(
            loop,
            entries: FakeNode.entries(factor: factor),
            records: records ?? UpkeepRecords(reading: loop.store)
        )
        logic.start()
        loop.runPools()
        return logic
    }

    private func slice(_ number: Int) -> SliceID { SliceID(Self.table.id, number) }

    private func states(_ logic: NodeLogic) -> [SliceHealth.State?] {
        let health = logic.loops[0].value.replica.health
        return (0..<Self.sliceCount).map { health.state(of: slice($0)) }
    }

    /// Puts a row into each slice.
    private func fill(_ store: ModelBackend) throws {
        try store.put(
            (0..<Self.sliceCount).map { (FakeNode.partitions(1, in: $0)[0], FakeNode.row(10)) }
        )
    }

    @Test(arguments: [1, 2])
    func `nothing of a lost disk is readable, also what had one replica`(factor: Int) throws {
        let loop = FakeLoop()
        var records = UpkeepRecords()
        records.lostDisk = LostDiskDuty()
        let logic = try start(loop, factor: factor, records)
        let expected = (0..<Self.sliceCount).map { number -> SliceHealth.State? in
            factor == 2 || number % 2 == 0 ? .rebuilding : nil
        }
        #expect(states(logic) == expected)
        // It stays so over a restart, and one replica is not asked for what it has not.
        loop.advance(.seconds(100))
        loop.runPools()
        #expect(states(logic) == expected)
        logic.stop()
        let again = try start(loop, factor: factor)
        #expect(states(again) == expected)
    }

    @Test func `slices are marked for hints that were lost, and once, also over a crash`() throws {
        let loop = FakeLoop()
        var lost = StoreWrites()
        lost.putLocal(LostHints(nowSeconds: 70).value, for: LocalKeys.lostHints)
        try loop.store.write([lost], synced: true)
        let logic = try start(loop, factor: 2)
        // It crashes with its marks half way to the disk.
        loop.advance(.seconds(3))
        loop.crash()
        logic.abandon()
        #expect(try UpkeepRecords(reading: loop.store).dirty.isEmpty)
        #expect(try loop.store.readLocal(LocalKeys.lostHints) != nil)
        let again = try start(loop, factor: 2)
        for _ in 0..<5 {
            loop.advance(.seconds(3))
            loop.runPools()
        }
        let dirty = try UpkeepRecords(reading: loop.store).dirty
        let marks = dirty.compactMap { SliceKeys.dirtyMark(key: $0.key, value: $0.value) }
        #expect(marks.count == Self.sliceCount * 2)
        #expect(Set(marks.map(\.slice)) == Set(0..<Self.sliceCount))
        #expect(Set(marks.map(\.target)) == [FakeNode.a, FakeNode.b])
        #expect(try loop.store.readLocal(LocalKeys.lostHints) == nil)
        again.stop()
    }

    @Test func `what is damaged is refused, and kept while its other replica is down`() throws {
        let loop = FakeLoop()
        try fill(loop.store)
        let logic = try start(loop, factor: 2)
        #expect(states(logic) == [SliceHealth.State?](repeating: nil, count: Self.sliceCount))
        loop.store.damage(RowKey.sliceRange(table: Self.table.id, tokens: FakeNode.tokens(3)))
        logic.loops[0].value.replica.corruptionFound(
            Self.table.id,
            FakeNode.tokens(3).lowerBound,
            .corruption(StorageError.Fault(operation: "read", path: "disk", message: "damaged"))
        )
        loop.runPools()
        #expect(states(logic)[3] == .damaged)
        for _ in 0..<10 {
            loop.advance(.seconds(30))
            loop.runPools()
        }
        #expect(states(logic)[3] == .damaged)
        #expect(loop.store.isDamaged, "nothing was dropped")
        logic.stop()
        let again = try start(loop, factor: 2)
        #expect(states(again)[3] == .damaged)
        #expect(states(again).count { $0 != nil } == 1)
    }

    @Test func `damage that turned out to be none is forgiven`() throws {
        let loop = FakeLoop()
        try fill(loop.store)
        var writes = StoreWrites()
        let change = SliceHealth.change(to: .damaged, slice(3))
        writes.apply(change)
        try loop.store.write([writes], synced: true)
        let logic = try start(loop, factor: 2)
        #expect(states(logic) == [SliceHealth.State?](repeating: nil, count: Self.sliceCount))
    }

    @Test(arguments: [1, 2])
    func `slices that lost rows with a file are refused, though what is left reads like sound ones`(
        factor: Int
    ) throws {
        let loop = FakeLoop()
        try fill(loop.store)
        let tokens = FakeNode.tokens(2).lowerBound...FakeNode.tokens(3).upperBound
        let range = RowKey.sliceRange(table: Self.table.id, tokens: tokens)
        var lost = StoreWrites()
        lost.putLocal([], for: LocalKeys.lostRows(range))
        try loop.store.write([lost], synced: true)
        // The other replica, if there is one, is down.
        for _ in 0..<2 {
            let logic = try start(loop, factor: factor)
            for _ in 0..<5 {
                loop.advance(.seconds(30))
                loop.runPools()
            }
            let states = states(logic)
            #expect(states[2] == .damaged)
            #expect(states[3] == (factor == 2 ? .damaged : nil), "one replica: the other node's")
            #expect(states.count { $0 != nil } == factor)
            #expect(try UpkeepRecords(reading: loop.store).lostRows == [range])
            logic.stop()
        }
        // Once they were dropped nothing is owed any more.
        var dropped = StoreWrites()
        for number in 2...3 {
            dropped.apply(SliceHealth.change(to: .rebuilding, slice(number)))
        }
        try loop.store.write([dropped], synced: true)
        let logic = try start(loop, factor: factor)
        loop.advance(.seconds(3))
        loop.runPools()
        #expect(states(logic)[2] == .rebuilding)
        #expect(try UpkeepRecords(reading: loop.store).lostRows == [])
    }

    @Test func `a row that cannot be decoded is damage`() throws {
        let loop = FakeLoop()
        try fill(loop.store)
        try loop.store.put([(FakeNode.partitions(1, in: 5)[0], [99])])
        let logic = try start(loop, factor: 2)
        var digests: [Result<[RangeDigest], PeerFailure>] = []
        logic.loops[0].value.replica.digests(
            RangeDigestRequest(
                table: Self.table.id,
                nowSeconds: 1000,
                ranges: [FakeNode.tokens(5)]
            ),
            for: FakeNode.b
        ) { digests.append($0) }
        loop.runPools()
        #expect(digests.count == 1)
        #expect(states(logic)[5] == .damaged)
    }
}
