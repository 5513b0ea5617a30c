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

    private func decision(age: Int64) -> BatchReplay.Decision {
        BatchReplay.decision(
            createdMicros: 1_000_000_000,
            nowMicros: 1_000_000_000 + age,
            writeTimeout: .seconds(2),
            hintWindow: .seconds(3600)
        )
    }

    @Test func `an entry waits for twice the write time-out, and expires with the hints`() {
        #expect(decision(age: -9_000_000) == .wait)
        #expect(decision(age: 4_000_000) == .wait)
        #expect(decision(age: 4_000_001) == .replay)
        #expect(decision(age: 3_600_000_000) == .replay)
        #expect(decision(age: 3_600_000_001) == .expired)
    }

    @Test func `absurd clocks do not trap`() {
        func decision(_ created: Int64, _ now: Int64) -> BatchReplay.Decision {
            BatchReplay.decision(
                createdMicros: created,
                nowMicros: now,
                writeTimeout: .seconds(2),
                hintWindow: .seconds(3600)
            )
        }
        #expect(decision(.min, .max) == .expired)
        #expect(decision(.max, .min) == .wait)
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
        replay.hintStored(for: b, actions: &actions)
        #expect(actions == [])
        replay.failed(at: c, Fixture.failure(.overloaded), actions: &actions)
        #expect(actions == [.hint(for: c, mutations: [0, 1], synced: true)])
        actions = []
        replay.hintStored(for: c, actions: &actions)
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
        replay.hintFailed(for: c, actions: &actions)
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
