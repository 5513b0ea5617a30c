import Catalog
import PeerMessages
import Replication
import Testing
import TokenPlacement

/// What is known of repairs, and what survives a restart.
struct RepairLedgerTests {
    private let replicas = nodes(1...3)
    private let slice = SliceID(testTable, 4)

    private var settings: RepairSettings {
        var settings = RepairSettings()
        settings.markCoverSeconds = 10
        settings.skewMarginSeconds = 20
        return settings
    }

    private func mark(_ seconds: Int64, target: Int = 2) -> DirtyMark {
        DirtyMark(table: testTable, slice: 4, target: node(target), sinceSeconds: seconds)
    }

    private func note(_ seconds: Int64) -> RepairNote {
        RepairNote(table: testTable, slice: 4, startedSeconds: seconds)
    }

    @Test func `a repair counts for the replicas that took part only`() {
        var ledger = RepairLedger(settings: settings)
        #expect(ledger.repairedSeconds(slice, replicas: replicas) == nil)
        let result1 = ledger.note(note(100), replicas: replicas, nowSeconds: 100)
        #expect(result1?.count == 1)
        #expect(ledger.repairedSeconds(slice, replicas: replicas) == 100)
        #expect(ledger.repairedSeconds(slice, replicas: nodes(1...2)) == nil)
        #expect(ledger.repairedSeconds(slice, replicas: nodes(2...4)) == nil)
        // An earlier one changes nothing, a later one does.
        let result2 = ledger.note(note(90), replicas: replicas, nowSeconds: 100)
        #expect(result2?.isEmpty == true)
        let result3 = ledger.note(note(110), replicas: replicas, nowSeconds: 110)
        #expect(result3?.count == 1)
        #expect(ledger.repairedSeconds(slice, replicas: replicas) == 110)
        let result4 = ledger.forgetRepair(of: slice)
        #expect(result4 != nil)
        let result5 = ledger.forgetRepair(of: slice)
        #expect(result5 == nil)
        #expect(ledger.repairedSeconds(slice, replicas: replicas) == nil)
    }

    @Test func `a note from the future is refused, within the clocks' margin it is not`() {
        var ledger = RepairLedger(settings: settings)
        let result6 = ledger.note(note(121), replicas: replicas, nowSeconds: 100)
        #expect(result6 == nil)
        let result7 = ledger.note(note(120), replicas: replicas, nowSeconds: 100)
        #expect(result7 != nil)
    }

    @Test func `a repair takes away the marks that it surely covers`() {
        var ledger = RepairLedger(settings: settings)
        let result8 = ledger.note(mark(100), nowSeconds: 100)
        #expect(result8 != nil)
        let result9 = ledger.note(mark(110), nowSeconds: 110)
        #expect(result9 == nil, "the first one covers it")
        let result10 = ledger.note(mark(111, target: 3), nowSeconds: 111)
        #expect(result10 != nil)
        #expect(ledger.dirtySlices == [slice])
        let result11 = ledger.note(note(130), replicas: replicas, nowSeconds: 130)
        #expect(result11 != nil)
        #expect(ledger.dirtyMarks(of: slice).count == 2, "30 s must lie between")
        let result12 = ledger.note(note(131), replicas: replicas, nowSeconds: 131)
        #expect(result12 != nil)
        #expect(ledger.dirtyMarks(of: slice).map(\.target) == [node(3)])
        let result13 = ledger.note(note(142), replicas: replicas, nowSeconds: 142)
        #expect(result13 != nil)
        #expect(!ledger.isDirty(slice))
    }

    @Test func `marks of who is no replica any more go with any repair`() {
        var ledger = RepairLedger(settings: settings)
        let result14 = ledger.note(mark(100, target: 9), nowSeconds: 100)
        #expect(result14 != nil)
        let result15 = ledger.note(note(100), replicas: replicas, nowSeconds: 100)
        #expect(result15 != nil)
        #expect(!ledger.isDirty(slice))
    }

    @Test func `a mark from the future counts from now on`() {
        var ledger = RepairLedger(settings: settings)
        let result16 = ledger.note(mark(.max), nowSeconds: 100)
        #expect(result16 != nil)
        #expect(ledger.dirtyMarks(of: slice) == [mark(100)])
    }

    @Test func `a mark that was handed over goes, unless a later one took its place`() {
        var ledger = RepairLedger(settings: settings)
        let result17 = ledger.note(mark(100), nowSeconds: 100)
        #expect(result17 != nil)
        let result18 = ledger.handedOver(mark(99))
        #expect(result18 == nil)
        let result19 = ledger.handedOver(mark(100))
        #expect(result19 != nil)
        #expect(ledger.dirtySlices.isEmpty)
    }

    @Test func `all of it comes back from disk, and goes with its table`() throws {
        var disk: [[UInt8]: [UInt8]] = [:]
        func keep(_ change: LocalChange?) {
            guard let change else { return }
            disk[change.key] = change.value
        }
        var ledger = RepairLedger(settings: settings)
        keep(ledger.note(mark(100), nowSeconds: 100))
        keep(ledger.note(mark(50, target: 3), nowSeconds: 100))
        for change in ledger.note(note(90), replicas: replicas, nowSeconds: 100) ?? [] {
            keep(change)
        }
        var restored = RepairLedger(settings: settings)
        for (key, value) in disk {
            let result20 = restored.restore(key: key, value: value, nowSeconds: 200)
            #expect(result20)
        }
        #expect(restored.dirtyMarks(of: slice) == ledger.dirtyMarks(of: slice))
        #expect(restored.dirtyMarks(of: slice) == [mark(100)])
        #expect(restored.repairedSeconds(slice, replicas: replicas) == 90)
        let result21 = restored.restore(key: Array("node/id".utf8), value: [], nowSeconds: 200)
        #expect(!result21)
        for change in restored.keep(tables: []) { keep(change) }
        #expect(disk.isEmpty)
        #expect(restored.dirtySlices.isEmpty)
        #expect(restored.repairedSeconds(slice, replicas: replicas) == nil)
    }
}
