import Catalog
import PeerMessages
import Replication
import Testing
import TokenPlacement

/// Which marks are told to whom, and which are taken from others.
struct MarkForwardingTests {
    /// Four slices, each on two of three nodes: slice 0 on 1 and 2, 1 on 2 and 3, 2 on 3 and 1.
    private let table = replicatedTable(owners: [1, 2, 3, 1], factor: 2)
    private let all = Set(nodes(1...3))

    private func mark(_ slice: Int, _ target: Int, since: Int64 = 9) -> DirtyMark {
        DirtyMark(table: testTable, slice: slice, target: node(target), sinceSeconds: since)
    }

    private func messages(
        _ marks: [DirtyMark],
        from number: Int,
        alive: Set<NodeID>? = nil
    ) -> [MarkForwarding] {
        MarkForwarding.messages(
            of: marks,
            tables: [testTable: table],
            from: node(number),
            alive: alive ?? all,
            marksMax: 1000
        )
    }

    @Test func `marks go to the first living replica, together`() {
        let marks = [mark(0, 2), mark(1, 3), mark(2, 1)]
        let found = messages(marks, from: 1)
        // Slice 0 this node repairs itself; of slice 1 it is no replica.
        #expect(found.map(\.keeper) == [node(2), node(3)])
        #expect(found.map(\.marks) == [[mark(1, 3)], [mark(2, 1)]])
        #expect(found.map(\.handedOver) == [[mark(1, 3)], []])
        let heirs = messages(marks, from: 1, alive: [node(1), node(3)])
        #expect(heirs.map(\.keeper) == [node(3)])
        #expect(heirs.map(\.marks) == [[mark(1, 3), mark(2, 1)]])
        #expect(heirs.map(\.handedOver) == [[mark(1, 3)]])
        #expect(messages(marks, from: 1, alive: [node(1)]).isEmpty)
        #expect(messages([], from: 1).isEmpty)
    }

    @Test func `messages are bounded and keep the order of the marks`() {
        let marks = (0..<2001 as Range<Int64>).map { mark(1, 3, since: $0) }
        let found = messages(marks + [mark(2, 1)], from: 1)
        #expect(found.map(\.marks.count) == [1000, 1000, 1, 1])
        #expect(found.dropLast().flatMap(\.marks) == marks)
        #expect(found.dropLast().flatMap(\.handedOver) == marks)
        #expect(messages(Array(marks[..<1000]), from: 1).count == 1)
    }

    @Test func `marks of no table and no slice go nowhere`() {
        let foreign = DirtyMark(table: TableID(99), slice: 0, target: node(2), sinceSeconds: 9)
        #expect(messages([foreign, mark(4, 2), mark(-1, 2)], from: 3).isEmpty)
    }

    @Test func `only a replica of a slice that there is can lack writes`() {
        #expect(table.mayLack(mark(1, 2)))
        #expect(table.mayLack(mark(1, 3)))
        #expect(!table.mayLack(mark(1, 1)))
        #expect(!table.mayLack(mark(4, 1)))
        #expect(!table.mayLack(mark(-1, 1)))
        let foreign = DirtyMark(table: TableID(99), slice: 1, target: node(2), sinceSeconds: 9)
        #expect(!table.mayLack(foreign))
    }
}
