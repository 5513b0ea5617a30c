import Catalog
import HistoryChecking
import Testing

struct ReadCheckerTests {
    @Test func `a read that returns the last acknowledged write is good`() {
        var play = Play()
        play.insert(at: 10, 0...5)
        let second = play.insert(at: 20, 10...15)
        play.read([0: row(second)], 20...25)
        #expect(play.broken.isEmpty)
    }

    @Test func `a read that misses an acknowledged write is caught`() {
        var play = Play()
        let first = play.insert(at: 10, 0...5)
        play.insert(at: 20, 10...15)
        play.read([0: row(first)], 20...25)
        #expect(play.broken.contains(.acknowledgedIsSeen))
    }

    @Test func `a null in place of an acknowledged write is caught`() {
        var play = Play()
        play.insert(at: 10, 0...5)
        play.read([0: [:]], 20...25)
        #expect(play.broken.contains(.acknowledgedIsSeen))
    }

    @Test func `a read that overlaps a write may return either`() {
        for sees in [true, false] {
            var play = Play()
            let first = play.insert(at: 10, 0...5)
            let second = play.insert(at: 20, 10...30)
            play.read([0: row(sees ? second : first)], 20...25)
            #expect(play.broken.isEmpty)
        }
    }

    @Test func `the greater timestamp wins though it was acknowledged earlier`() {
        var play = Play()
        let early = play.insert(at: 100, 0...5)
        play.insert(at: 50, 10...15)
        play.read([0: row(early)], 20...25)
        #expect(play.broken.isEmpty)
    }

    @Test func `at one timestamp the greater value wins`() {
        var play = Play()
        play.insert(at: 10, 0...5)
        let second = play.insert(at: 10, 6...9)
        play.read([0: row(second)], 20...25)
        #expect(play.broken.isEmpty)
        var wrong = Play()
        let first = wrong.insert(at: 10, 0...5)
        wrong.insert(at: 10, 6...9)
        wrong.read([0: row(first)], 20...25)
        #expect(wrong.broken.contains(.acknowledgedIsSeen))
    }

    @Test func `a value that nobody wrote is caught at any level`() {
        var play = Play()
        play.insert(at: 10, 0...5)
        play.read([0: row(77)], 20...25, level: .one)
        #expect(play.broken.contains(.noInventedValue))
    }

    @Test func `a value of another key or column is caught`() {
        var play = Play()
        let other = play.insert(key: 1, at: 10, 0...5)
        play.read([0: row(other)], 20...25, level: .one)
        #expect(play.broken.contains(.noInventedValue))
        var swapped = Play()
        let id = swapped.insert(at: 10, 0...5)
        swapped.read([0: [0: Play.value(id, 1)]], 20...25, level: .one)
        #expect(swapped.broken.contains(.noInventedValue))
    }

    @Test func `a value that is written later is caught`() {
        var play = Play()
        play.insert(at: 10, 50...55)
        play.read([0: row(0)], 20...25, level: .one)
        #expect(play.broken == [.noInventedValue, .noInventedValue, .noInventedValue])
    }

    @Test func `a value whose write was refused is caught`() {
        var play = Play()
        let id = play.insert(at: 10, 0...5, outcome: .refused("overloaded"))
        play.read([0: row(id)], 20...25, level: .one)
        #expect(play.broken.contains(.refusedStaysAbsent))
    }

    @Test func `a write that timed out may be seen or not`() {
        for sees in [true, false] {
            var play = Play()
            let first = play.insert(at: 10, 0...5)
            let second = play.insert(at: 20, 6...9, outcome: .unknown("time-out"))
            play.read([0: row(sees ? second : first)], 20...25)
            #expect(play.broken.isEmpty)
        }
    }

    @Test func `a write that timed out is decided once a quorum read saw it`() {
        var play = Play()
        let first = play.insert(at: 10, 0...5)
        let second = play.insert(at: 20, 6...9, outcome: .unknown("time-out"))
        play.read([0: row(second)], 20...25)
        play.read([0: row(first)], 30...35)
        #expect(play.broken.contains(.readsNeverGoBack))
    }

    @Test func `overlapping reads may see different versions`() {
        var play = Play()
        let first = play.insert(at: 10, 0...5)
        let second = play.insert(at: 20, 6...9, outcome: .unknown("time-out"))
        play.read([0: row(second)], 20...32)
        play.read([0: row(first)], 30...35)
        #expect(play.broken.isEmpty)
    }

    @Test func `reads at ONE owe nothing but existing values`() {
        var play = Play()
        let first = play.insert(at: 10, 0...5)
        let second = play.insert(at: 20, 6...9)
        play.read([0: row(second)], 20...25, level: .one)
        play.read([0: row(first)], 30...35, level: .one)
        play.read([0: [:]], 40...45, level: .one)
        #expect(play.broken.isEmpty)
    }

