import Catalog
import PeerMessages
import Replication
import Testing
import TokenPlacement

/// Which hints are of no use, and what becomes of them.
@Suite struct HintExpiryTests {
    private static let second: Int64 = 1_000_000

    private static func rig(tables: Set<TableID> = [testTable]) -> HintRig {
        var settings = HintSettings()
        settings.bytesPerSecond = 0
        settings.windowSeconds = 1_000
        settings.skewMarginSeconds = 30
        settings.expiryInterval = .seconds(600)
        return HintRig(settings, tables: tables)
    }

    private static func mark(
        _ rig: HintRig,
        slice: Int = 1,
        table: TableID = testTable
    ) -> DirtyMark {
        DirtyMark(
            table: table,
            slice: slice,
            target: node(1),
            sinceSeconds: rig.wallMicros / second
        )
    }

    @Test(
        arguments: [
            // Age in microseconds, and whether it is still sent.
            (0, true), (1_000 * second, true), (1_000 * second + 1, false), (-30 * second, true),
            (-30 * second - 1, false),
        ]
    )
    func `a hint is sent within its window, else its slice becomes dirty`(
        ageMicros: Int64,
        isSent: Bool
    ) {
        var rig = Self.rig()
        rig.put(0, for: 1, ageMicros: ageMicros)
        rig.alive(1)
        rig.stored(1)
        rig.run()
        #expect(rig.hints.isEmpty)
        #expect(rig.delivered[node(1), default: []].count == (isSent ? 1 : 0))
        #expect(rig.marks == (isSent ? [] : [Self.mark(rig)]))
        #expect(rig.dispatcher.discardedCount == (isSent ? 0 : 1))
        #expect(rig.dispatcher.isDrained)
    }

    @Test func `hints that their target holds to be too old are given up for marks, no others`() {
        var rig = Self.rig()
        for (key, age) in [(0, 20), (1, 10), (2, 25), (3, 0)] {
            rig.put(key, for: 1, slice: 9 - key, ageMicros: Int64(age) * Self.second)
        }
        rig.alive(1)
        rig.stored(1)
        var refused: [Int64] = []
        while !rig.actions.isEmpty {
            let action = rig.take(at: 0)
            guard case .send(_, _, let oldestMicros) = action,
                rig.wallMicros - oldestMicros > 15 * Self.second
            else {
                rig.perform(action)
                continue
            }
            refused.append((rig.wallMicros - oldestMicros) / Self.second)
            rig.fail(action, .tooOld)
        }
        #expect(refused == [25, 25, 20], "the whole page, then one by one")
        #expect(rig.delivered[node(1)] == partitionKeys([3, 1]))
        #expect(rig.marks == [Self.mark(rig, slice: 7), Self.mark(rig, slice: 9)])
        #expect(rig.hints.isEmpty)
        #expect(rig.dispatcher.discardedCount == 2)
        #expect(rig.dispatcher.isDrained)
    }

