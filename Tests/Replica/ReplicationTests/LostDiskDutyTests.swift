import Catalog
import Replication
import Testing
import TokenPlacement

/// Which tables a node with a lost disk does not answer for, and until when.
struct LostDiskDutyTests {
    private let table = replicatedTable(TableID(3), owners: [1, 2, 3, 1], factor: 2)
    private let alone = replicatedTable(TableID(5), owners: [1, 2, 1, 2], factor: 1)

    private func slices(_ table: UInt32, _ numbers: [Int]) -> [SliceID] {
        numbers.map { SliceID(TableID(table), $0) }
    }

    @Test func `every table is marked once, also one that appears later or has one replica`() {
        var duty = LostDiskDuty()
        #expect(duty.tablesSeen([], on: node(1)) == [])
        #expect(duty.tablesSeen([table], on: node(1)) == slices(3, [0, 2, 3]))
        #expect(duty.tablesSeen([table], on: node(1)) == [])
        #expect(duty.tablesSeen([alone, table], on: node(1)) == slices(5, [0, 2]))
        #expect(duty.tablesSeen([alone, table], on: node(1)) == [])
    }

    @Test func `what was marked is remembered over a restart`() {
        var duty = LostDiskDuty(value: [1])
        #expect(duty == LostDiskDuty())
        _ = duty.tablesSeen([table], on: node(1))
        var restored = LostDiskDuty(value: duty.value)
        #expect(restored == duty)
        #expect(restored.tablesSeen([table], on: node(1)) == [])
        #expect(restored.tablesSeen([table, alone], on: node(1)) == slices(5, [0, 2]))
    }

    @Test func `it ends behind some calm rounds in a row`() {
        var duty = LostDiskDuty()
        func pass(_ isCalm: Bool) -> Bool { duty.roundPassed(areSourcesAlive: isCalm) }
        for _ in 1..<LostDiskDuty.calmRoundsMin { #expect(!pass(true)) }
        #expect(!pass(false))
        for _ in 1..<LostDiskDuty.calmRoundsMin { #expect(!pass(true)) }
        _ = duty.tablesSeen([table], on: node(1))
        for _ in 1..<LostDiskDuty.calmRoundsMin { #expect(!pass(true)) }
        #expect(pass(true))
    }
}
