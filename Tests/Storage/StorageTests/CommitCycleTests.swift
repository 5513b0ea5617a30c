import Catalog
import Storage
import Testing

@Suite struct CommitCycleTests {
    private let row = rowOfCell(1, .live([1]))

    @Test func `a group is synced before its answers if one of its batches is to be`() {
        var play = CommitPlay()
        play.submit(.periodic) { $0.merge(row, into: bytes("a")) }
        play.submit(.periodic) { $0.merge(row, into: bytes("b")) }
        #expect(play.round() == ["write a b", "loop hears 1 2"])
        #expect(play.cycle.deadline == .milliseconds(100))
        play.submit(.periodic) { $0.merge(row, into: bytes("c")) }
        play.submit(.synced) { $0.merge(row, into: bytes("d")) }
        #expect(play.round() == ["write c d, synced", "loop hears 3 4"])
        // A synced write syncs what was written before it as well.
        #expect(play.cycle.deadline == nil)
    }

    @Test func `the node's own keys are always synced, rows only if the node syncs at all`() {
        var play = CommitPlay(syncsAsPromised: false)
        play.submit(.synced) { $0.merge(row, into: bytes("a")) }
        play.submit(.synced) { $0.putHint([1], for: bytes("h")) }
        #expect(play.round() == ["write a h", "loop hears 1 2"])
        play.submit(.periodic) { $0.putLocal([1], for: bytes("log/1")) }
        #expect(play.round() == ["write log/1, synced", "loop hears 3"])
        play.submit(.periodic) { $0.deleteLocal(bytes("log/1")) }
        #expect(play.round() == ["write log/1, synced", "loop hears 4"])
        play.submit(.synced) { $0.deleteHint(bytes("h")) }
        #expect(play.round() == ["write h", "loop hears 5"])
    }

    @Test func `what was written unsynced is synced with the period`() {
        var play = CommitPlay()
        play.submit(.periodic) { $0.merge(row, into: bytes("a")) }
        #expect(play.round() == ["write a", "loop hears 1"])
        play.now = .milliseconds(60)
        play.submit(.periodic) { $0.merge(row, into: bytes("b")) }
        #expect(play.round() == ["write b", "loop hears 2"])
        #expect(play.cycle.deadline == .milliseconds(100))
        play.now = .milliseconds(99)
        #expect(play.round() == [])
        play.now = .milliseconds(100)
        #expect(play.round() == ["sync"])
        #expect(play.cycle.deadline == nil)
        #expect(play.round() == [])
    }

    @Test func `finishing leaves nothing unsynced and no chore undone`() {
        var play = CommitPlay(groupBytesMax: 1)
        for name in ["a1", "a2", "b1"] {
            play.submit(.periodic) { $0.merge(row, into: bytes(name)) }
            _ = play.round()
        }
        play.submit(.periodic) { $0.drop(prefix: bytes("a")) }
        #expect(play.round() == ["delete from a to a2"])
        play.cycle.finish()
        #expect(play.round() == ["delete from a2 to end", "loop hears 4", "sync"])
    }

    @Test func `groups are bounded in bytes, and each sink is called once for a group`() {
        var play = CommitPlay(groupBytesMax: 100)
        let other = JournalingSink("other", play.journal)
        for index in 1...6 {
            play.submit(to: index % 2 == 0 ? other : nil) {
                $0.merge([UInt8](repeating: 1, count: 8), into: bytes("\(index)"))
            }
        }
        #expect(play.round() == ["write 1 2 3 4, synced", "loop hears 1 3", "other hears 2 4"])
        #expect(play.round() == ["write 5 6, synced", "loop hears 5", "other hears 6"])
        play.submit { $0.merge([UInt8](repeating: 1, count: 500), into: bytes("large")) }
        play.submit { $0.merge(row, into: bytes("small")) }
        #expect(play.round() == ["write large, synced", "loop hears 7"])
        #expect(play.round() == ["write small, synced", "loop hears 8"])
    }

