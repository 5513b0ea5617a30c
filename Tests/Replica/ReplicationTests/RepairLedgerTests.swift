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

    /// Notes a mark and writes it.
    private func write(_ mark: DirtyMark, in ledger: inout RepairLedger, at seconds: Int64) {
        let pending = ledger.note(mark, nowSeconds: seconds)
        #expect(pending != nil)
        ledger.persisted(pending.map { [$0] } ?? [])
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
        write(mark(100), in: &ledger, at: 100)
        let result9 = ledger.note(mark(110), nowSeconds: 110)
        #expect(result9 == nil, "the first one covers it")
        let result10 = ledger.note(mark(111, target: 3), nowSeconds: 111)
        #expect(result10 != nil)
        #expect(ledger.dirtySlices == [slice])
        let result11 = ledger.note(note(140), replicas: replicas, nowSeconds: 140)
        #expect(result11 != nil)
        #expect(ledger.dirtyMarks(of: slice).count == 2, "40 s must lie between")
        let result12 = ledger.note(note(141), replicas: replicas, nowSeconds: 141)
        #expect(result12 != nil)
        #expect(ledger.dirtyMarks(of: slice).map(\.target) == [node(3)])
        let result13 = ledger.note(note(152), replicas: replicas, nowSeconds: 152)
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

    // MARK: Marks on disk

    @Test func `a mark whose write was refused is given out again, until it is on disk`() throws {
        var ledger = RepairLedger(settings: settings)
        let noted = ledger.note(mark(100), nowSeconds: 100)
        let first = try #require(noted)
        #expect(first.change == SliceKeys.put(mark(100)))
        ledger.persistFailed([first])
        // A hint of the same hole is given up within the cover: it must not go without a mark.
        let notedAgain = ledger.note(mark(105), nowSeconds: 105)
        let second = try #require(notedAgain)
        #expect(second.mark == mark(100), "the first one covers it")
        ledger.persisted([second])
        let covered = ledger.note(mark(106), nowSeconds: 106)
        #expect(covered == nil)
    }

    @Test func `a mark is not on disk while its write is under way`() throws {
        var ledger = RepairLedger(settings: settings)
        let noted = ledger.note(mark(100), nowSeconds: 100)
        let first = try #require(noted)
        // Another node tells of the same: who answers it must wait for a write too.
        let repeated = ledger.note(mark(100), nowSeconds: 101)
        let second = try #require(repeated)
        #expect(second.change == first.change)
        ledger.persisted([second])
        // The other write is refused: one of them is enough.
        ledger.persistFailed([first])
        let covered = ledger.note(mark(100), nowSeconds: 102)
        #expect(covered == nil)
        #expect(ledger.settle(nowSeconds: 102).isEmpty)
    }

    @Test func `a later mark is on disk only once it is written itself`() throws {
        var ledger = RepairLedger(settings: settings)
        write(mark(100), in: &ledger, at: 100)
        let noted = ledger.note(mark(150), nowSeconds: 150)
        ledger.persistFailed([try #require(noted)])
        let notedAgain = ledger.note(mark(150), nowSeconds: 151)
        #expect(notedAgain?.mark == mark(150))
    }

    @Test func `a write of before a repair says nothing of the mark behind it`() throws {
        var ledger = RepairLedger(settings: settings)
        let noted = ledger.note(mark(100), nowSeconds: 100)
        let first = try #require(noted)
        let repaired = ledger.note(note(141), replicas: replicas, nowSeconds: 141)
        #expect(repaired != nil)
        #expect(!ledger.isDirty(slice))
        let notedAgain = ledger.note(mark(100), nowSeconds: 142)
        #expect(notedAgain != nil)
        ledger.persisted([first])
        let notedOnceMore = ledger.note(mark(100), nowSeconds: 143)
        #expect(notedOnceMore != nil)
    }

    @Test func `refused marks are written in the next round, a bounded number at once`() {
        var ledger = RepairLedger(settings: settings)
        let marks = (0..<1500).map {
            DirtyMark(table: testTable, slice: $0, target: node(2), sinceSeconds: 100)
        }
        let noted = marks.compactMap { ledger.note($0, nowSeconds: 100) }
        #expect(ledger.settle(nowSeconds: 101).isEmpty, "under way")
        ledger.persistFailed(noted)
        let first = ledger.settle(nowSeconds: 102)
        #expect(first.map(\.mark) == Array(marks[..<1000]))
        ledger.persisted(first)
        let second = ledger.settle(nowSeconds: 103)
        #expect(second.map(\.mark) == Array(marks[1000...]))
        ledger.persisted(second)
        #expect(ledger.settle(nowSeconds: 104).isEmpty)
    }

    // MARK: Clocks

    @Test func `marks of a clock that was ahead count from now on, on disk too`() throws {
        var ledger = RepairLedger(settings: settings)
        write(mark(10_000), in: &ledger, at: 10_000)
        // The clock is right again. Within the margin nothing is wrong.
        #expect(ledger.settle(nowSeconds: 9_980).isEmpty)
        let settled = ledger.settle(nowSeconds: 500)
        #expect(settled.map(\.mark) == [mark(500)])
        #expect(settled.map(\.change) == [SliceKeys.put(mark(500))])
        #expect(ledger.dirtyMarks(of: slice) == [mark(500)])
        ledger.persisted(settled)
        #expect(ledger.settle(nowSeconds: 501).isEmpty)
        let repaired = ledger.note(note(541), replicas: replicas, nowSeconds: 541)
        #expect(repaired?.isEmpty == false)
        #expect(!ledger.isDirty(slice))
    }

    @Test func `a mark from the far future covers none of now`() throws {
        var ledger = RepairLedger(settings: settings)
        write(mark(10_000), in: &ledger, at: 10_000)
        let noted = ledger.note(mark(400), nowSeconds: 500)
        // What the other one stands for came until now.
        #expect(noted?.mark == mark(500))
        #expect(ledger.dirtyMarks(of: slice) == [mark(500)])
    }

    @Test func `a mark from the future that was found on disk counts from the first round on`() {
        var ledger = RepairLedger(settings: settings)
        let change = SliceKeys.put(mark(.max))
        ledger.restore(key: change.key, value: change.value ?? [])
        #expect(ledger.settle(nowSeconds: 300).map(\.mark) == [mark(300)])
        #expect(ledger.dirtyMarks(of: slice) == [mark(300)])
    }

    // MARK: Disk

    @Test func `all of it comes back from disk, and goes with its table`() throws {
        var disk: [[UInt8]: [UInt8]] = [:]
        func keep(_ change: LocalChange?) {
            guard let change else { return }
            disk[change.key] = change.value
        }
        var ledger = RepairLedger(settings: settings)
        keep(ledger.note(mark(100), nowSeconds: 100)?.change)
        keep(ledger.note(mark(50, target: 3), nowSeconds: 100)?.change)
        for change in ledger.note(note(91), replicas: replicas, nowSeconds: 100) ?? [] {
            keep(change)
        }
        var restored = RepairLedger(settings: settings)
        for (key, value) in disk {
            let result20 = restored.restore(key: key, value: value)
            #expect(result20)
        }
        #expect(restored.dirtyMarks(of: slice) == ledger.dirtyMarks(of: slice))
        #expect(restored.dirtyMarks(of: slice) == [mark(100)])
        let covered = restored.note(mark(101), nowSeconds: 101)
        #expect(covered == nil, "it is on disk")
        #expect(restored.repairedSeconds(slice, replicas: replicas) == 91)
        let result21 = restored.restore(key: Array("node/id".utf8), value: [])
        #expect(!result21)
        let untouched = restored.keep(tables: [], from: slice.table)
        #expect(untouched.isEmpty, "a table that is not known yet is no table that is gone")
        for change in restored.keep(tables: [], from: TableID(.max)) { keep(change) }
        #expect(disk.isEmpty)
        #expect(restored.dirtySlices.isEmpty)
        #expect(restored.repairedSeconds(slice, replicas: replicas) == nil)
    }
}
