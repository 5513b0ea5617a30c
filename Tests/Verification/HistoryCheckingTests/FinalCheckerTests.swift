import Catalog
import HistoryChecking
import Testing

struct FinalCheckerTests {
    @Test func `the last write on all replicas is good`() {
        var play = Play()
        play.insert(at: 10, 0...5, level: .one)
        let second = play.insert(at: 20, 6...9, level: .one)
        #expect(play.brokenInTheEnd([0: row(second)]).isEmpty)
    }

    @Test func `an acknowledged write that is gone is caught at every level but ANY`() {
        for level in [ConsistencyLevel.one, .quorum, .localQuorum, .all] {
            var play = Play()
            play.insert(at: 10, 0...5, level: level)
            #expect(play.brokenInTheEnd([0: [:]]).contains(.acknowledgedIsKept))
        }
        var play = Play()
        play.insert(at: 10, 0...5, level: .any)
        #expect(play.brokenInTheEnd([0: [:]]).isEmpty)
        play.rules.anyArrives = true
        #expect(play.brokenInTheEnd([0: [:]]).contains(.acknowledgedIsKept))
    }

    @Test func `a write that timed out may be there or not`() {
        var play = Play()
        let first = play.insert(at: 10, 0...5)
        let second = play.insert(at: 20, 6...9, outcome: .unknown("time-out"))
        #expect(play.brokenInTheEnd([0: row(first)]).isEmpty)
        #expect(play.brokenInTheEnd([0: row(second)]).isEmpty)
    }

    @Test func `what any read saw is there in the end`() {
        var play = Play()
        let id = play.insert(at: 10, 0...5, outcome: .unknown("time-out"))
        play.read([0: row(id)], 20...25, level: .one)
        #expect(play.brokenInTheEnd([0: [:]]).contains(.acknowledgedIsKept))
    }

    @Test func `a deleted row that is back in the end is caught`() {
        var play = Play()
        let first = play.insert(at: 10, 0...5)
        play.deleteRow(at: 20, 6...9, level: .one)
        #expect(play.brokenInTheEnd([0: row(first)]).contains(.noResurrection))
        #expect(play.brokenInTheEnd([0: [:]]).isEmpty)
    }

    @Test func `replicas that differ are caught`() {
        var play = Play()
        let id = play.insert(at: 10, 0...5)
        var checker = HistoryChecker(play.history, play.rules)
        checker.checkReads()
        let replicas = [
            FinalReplica(node: 0, row: row(id), digest: "a"),
            FinalReplica(node: 1, row: row(id), digest: "b"),
        ]
        checker.checkFinal([FinalRow(table: 0, key: 0, replicas: replicas)], nowSeconds: 0)
        #expect(checker.violations.map(\.invariant) == [.replicasAgree])
    }

    @Test func `half a logged batch is caught`() {
        func play(_ finals: [Int: VisibleRow], _ outcome: OperationOutcome) -> [Invariant] {
            var play = Play()
            let rows = (0..<2).map { key in
                RowWrite(key: key, change: .set([0: Play.value(0, key)], isInsert: false))
            }
            // Values must name their column: key 1 writes to column 1.
            var second = rows[1]
            second.change = .set([1: Play.value(0, 1)], isInsert: false)
            play.write([rows[0], second], at: 10, 0...5, .quorum, outcome, isLogged: true)
            return play.brokenInTheEnd(finals)
        }
        let both: [Int: VisibleRow] = [0: [0: Play.value(0, 0)], 1: [1: Play.value(0, 1)]]
        let half: [Int: VisibleRow] = [0: [0: Play.value(0, 0)], 1: [:]]
        let none: [Int: VisibleRow] = [0: [:], 1: [:]]
        #expect(play(both, .unknown("time-out")).isEmpty)
        #expect(play(none, .unknown("time-out")).isEmpty)
        #expect(play(half, .unknown("time-out")) == [.batchIsAtomic])
        #expect(play(half, .done).contains(.batchIsAtomic))
        #expect(play(none, .done).contains(.acknowledgedIsKept))
        #expect(play(half, .refused("overloaded")).contains(.refusedStaysAbsent))
    }

    @Test func `power losses excuse a lost write only if every copy may have been lost`() {
        func play(_ level: ConsistencyLevel, _ nodes: [Int], at time: Int64 = 100) -> [Invariant] {
            var play = Play()
            play.rules.periodicTables = [0]
            play.rules.holders = [0: [0, 1, 2]]
            play.insert(at: 10, 0...5, level: level)
            for node in nodes { play.powerLoss(at: time, node: node) }
            return play.brokenInTheEnd([0: [:]])
        }
        #expect(play(.one, [1]).isEmpty)
        #expect(play(.quorum, [1]).contains(.acknowledgedIsKept))
        #expect(play(.quorum, [1, 1]).contains(.acknowledgedIsKept))
        #expect(play(.quorum, [1, 7]).contains(.acknowledgedIsKept))
        #expect(play(.quorum, [1, 2]).isEmpty)
        #expect(play(.quorum, [1, 2], at: 5000).contains(.acknowledgedIsKept))
        #expect(play(.all, [1, 2]).contains(.acknowledgedIsKept))
    }