    @Test func `a read at ONE sees what was acknowledged at ALL`() {
        var play = Play()
        play.insert(at: 10, 0...5, level: .all)
        play.read([0: [:]], 20...25, level: .one)
        #expect(play.broken.contains(.acknowledgedIsSeen))
    }

    @Test func `a deleted value that comes back is caught`() {
        var play = Play()
        let first = play.insert(at: 10, 0...5)
        play.deleteRow(at: 20, 6...9)
        play.read([0: row(first)], 20...25)
        #expect(play.broken.contains(.noResurrection))
        var good = Play()
        good.insert(at: 10, 0...5)
        good.deleteRow(at: 20, 6...9)
        good.read([0: [:]], 20...25)
        let third = good.insert(at: 30, 30...35)
        good.read([0: row(third)], 40...45)
        #expect(good.broken.isEmpty)
    }

    @Test func `a deletion wins at the same timestamp`() {
        var play = Play()
        let first = play.insert(at: 20, 0...5)
        play.deleteRow(at: 20, 6...9)
        play.read([0: row(first)], 20...25)
        #expect(play.broken.contains(.noResurrection))
    }

    @Test func `a null that a deletion under way explains is decided by it`() {
        var play = Play()
        let first = play.insert(at: 10, 0...5)
        play.deleteRow(at: 20, 6...9, outcome: .unknown("time-out"))
        play.read([0: [:]], 20...25)
        play.read([0: row(first)], 30...35)
        #expect(play.broken.contains(.noResurrection))
    }

    @Test func `half a row is caught at any level`() {
        var play = Play()
        let first = play.insert(at: 10, 0...5, level: .one)
        let second = play.insert(at: 20, 6...9, level: .one)
        var torn = row(second)
        torn[1] = Play.value(first, 1)
        play.read([0: torn], 20...25, level: .one)
        #expect(play.broken == [.rowIsAtomic])
        var missing = row(second)
        missing[2] = nil
        var other = Play()
        other.insert(at: 10, 0...5, level: .one)
        other.insert(at: 20, 6...9, level: .one)
        other.read([0: missing], 20...25, level: .one)
        #expect(other.broken == [.rowIsAtomic])
    }

    @Test func `a row with a newer cell in it is whole`() {
        var play = Play()
        let first = play.insert(at: 10, 0...5, level: .one)
        let value = Play.value(1, 1)
        let update = RowWrite(key: 0, change: .set([1: value], isInsert: false))
        play.write([update], at: 20, 6...9, .one)
        var mixed = row(first)
        mixed[1] = value
        play.read([0: mixed], 20...25, level: .one)
        #expect(play.broken.isEmpty)
    }

    @Test func `an expired value is caught, and a missing one before its end too`() {
        let now = CheckingRules().epochSeconds
        for (seconds, sees, invariant) in [
            (now + 9, true, nil), (now + 11, false, nil), (now + 10, true, .expiryIsExact),
            (now + 9, false, .acknowledgedIsSeen),
        ] as [(Int64, Bool, Invariant?)] {
            var play = Play()
            let id = play.insert(at: 10, 0...5, until: now + 10)
            let start = (seconds - now) * 1000
            play.read([0: sees ? row(id) : [:]], start...start + 5, nowSeconds: seconds)
            #expect(play.broken.first == invariant)
        }
    }

    @Test func `within the skew an expiry may be seen either way`() {
        let now = CheckingRules().epochSeconds
        for sees in [true, false] {
            var play = Play()
            play.rules.skewSeconds = 5
            let id = play.insert(at: 10, 0...5, until: now + 10)
            play.read([0: sees ? row(id) : [:]], 9000...9500)
            #expect(play.broken.isEmpty)
        }
        var late = Play()
        late.rules.skewSeconds = 5
        let id = late.insert(at: 10, 0...5, until: now + 10)
        late.read([0: row(id)], 16_000...16_500)
        #expect(late.broken.contains(.expiryIsExact))
    }

    @Test func `what an expired value covered does not come back`() {
        let now = CheckingRules().epochSeconds
        var play = Play()
        let first = play.insert(at: 10, 0...5)
        play.insert(at: 20, 6...9, until: now + 1)
        play.read([0: row(first)], 5000...5100, nowSeconds: now + 5)
        #expect(play.broken.contains(.acknowledgedIsSeen))
    }

    @Test func `a scan that leaves out an acknowledged row is caught`() {
        var play = Play()
        let first = play.insert(key: 1, at: 10, 0...5)
        play.insert(key: 2, at: 10, 6...9)
        play.scan([1: row(first)], 20...25)
        #expect(play.broken.contains(.acknowledgedIsSeen))
        var invented = Play()
        let id = invented.insert(key: 1, at: 10, 0...5)
        invented.scan([1: row(id), 9: [:]], 20...25)
        #expect(invented.broken == [.noInventedValue])
    }