    @Test func `a batch that can never be written is refused, the others are written`() {
        var play = CommitPlay()
        play.submit { $0.drop(prefix: []) }
        play.submit { $0.merge(row, into: bytes("a")) }
        play.submit { $0.merge([UInt8](repeating: 0, count: 2 << 20), into: bytes("huge")) }
        play.submit { _ in }
        #expect(
            play.round() == ["write a, synced", "loop hears 1: invalid 2 3: invalid 4"]
        )
        #expect(play.cycle.failure == nil)
        play.submit(.periodic) { $0.merge(row, into: bytes("a")) }
        _ = play.round()
        play.submit { $0.drop(range: .all) }
        #expect(play.round() == ["loop hears 6: invalid"])
        #expect(play.backend.model.rowCount == 1)
    }

    @Test(arguments: [ModelBackend.Fault.write, .sync])
    func `the first failure is final, and everybody hears it`(fault: ModelBackend.Fault) {
        var play = CommitPlay(groupBytesMax: 1, observes: true)
        play.submit { $0.merge(row, into: bytes("a1")) }
        _ = play.round()
        play.backend.model.inject(fault)
        play.submit { $0.merge(row, into: bytes("a2")) }
        #expect(
            play.round()
                == ["begin 1", "write a2, synced", "end 1, failed", "loop hears 2: ioFailure"]
        )
        let first = play.cycle.failure
        #expect(first != nil)
        // Nothing reaches the store any more, though the disk would work again.
        play.submit { $0.merge(row, into: bytes("a3")) }
        #expect(play.round() == ["loop hears 3: ioFailure"])
        play.submit { $0.drop(prefix: bytes("a")) }
        #expect(play.round() == ["loop hears 4: ioFailure"])
        play.submit { $0.sweep(bytes("a"), nowSeconds: 0, purgeBeforeSeconds: 0) }
        #expect(play.round() == ["loop hears 5: ioFailure"])
        #expect(play.cycle.failure == first)
        #expect(play.cycle.deadline == nil)
    }

    @Test func `a failed periodic sync is final too`() {
        var play = CommitPlay()
        play.submit(.periodic) { $0.merge(row, into: bytes("a")) }
        _ = play.round()
        play.backend.model.inject(.sync)
        play.now = .seconds(1)
        #expect(play.round() == ["sync"])
        #expect(play.cycle.deadline == nil)
        play.submit(.periodic) { $0.merge(row, into: bytes("b")) }
        #expect(play.round() == ["loop hears 2: ioFailure"])
    }

    @Test func `a failure answers the chores that wait`() {
        var play = CommitPlay(groupBytesMax: 1)
        for name in ["a1", "a2", "a3"] {
            play.submit { $0.merge(row, into: bytes(name)) }
            _ = play.round()
        }
        play.submit { $0.drop(prefix: bytes("a")) }
        #expect(play.round() == ["delete from a to a2"])
        play.backend.model.setFull(true)
        play.submit { $0.merge(row, into: bytes("b")) }
        #expect(
            play.round() == ["write b, synced", "loop hears 5: noSpace", "loop hears 4: noSpace"]
        )
    }

    @Test func `a drop goes piece by piece between groups and is synced before its answer`() {
        var play = CommitPlay(groupBytesMax: 40)
        for index in 1...5 { play.submit { $0.merge(row, into: bytes("a\(index)")) } }
        while !play.queue.isEmpty { _ = play.round() }
        play.submit { writes in
            writes.drop(prefix: bytes("a"))
            writes.putLocal([1], for: bytes("mark"))
        }
        #expect(play.round() == ["write mark, synced", "delete from a to a4"])
        #expect(play.cycle.deadline == .zero)
        play.submit(.periodic) { $0.merge(row, into: bytes("b")) }
        #expect(
            play.round() == [
                "write b", "loop hears 7", "delete from a4 to end", "sync", "loop hears 6",
            ]
        )
        #expect(play.cycle.deadline == nil)
        #expect(play.backend.model.rowCount == 1)
    }

    @Test func `several ranges and sweeps of one batch are answered once`() throws {
        var play = CommitPlay()
        for name in ["a1", "b1", "c1"] { play.submit { $0.merge(row, into: bytes(name)) } }
        play.submit { $0.merge(rowOfCell(1, .deleted(deletionSeconds: 5)), into: bytes("d1")) }
        _ = play.round()
        play.submit { writes in
            writes.drop(prefix: bytes("a"))
            writes.drop(range: KeyRange(lower: bytes("b"), upper: bytes("c")))
            writes.sweep(bytes("d1"), nowSeconds: 10, purgeBeforeSeconds: 10)
            writes.sweep(bytes("none"), nowSeconds: 10, purgeBeforeSeconds: 10)
        }
        #expect(play.round() == ["replace -d1"])
        #expect(play.round() == ["delete from a to end"])
        #expect(play.round() == ["delete from b to end", "sync", "loop hears 5"])
        #expect(try play.backend.read([bytes("c1"), bytes("d1")]) == [row, nil])
    }

    @Test func `many sweeps go in pieces, the last one synced`() {
        var play = CommitPlay()
        let dead = rowOfCell(1, .deleted(deletionSeconds: 5))
        for index in 100..<180 { play.submit { $0.merge(dead, into: bytes("\(index)")) } }
        _ = play.round()
        play.submit { writes in
            for index in 100..<180 {
                writes.sweep(bytes("\(index)"), nowSeconds: 10, purgeBeforeSeconds: 10)
            }
        }
        let first = (100..<164).map { "-\($0)" }.joined(separator: " ")
        let second = (164..<180).map { "-\($0)" }.joined(separator: " ")
        #expect(play.round() == ["replace \(first)"])
        #expect(play.round() == ["replace \(second), synced", "loop hears 81"])
        #expect(play.backend.model.rowCount == 0)
    }

    @Test func `a sweep reads the row again and loses no merge that came before it`() throws {
        // The caller saw a row with nothing but an old tombstone and asked for its sweep; a write
        // arrives in the same group, and one more while the sweep waits behind another chore.
        var play = CommitPlay(groupBytesMax: 100)
        let dead = rowOfCell(1, .deleted(deletionSeconds: 5))
        play.submit { $0.merge(dead, into: bytes("a")) }
        play.submit { $0.merge(row, into: bytes("x")) }
        while !play.queue.isEmpty { _ = play.round() }
        play.submit { $0.drop(prefix: bytes("x")) }
        play.submit { $0.sweep(bytes("a"), nowSeconds: 10, purgeBeforeSeconds: 10) }
        #expect(play.round() == ["delete from x to end", "sync", "loop hears 3"])
        let value = rowOfCell(7, .live([9]))
        play.submit { $0.merge(value, into: bytes("a")) }
        #expect(play.round() == ["write a, synced", "loop hears 5", "loop hears 4"])
        #expect(try play.backend.read([bytes("a")]) == [value])
        // And where something is left to sweep beside it.
        let other = Row(cells: [
            Cell(column: column(2), timestamp: at(1), content: .deleted(deletionSeconds: 5))
        ])
        play.submit { writes in
            writes.merge(other.encoded(), into: bytes("a"))
            writes.sweep(bytes("a"), nowSeconds: 10, purgeBeforeSeconds: 10)
        }
        #expect(
            play.round() == ["write a, synced", "replace a, synced", "loop hears 6"]
        )
        #expect(try play.backend.read([bytes("a")]) == [value])
    }

    @Test func `a row that cannot be decoded stays as it is`() throws {
        var play = CommitPlay()
        play.submit { $0.merge([42], into: bytes("a")) }
        _ = play.round()
        let before = try play.backend.read([bytes("a")])
        play.submit { $0.sweep(bytes("a"), nowSeconds: 10, purgeBeforeSeconds: 10) }
        #expect(play.round() == ["loop hears 2"])
        #expect(try play.backend.read([bytes("a")]) == before)
    }

    @Test func `a damaged row fails its sweep or drop alone`() {
        var play = CommitPlay(observes: true)
        play.submit { $0.merge(row, into: bytes("a")) }
        _ = play.round()
        play.backend.model.damage(KeyRange(lower: bytes("a"), upper: bytes("b")))
        play.submit { $0.sweep(bytes("a"), nowSeconds: 10, purgeBeforeSeconds: 10) }
        #expect(
            play.round() == ["will replace a", "replaced a, failed", "loop hears 2: corruption"]
        )
        // So is a drop of a part of what is damaged, and all of it can be dropped.
        play.submit { $0.drop(prefix: bytes("a1")) }
        #expect(
            play.round()
                == ["will delete from a1", "deleted from a1, failed", "loop hears 3: corruption"]
        )
        #expect(play.cycle.failure == nil)
        play.submit { $0.drop(prefix: bytes("a")) }
        #expect(
            play.round()
                == [
                    "will delete from a", "delete from a to end", "sync", "deleted from a",
                    "loop hears 4",
                ]
        )
        #expect(!play.backend.model.isDamaged)
    }

    @Test func `the observer hears before and after each change, and before the answers`() {
        var play = CommitPlay(groupBytesMax: 30, observes: true)
        let dead = rowOfCell(1, .deleted(deletionSeconds: 5))
        play.submit { $0.merge(dead, into: bytes("a1")) }
        #expect(play.round() == ["begin 1", "write a1, synced", "end 1", "loop hears 1"])
        play.submit { $0.merge(row, into: bytes("a2")) }
        play.submit { $0.merge(row, into: bytes("a3")) }
        while !play.queue.isEmpty { _ = play.round() }
        play.submit { $0.sweep(bytes("a1"), nowSeconds: 10, purgeBeforeSeconds: 10) }
        #expect(
            play.round()
                == ["will replace a1", "replace -a1, synced", "replaced a1", "loop hears 4"]
        )
        play.submit { $0.drop(prefix: bytes("a")) }
        _ = play.journal.take()
        #expect(
            play.round()
                == [
                    "will delete from a", "delete from a to end", "sync", "deleted from a",
                    "loop hears 5",
                ]
        )
    }

    @Test func `the steps can be apart, and a crash between them tells what is where`() throws {
        var play = CommitPlay(observes: true)
        play.submit(.periodic) { $0.merge(row, into: bytes("a")) }
        play.cycle.take(play.queue.takeGroup(bytesMax: .max))
        let hasBegun = play.begin()
        #expect(hasBegun)
        #expect(play.journal.take() == ["begin 1"])
        #expect(try play.backend.read([bytes("a")]) == [nil])
        play.cycle.perform(now: .zero)
        #expect(play.journal.take() == ["write a"])
        #expect(try play.backend.read([bytes("a")]) == [row])
        let early = play.cycle.takeAnswers()
        #expect(early.isEmpty)
        play.cycle.end()
        #expect(play.journal.take() == ["end 1"])
        let answers = play.cycle.takeAnswers().flatMap(\.outcomes)
        #expect(answers == [CommitOutcome(ticket: 1, error: nil)])
        let rest = play.cycle.takeAnswers()
        #expect(rest.isEmpty)
        let isMore = play.cycle.begin(now: .zero)
        #expect(!isMore)
        play.backend.model.crash()
        #expect(try play.backend.read([bytes("a")]) == [nil])
    }

    @Test func `the planted fault answers before it syncs`() throws {
        var play = CommitPlay(acknowledgement: .beforeSync)
        play.submit { $0.merge(row, into: bytes("a")) }
        #expect(play.round() == ["write a", "loop hears 1", "sync"])
        play.submit { $0.drop(prefix: bytes("a")) }
        #expect(play.round() == ["delete from a to end", "loop hears 2", "sync"])
        // Power lost after the answer: acknowledged, and gone.
        play.submit { $0.merge(row, into: bytes("b")) }
        play.cycle.take(play.queue.takeGroup(bytesMax: .max))
        let hasBegun = play.begin()
        #expect(hasBegun)
        play.step()
        #expect(play.journal.take() == ["write b", "loop hears 3"])
        play.backend.model.crash()
        #expect(try play.backend.read([bytes("b")]) == [nil])
    }
}
