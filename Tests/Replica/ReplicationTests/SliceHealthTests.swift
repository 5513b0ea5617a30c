import Catalog
import Replication
import Testing
import TokenPlacement

/// Which slices may be read and written.
struct SliceHealthTests {
    private static let sliceCount = 8

    private func slice(_ number: Int, _ table: TableID = testTable) -> SliceID {
        SliceID(table, number)
    }

    private func token(in slice: Int) -> Token {
        SliceID.tokens(ofSlice: slice, sliceCount: Self.sliceCount).lowerBound
    }

    @Test func `a slice that is dropped takes no writes, one that is rebuilt takes them`() {
        var health = SliceHealth(sliceCount: Self.sliceCount)
        #expect(health.isWell)
        let result1 = health.set(.purging, slice(3))
        #expect(result1 != nil)
        let result2 = health.set(.purging, slice(3))
        #expect(result2 == nil)
        #expect(!health.isWell)
        #expect(!health.mayRead(testTable, token(in: 3)))
        #expect(!health.mayWrite(testTable, token(in: 3)))
        #expect(health.mayRead(testTable, token(in: 2)))
        #expect(health.mayWrite(testTable, token(in: 4)))
        #expect(health.mayRead(TableID(8), token(in: 3)))
        let result3 = health.set(.rebuilding, slice(3))
        #expect(result3 != nil)
        #expect(!health.mayRead(testTable, token(in: 3)))
        #expect(health.mayWrite(testTable, token(in: 3)))
        let result4 = health.set(nil, slice(3))
        #expect(result4 != nil)
        #expect(health.isWell)
    }

    @Test func `a damaged slice takes writes, and is not read`() {
        var health = SliceHealth(sliceCount: Self.sliceCount)
        health.set(.damaged, slice(3))
        #expect(!health.isWell)
        #expect(!health.mayRead(testTable, token(in: 3)))
        #expect(health.mayWrite(testTable, token(in: 3)))
        #expect(health.slices(.damaged) == [slice(3)])
        #expect(health.slices(.rebuilding) == [])
    }

    @Test func `whoever rebuilds may have what is left, unless it is being dropped`() {
        var health = SliceHealth(sliceCount: Self.sliceCount)
        let tokens = SliceID.tokens(ofSlice: 3, sliceCount: Self.sliceCount)
        #expect(health.mayServeRebuild(testTable, tokens: tokens))
        for state in [SliceHealth.State.rebuilding, .damaged, .purging] {
            health.set(state, slice(3))
            #expect(health.mayServeRebuild(testTable, tokens: tokens) == (state != .purging))
            #expect(!health.mayRead(testTable, tokens: tokens))
        }
        #expect(health.mayServeRebuild(TableID(8), tokens: tokens))
    }

    @Test func `a range may be read if all of it may`() {
        var health = SliceHealth(sliceCount: Self.sliceCount)
        health.set(.rebuilding, slice(5))
        let tokens = (0..<Self.sliceCount).map {
            SliceID.tokens(ofSlice: $0, sliceCount: Self.sliceCount)
        }
        for first in tokens.indices {
            for last in first..<tokens.count {
                let range = tokens[first].lowerBound...tokens[last].upperBound
                #expect(health.mayRead(testTable, tokens: range) == !(first...last).contains(5))
            }
        }
        #expect(health.mayRead(TableID(8), tokens: tokens[0].lowerBound...tokens[7].upperBound))
    }

    @Test func `a range may be read up to a slice that may not`() {
        var health = SliceHealth(sliceCount: Self.sliceCount)
        let tokens = (0..<Self.sliceCount).map {
            SliceID.tokens(ofSlice: $0, sliceCount: Self.sliceCount)
        }
        let all = tokens[1].lowerBound...tokens[7].upperBound
        #expect(health.readablePrefix(testTable, all) == all)
        health.set(.rebuilding, slice(5))
        health.set(.purging, slice(6))
        health.set(.rebuilding, slice(2, TableID(8)))
        health.set(.rebuilding, slice(0))
        #expect(
            health.readablePrefix(testTable, all) == tokens[1].lowerBound...tokens[4].upperBound
        )
        #expect(health.readablePrefix(TableID(9), all) == all)
        let rest = tokens[5].upperBound...tokens[7].upperBound
        #expect(health.readablePrefix(testTable, rest) == nil)
        #expect(health.readablePrefix(testTable, tokens[7]) == tokens[7])
    }

    @Test func `it comes back from disk, and goes with its table`() {
        var disk: [[UInt8]: [UInt8]] = [:]
        var health = SliceHealth(sliceCount: Self.sliceCount)
        for (state, slice) in [
            (SliceHealth.State.purging, slice(0)), (.rebuilding, slice(7)),
            (.rebuilding, slice(7, TableID(8))), (.damaged, slice(5)),
        ] {
            guard let change = health.set(state, slice) else { continue }
            disk[change.key] = change.value
        }
        #expect(disk.count == 4)
        var restored = SliceHealth(sliceCount: Self.sliceCount)
        for (key, value) in disk {
            let result5 = restored.restore(key: key, value: value)
            #expect(result5)
        }
        #expect(restored == health)
        let result6 = restored.restore(key: Array("node/id".utf8), value: [1])
        #expect(!result6)
        #expect(restored.slices(.rebuilding) == [slice(7), slice(7, TableID(8))])
        #expect(restored.slices(.damaged) == [slice(5)])
        for change in restored.keep(tables: [testTable]) { disk[change.key] = change.value }
        #expect(disk.count == 3)
        #expect(restored.slices(.rebuilding) == [slice(7)])
    }
}