    @Test func `a lost disk and a lost power together may take both copies of a write`() {
        var play = Play()
        play.rules.periodicTables = [0]
        play.insert(at: 10, 0...5)
        play.diskLoss(at: 100, node: 1)
        #expect(play.brokenInTheEnd([0: [:]]).contains(.acknowledgedIsKept))
        play.powerLoss(at: 100, node: 2)
        #expect(play.brokenInTheEnd([0: [:]]).isEmpty)
    }

    @Test func `dropped slices excuse what was in them, and nothing else`() {
        func play(_ keys: Set<Int>?, at time: Int64 = 100) -> [Invariant] {
            var play = Play()
            play.insert(key: 3, at: 10, 0...5, level: .one)
            play.diskLoss(at: time, node: 1, keys: keys)
            return play.brokenInTheEnd([3: [:]])
        }
        #expect(play(nil).isEmpty)
        #expect(play([2, 3]).isEmpty)
        #expect(play([2, 4]).contains(.acknowledgedIsKept))
        #expect(play([]).contains(.acknowledgedIsKept))
        #expect(play([3], at: -1).contains(.acknowledgedIsKept))
    }

    @Test func `a write may be unsynced for as long as its replica is paused, and no longer`() {
        func play(_ pause: ClosedRange<Int64>, node: Int = 1) -> [Invariant] {
            var play = Play()
            play.rules.periodicTables = [0]
            play.insert(at: 10, 0...5, level: .one)
            play.pause(pause, node: node)
            play.powerLoss(at: 5000, node: 1)
            return play.brokenInTheEnd([0: [:]])
        }
        #expect(play(500...4500).isEmpty)
        #expect(play(4900...30_000).contains(.acknowledgedIsKept))
        #expect(play(500...4500, node: 2).contains(.acknowledgedIsKept))
    }

    @Test func `what only hints may hold comes late, and may be lost late`() {
        func play(_ level: ConsistencyLevel, hintLoss: Bool = false) -> [Invariant] {
            var play = Play()
            play.rules.anyArrives = true
            play.insert(at: 10, 0...5, level: level)
            if hintLoss {
                play.hintLoss(at: 60_000, node: 1)
            } else {
                play.rules.periodicTables = [0]
                play.powerLoss(at: 60_000, node: 1)
            }
            return play.brokenInTheEnd([0: [:]])
        }
        #expect(play(.any).isEmpty)
        #expect(play(.one).contains(.acknowledgedIsKept))
        #expect(play(.any, hintLoss: true).isEmpty)
        #expect(play(.one, hintLoss: true).contains(.acknowledgedIsKept))
    }

    @Test func `lost hints may take a part of a batch that was not acknowledged, or at ANY`() {
        func play(
            _ level: ConsistencyLevel,
            _ outcome: OperationOutcome,
            lostAt time: Int64
        ) -> [Invariant] {
            var play = Play()
            play.rules.anyArrives = true
            let rows = (0..<2).map { key in
                RowWrite(key: key, change: .set([key: Play.value(0, key)], isInsert: false))
            }
            play.write(rows, at: 10, 10...15, level, outcome, isLogged: true)
            play.hintLoss(at: time, node: 2)
            return play.brokenInTheEnd([0: [0: Play.value(0, 0)], 1: [:]])
        }
        #expect(play(.quorum, .unknown("time-out"), lostAt: 60_000).isEmpty)
        #expect(play(.quorum, .unknown("time-out"), lostAt: 9) == [.batchIsAtomic])
        #expect(play(.quorum, .done, lostAt: 60_000).contains(.batchIsAtomic))
        #expect(play(.any, .done, lostAt: 60_000).isEmpty)
        #expect(play(.any, .done, lostAt: 9).contains(.batchIsAtomic))
    }

    @Test func `of a batch without an answer a power loss may take a part`() {
        var play = Play()
        play.rules.periodicTables = [0]
        let rows = (0..<2).map { key in
            RowWrite(key: key, change: .set([key: Play.value(0, key)], isInsert: false))
        }
        play.write(rows, at: 10, 0...5, .quorum, .unknown("time-out"), isLogged: true)
        let half: [Int: VisibleRow] = [0: [0: Play.value(0, 0)], 1: [:]]
        #expect(play.brokenInTheEnd(half) == [.batchIsAtomic])
        // It may be written once more at any time, and be unsynced then.
        play.powerLoss(at: 60_000, node: 2)
        #expect(play.brokenInTheEnd(half).isEmpty)
    }

    @Test func `an expired value that is still visible in the end is caught`() {
        var play = Play()
        let id = play.insert(at: 10, 0...5, until: CheckingRules().epochSeconds + 10)
        #expect(play.brokenInTheEnd([0: [:]]).isEmpty)
        #expect(play.brokenInTheEnd([0: row(id)]).contains(.expiryIsExact))
    }
}
