import Catalog
import Coordination
import PeerMessages
import Testing
import TokenPlacement

struct BatchReplayTests {
    private typealias Action = BatchReplay.Action

    private let a = Fixture.a
    private let b = Fixture.b
    private let c = Fixture.c

    private func decision(_ received: Int64, _ now: Int64) -> BatchReplay.Decision {
        BatchReplay.decision(receivedMicros: received, nowMicros: now, ageMaxSeconds: 3600)
    }

    @Test func `an entry is written until it expires, by the keeper's clock`() {
        #expect(decision(1_000_000_000, 1_000_000_001) == .replay)
        #expect(decision(1_000_000_000, 4_599_999_999) == .replay)
        #expect(decision(1_000_000_000, 4_600_000_000) == .expired)
        #expect(decision(9_000_000_000, 1) == .replay, "the clock was corrected meanwhile")
    }

    @Test func `absurd clocks do not trap`() {
        #expect(decision(.min, .max) == .expired)
        #expect(decision(.max, .min) == .replay)
    }

    @Test func `an entry may be as old as the least grace period, or as a hint`() {
        func ageMax(_ grace: [Int64]) -> Int64 {
            BatchReplay.ageMaxSeconds(
                hintWindowSeconds: 10_800,
                skewMarginSeconds: 30,
                gcGraceSeconds: grace
            )
        }
        #expect(ageMax([864_000, 90_000]) == 89_970)
        #expect(ageMax([864_000, 10_820]) == 10_800)
        #expect(ageMax([0]) == 10_800)
        #expect(ageMax([]) == 10_800)
    }

    private func replay(
        keyspaces: [String?] = ["ks", "ks"],
        dead: [NodeID] = []
    ) throws -> BatchReplay {
        let whole = Fixture.view(nodes: 3, .simple(factor: 3))
        var view = whole
        view.alive.subtract(dead)
        let mutations = (1...2).map { key in
            Mutation(
                table: TableID(1),
                partition: PartitionRef(key: [UInt8(key)]),
                operand: Fixture.row(10, 1)
            )
        }
        let batch = StoredBatch(id: Fixture.e, createdMicros: 1, mutations: mutations)
        return try BatchReplay(batch: batch, keyspaces: keyspaces, view: view)
    }

    @Test func `an entry goes once every replica has the writes or a synced hint`() throws {
        var replay = try replay(dead: [b])
        var actions: [Action] = []
        replay.start(&actions)
        #expect(
            actions == [
                .write(to: a, mutations: [0, 1]), .write(to: c, mutations: [0, 1]),
                .hint(for: b, mutations: [0, 1], synced: true),
            ]
        )
        actions = []
        replay.acknowledged(by: a, actions: &actions)
        replay.hintEnded(for: b, .stored, actions: &actions)
        #expect(actions == [])
        replay.failed(at: c, Fixture.failure(.overloaded), actions: &actions)
        #expect(actions == [.hint(for: c, mutations: [0, 1], synced: true)])
        actions = []
        replay.hintEnded(for: c, .stored, actions: &actions)
        #expect(actions == [.remove])
        #expect(replay.isFinished)
        replay.timedOut(&actions)
        #expect(actions.count == 1)
    }

    @Test func `the time-out leaves hints, and a hint that fails keeps the entry`() throws {
        var replay = try replay()
        var actions: [Action] = []
        replay.start(&actions)
        replay.acknowledged(by: a, actions: &actions)
        replay.acknowledged(by: b, actions: &actions)
        actions = []
        replay.timedOut(&actions)
        #expect(actions == [.hint(for: c, mutations: [0, 1], synced: true)])
        actions = []
        replay.hintEnded(for: c, .failed, actions: &actions)
        #expect(actions == [.keep])
    }

    @Test func `marks let the entry go where another replica has the writes`() throws {
        var replay = try replay(dead: [b])
        var actions: [Action] = []
        replay.start(&actions)
        var nowhere = replay
        actions = []
        replay.acknowledged(by: a, actions: &actions)
        replay.acknowledged(by: c, actions: &actions)
        replay.hintEnded(for: b, .marked, actions: &actions)
        #expect(actions == [.remove])
        actions = []
        nowhere.timedOut(&actions)
        actions = []
        for node in [a, b, c] { nowhere.hintEnded(for: node, .marked, actions: &actions) }
        #expect(actions == [.keep])
    }

    @Test func `mutations of dropped tables are left out, the others keep their places`() throws {
        var replay = try replay(keyspaces: [nil, "ks"])
        var actions: [Action] = []
        replay.start(&actions)
        #expect(actions == [a, b, c].map { .write(to: $0, mutations: [1]) })
        var none = try self.replay(keyspaces: [nil, nil])
        actions = []
        none.start(&actions)
        #expect(actions == [.remove])
    }

    @Test func `a write that no node will ever do does not keep the entry`() throws {
        var replay = try replay()
        var actions: [Action] = []
        replay.start(&actions)
        actions = []
        for node in [a, b, c] {
            replay.failed(at: node, Fixture.failure(.invalid), actions: &actions)
        }
        #expect(actions == [.remove])
    }

    @Test func `a keyspace that is no more is an error`() {
        #expect(throws: CoordinationError.self) { try replay(keyspaces: ["ks", "gone"]) }
    }
}