    @Test func `marks go with the removal, before anything else of the page is sent`() throws {
        var rig = Self.rig()
        let old = rig.put(0, for: 1, slice: 3, ageMicros: 1_001 * Self.second)
        rig.put(1, for: 1, slice: 3)
        rig.alive(1)
        rig.stored(1)
        rig.perform(try rig.takeOnly())
        #expect(
            rig.actions.only
                == .remove(
                    node(1),
                    [.init(key: old, valueBytes: rig.hints[old]?.count ?? 0)],
                    marks: [Self.mark(rig, slice: 3)]
                )
        )
        rig.run()
        #expect(rig.delivered[node(1)] == partitionKeys([1]))
    }

    @Test func `many old hints of one slice make one mark, in order of the slices`() {
        var rig = Self.rig()
        for number in 0..<12 {
            rig.put(number, for: 1, slice: 5 - number % 3, ageMicros: 5_000 * Self.second)
        }
        rig.alive(1)
        rig.stored(1)
        rig.run()
        #expect(rig.marks == (3...5).map { Self.mark(rig, slice: $0) })
        #expect(rig.dispatcher.discardedCount == 12)
    }

    @Test func `hints of a table that was dropped go without a mark`() {
        var rig = Self.rig()
        rig.put(0, for: 1, table: TableID(3))
        rig.put(1, for: 1, table: TableID(3), ageMicros: 5_000 * Self.second)
        rig.put(2, for: 1)
        rig.alive(1)
        rig.stored(1)
        rig.run()
        #expect(rig.hints.isEmpty)
        #expect(rig.marks.isEmpty)
        #expect(rig.delivered[node(1)] == partitionKeys([2]))
        #expect(rig.dispatcher.discardedCount == 2)
    }

    @Test func `hints of a table that is not known yet stay until it is`() {
        var rig = Self.rig()
        rig.put(0, for: 1, table: TableID(100))
        rig.put(1, for: 1)
        rig.alive(1)
        rig.stored(1)
        rig.run()
        #expect(rig.hints.count == 1)
        #expect(rig.delivered[node(1)] == partitionKeys([1]))
        #expect(!rig.dispatcher.isDrained)
        rig.dispatcher.tablesChanged([testTable, TableID(100)], next: TableID(101))
        rig.drain()
        #expect(rig.hints.isEmpty)
        #expect(rig.delivered[node(1)] == partitionKeys([1, 0]))
    }

    @Test func `a hint that cannot be read makes its slice dirty for every table`() {
        var rig = Self.rig(tables: [TableID(9), testTable])
        rig.put(0, for: 1, slice: 4, value: [1, 2, 3])
        rig.put(1, for: 1, slice: 4)
        rig.alive(1)
        rig.stored(1)
        rig.run()
        #expect(rig.hints.isEmpty)
        #expect(rig.marks == [testTable, TableID(9)].map { Self.mark(rig, slice: 4, table: $0) })
        #expect(rig.delivered[node(1)] == partitionKeys([1]))
    }

    @Test func `a key that cannot be read is removed`() {
        var rig = Self.rig()
        rig.hints[node(1).bytes + [1, 2]] = mutation(0).encoded
        rig.put(1, for: 1)
        rig.alive(1)
        rig.stored(1)
        rig.run()
        #expect(rig.hints.isEmpty)
        #expect(rig.marks.isEmpty)
        #expect(rig.delivered[node(1)] == partitionKeys([1]))
    }

    @Test func `old hints of a node that is down are removed, slice by slice`() {
        var rig = Self.rig()
        for slice in 0..<4 {
            rig.put(slice, for: 1, slice: slice, ageMicros: 900 * Self.second)
            rig.put(10 + slice, for: 1, slice: slice, ageMicros: 100 * Self.second)
        }
        // One slice is young altogether.
        rig.put(20, for: 1, slice: 4, ageMicros: 100 * Self.second)
        rig.stored(1)
        rig.advance(.seconds(600))
        rig.run()
        #expect(rig.hints.count == 5)
        #expect(rig.marks == (0..<4).map { Self.mark(rig, slice: $0) })
        #expect(rig.delivered.isEmpty)
        #expect(rig.dispatcher.nextWake(now: rig.now) == rig.now + .seconds(600))
        // All are too old by then.
        rig.advance(.seconds(600))
        rig.run()
        #expect(rig.hints.isEmpty)
        #expect(Set(rig.marks).count == 9)
    }

    @Test func `young slices of a node that is down are passed over with few reads`() {
        var rig = Self.rig()
        for number in 0..<400 { rig.put(number, for: 1, slice: number % 4) }
        rig.stored(1)
        rig.advance(.seconds(600))
        var reads = 0
        while !rig.actions.isEmpty {
            let action = rig.take(at: 0)
            if action.range != nil { reads += 1 }
            rig.perform(action)
        }
        #expect(rig.hints.count == 400)
        #expect(reads == 5)
    }
}