    @Test func `a score of an older version is caught`() {
        var play = Play()
        let first = play.insert(at: 10, 0...5)
        let second = play.insert(at: 20, 6...9)
        play.score([0: testScore(Play.value(second, 0))], 20...25)
        #expect(play.broken.isEmpty)
        play.score([0: testScore(Play.value(first, 0))], 30...35)
        play.score([0: 1.5], 40...45)
        play.score([0: nil], 50...55)
        #expect(play.broken == [.scoresAreOfRows, .scoresAreOfRows, .scoresAreOfRows])
    }

    @Test func `an expiry that is judged by a clock that is too wrong is caught`() {
        let now = CheckingRules().epochSeconds
        for (off, node, expected) in [
            (5, 0, []), (-5, 0, []), (6, 0, [.expiryIsExact]), (-6, 0, [.expiryIsExact]),
            (65, 0, [.expiryIsExact]), (65, 1, []), (-65, 1, []), (66, 1, [.expiryIsExact]),
        ] as [(Int64, Int, [Invariant])] {
            var play = Play()
            play.rules.skewSeconds = 5
            play.rules.jumping = (1, 60)
            play.read([0: [:]], 100_000...100_005, nowSeconds: now + 100 + off, node: node)
            #expect(play.broken == expected, "\(off) s at node \(node)")
        }
    }

    @Test func `an older write may show once the deletion may be swept, if it came behind it`() {
        func play(_ span: ClosedRange<Int64>, grace: Int64?, until end: Int64) -> [Invariant] {
            let second = CheckingRules().epochSeconds
            var play = Play()
            play.rules.gcGraceSeconds = grace
            play.rules.skewSeconds = 1
            let written = play.insert(at: second * 1_000_000, span)
            play.deleteRow(at: second * 1_000_000 + 5, 100...200)
            play.read([0: row(written)], end - 5...end)
            return play.broken
        }
        #expect(play(300...400, grace: 10, until: 9_000).isEmpty)
        #expect(play(300...400, grace: 10, until: 8_000).contains(.noResurrection))
        #expect(play(300...400, grace: nil, until: 9_000).contains(.noResurrection))
        #expect(play(0...50, grace: 10, until: 900_000).contains(.noResurrection))
    }

    @Test func `a power loss excuses only tables that sync periodically, and only its window`() {
        func play(_ loss: Int64?, periodic: Bool) -> [Invariant] {
            var play = Play()
            if periodic { play.rules.periodicTables = [0] }
            play.insert(at: 10, 0...5)
            if let loss { play.powerLoss(at: loss) }
            play.read([0: [:]], 20_000...20_005)
            return play.broken
        }
        #expect(play(100, periodic: true).isEmpty)
        #expect(!play(100, periodic: false).isEmpty)
        #expect(!play(nil, periodic: true).isEmpty)
        #expect(!play(10_000, periodic: true).isEmpty)
    }

    @Test func `a power loss excuses no read that must meet a replica that kept its power`() {
        func play(
            _ write: ConsistencyLevel,
            _ read: ConsistencyLevel,
            _ nodes: [Int]
        ) -> [Invariant] {
            var play = Play()
            play.rules.periodicTables = [0]
            play.rules.holders = [0: [0, 1, 2]]
            play.insert(at: 10, 0...5, level: write)
            for node in nodes { play.powerLoss(at: 100, node: node) }
            play.read([0: [:]], 20_000...20_005, level: read)
            return play.broken
        }
        #expect(play(.quorum, .quorum, [0]).isEmpty)
        #expect(!play(.quorum, .all, [0]).isEmpty)
        #expect(!play(.quorum, .all, [0, 0]).isEmpty)
        #expect(play(.quorum, .all, [0, 1]).isEmpty)
        #expect(!play(.all, .quorum, [0]).isEmpty)
        // Who does not hold the row has nothing of it to lose.
        #expect(!play(.quorum, .quorum, [3, 4]).isEmpty)
    }

    @Test func `a lost disk excuses only what had no other copy`() {
        func play(_ level: ConsistencyLevel) -> [Invariant] {
            var play = Play()
            play.insert(at: 10, 0...5, level: level)
            play.diskLoss(at: 10, node: 1)
            play.read([0: [:]], 20...25, level: .all)
            return play.broken
        }
        #expect(play(.one).isEmpty)
        #expect(!play(.quorum).isEmpty)
    }

    @Test func `the report names the operation and shows the key's history`() throws {
        var play = Play()
        let first = play.insert(at: 10, 0...5)
        play.insert(at: 20, 10...15)
        play.insert(key: 7, at: 20, 10...15)
        play.read([0: row(first)], 20...25)
        var checker = HistoryChecker(play.history, play.rules)
        checker.checkReads()
        let violation = try #require(checker.violations.first)
        #expect(violation.text.contains("#3 at QUORUM"))
        #expect(violation.history.count == 3)
        #expect(violation.history[2].hasPrefix("> #3"))
        #expect(violation.description.contains("a read sees what was acknowledged"))
    }
}
