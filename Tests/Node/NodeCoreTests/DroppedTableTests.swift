import Catalog
import ClusterLog
import Coordination
import NodeCore
import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

/// What a node does with the rows, and for the rows, of a table that is gone.
struct DroppedTableTests {
    private func start(
        _ loop: FakeLoop,
        _ other: FakeLoop,
        settings: NodeSettings = NodeSettings()
    ) throws -> NodeLogic {
        try loop.store.put(
            (0..<FakeNode.sliceCount).map { (FakeNode.partitions(1, in: $0)[0], FakeNode.row(10)) }
        )
        let logic = try FakeNode.logic(
            loop,
            other,
            entries: FakeNode.entries(factor: 2),
            records: UpkeepRecords(reading: loop.store),
            settings: settings
        )
        logic.start()
        loop.runPools()
        return logic
    }

    private func drop(_ logic: NodeLogic, _ loop: FakeLoop) {
        logic.control.value.proposeHere(.dropTable(keyspace: "ks", name: "t")) { _ in }
        loop.runPools()
        #expect(logic.upkeep.value.formerTables == [FakeNode.table.id])
    }

    private func rowCount(_ store: ModelBackend) throws -> Int {
        let range = RowKey.tableRange(FakeNode.table.id)
        return try store.scan(range, rowsMax: .max, bytesMax: .max).entries.count
    }

    private var mutation: Mutation {
        let partition = FakeNode.partitions(1, in: 0)[0]
        return Mutation(table: FakeNode.table.id, partition: partition, operand: FakeNode.row(20))
    }

    @Test func `its rows go once no loop takes any more`() throws {
        let (loop, other) = (FakeLoop(), FakeLoop())
        let logic = try start(loop, other)
        other.isHeld = true
        drop(logic, loop)
        #expect(try rowCount(loop.store) == FakeNode.sliceCount, "the other loop takes more")
        #expect(logic.upkeep.value.unrest != nil)
        other.isHeld = false
        loop.runPools()
        #expect(try rowCount(loop.store) == 0)
        #expect(logic.upkeep.value.unrest == nil)
        for parts in logic.loops.map(\.value) {
            var failure: PeerFailure?
            parts.replica.write([mutation]) { result in
                if case .failure(let why) = result { failure = why }
            }
            #expect(failure?.code == .unknownTable)
        }
        logic.stop()
    }

    @Test func `its rows go also if the writer had no room at first`() throws {
        let (loop, other) = (FakeLoop(), FakeLoop())
        let logic = try start(loop, other)
        loop.refusesDrops = true
        drop(logic, loop)
        loop.advance(.seconds(5))
        loop.runPools()
        #expect(try rowCount(loop.store) == FakeNode.sliceCount)
        loop.refusesDrops = false
        loop.advance(.seconds(5))
        loop.runPools()
        #expect(try rowCount(loop.store) == 0)
        logic.stop()
    }

    @Test func `one that cannot be dropped does not keep others from it`() throws {
        let (loop, other) = (FakeLoop(), FakeLoop())
        let logic = try start(loop, other)
        var second = FakeNode.table
        second.name = "second"
        logic.control.value.proposeHere(.createTable(second)) { _ in }
        loop.runPools()
        let partition = FakeNode.partitions(1, in: 0)[0]
        let key = RowKey(table: TableID(2), token: partition.token, partitionKey: partition.key)
        var writes = StoreWrites()
        writes.merge(FakeNode.row(10), into: key.encoded)
        try loop.store.write([writes], synced: true)
        loop.failingDrop = RowKey.tableRange(FakeNode.table.id)
        drop(logic, loop)
        logic.control.value.proposeHere(.dropTable(keyspace: "ks", name: "second")) { _ in }
        for _ in 0..<20 {
            loop.advance(.seconds(1))
            loop.runPools()
        }
        #expect(try loop.store.read([key.encoded])[0] == nil)
        #expect(logic.upkeep.value.unrest != nil)
        logic.stop()
    }

    @Test func `its rows go after a start, if a crash came before`() throws {
        let (loop, other) = (FakeLoop(), FakeLoop())
        let logic = try start(loop, other)
        loop.refusesDrops = true
        drop(logic, loop)
        loop.crash()
        logic.abandon()
        loop.refusesDrops = false
        let entries = logic.control.value.entries(after: .zero)
        let again = try FakeNode.logic(
            loop,
            entries: entries,
            records: UpkeepRecords(reading: loop.store)
        )
        again.start()
        loop.runPools()
        #expect(try rowCount(loop.store) == 0)
        again.stop()
    }

    @Test func `no slice of it is marked for repair`() throws {
        var settings = NodeSettings()
        settings.upkeep.hints.bytesPerTargetMax = 0
        let (loop, other) = (FakeLoop(), FakeLoop())
        let logic = try start(loop, other, settings: settings)
        drop(logic, loop)
        // As a client does that has not heard of it; the other replica is dead.
        let coordinator = logic.loops[0].value.coordinator
        coordinator.write([mutation], keyspaces: ["ks"], consistency: .any, type: .simple) { _ in }
        loop.advance(.seconds(30))
        loop.runPools()
        #expect(logic.upkeep.value.unrest == nil)
        #expect(try UpkeepRecords(reading: loop.store).dirty.isEmpty)
        logic.stop()
    }
}
