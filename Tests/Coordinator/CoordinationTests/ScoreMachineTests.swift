import Catalog
import Coordination
import PeerMessages
import Storage
import Testing
import TokenPlacement

struct ScoreMachineTests {
    private typealias Action = ScoreMachine.Action

    private let a = Fixture.a
    private let b = Fixture.b
    private let c = Fixture.c
    private let same = RowDigest(high: 1, low: 1)
    private let other = RowDigest(high: 2, low: 2)

    private func machine(
        _ groups: [KeyGroup],
        order: PeerMessages.ScoreOrder = .descending,
        limit: Int = 3,
        _ consistency: ConsistencyLevel = .quorum
    ) -> ScoreMachine {
        let count = groups.reduce(0) { $0 + $1.keys.count }
        return ScoreMachine(
            partitions: (0..<count).map { PartitionRef(key: [UInt8($0)]) },
            groups: groups,
            order: order,
            limit: limit,
            consistency: consistency
        )
    }

    private func reply(
        _ rows: [(group: Int, index: Int, score: Float?)],
        _ digests: [RowDigest]
    ) -> ScoreReply {
        var counts = ScoreCounts()
        counts.rows = rows.count
        counts.batch = rows.count
        return ScoreReply(
            rows: rows.map {
                ScoredRow(group: $0.group, index: $0.index, score: $0.score, values: [])
            },
            digests: digests,
            counts: counts
        )
    }

    /// The answer among the actions, as keys and scores.
    private func answer(_ actions: [Action]) throws -> [(key: Int, score: Float?)] {
        guard case .answer(let outcome) = actions.last else {
            Issue.record("no answer: \(actions)")
            return []
        }
        return outcome.entries.map { ($0.key, $0.score) }
    }

    /// Two groups at QUORUM: `a` scores the first, `b` the second, and they vouch for each other.
    private func pair(
        limit: Int = 3,
        order: PeerMessages.ScoreOrder = .descending
    ) -> ScoreMachine {
        var machine = machine(
            [
                Fixture.group([Fixture.a, Fixture.b, Fixture.c], required: 2, keys: [0, 1]),
                Fixture.group([Fixture.a, Fixture.b, Fixture.c], required: 2, keys: [2, 3]),
            ],
            order: order,
            limit: limit
        )
        var actions: [Action] = []
        machine.start(&actions)
        return machine
    }

    // MARK: Spread

    @Test func `rows are spread evenly over the replicas, every group scored once`() {
        var machine = machine(
            (0..<6).map { Fixture.group([a, b, c], required: 1, keys: [2 * $0, 2 * $0 + 1]) },
            .one
        )
        var actions: [Action] = []
        machine.start(&actions)
        #expect(
            actions == [
                .score(request: 0, at: a, groups: [0, 3]),
                .score(request: 1, at: b, groups: [1, 4]),
                .score(request: 2, at: c, groups: [2, 5]),
            ]
        )
    }

    @Test func `the largest group is placed first, so that small ones even it out`() {
        var machine = machine(
            [
                Fixture.group([a, b], required: 1, keys: [0]),
                Fixture.group([a, b], required: 1, keys: [1]),
                Fixture.group([a, b], required: 1, keys: [2, 3, 4]),
            ],
            .one
        )
        var actions: [Action] = []
        machine.start(&actions)
        #expect(
            actions == [
                .score(request: 0, at: a, groups: [2]), .score(request: 1, at: b, groups: [0, 1]),
            ]
        )
    }

    @Test func `at QUORUM another replica than the scorer vouches for each group`() {
        var machine = machine([
            Fixture.group([a, b, c], required: 2, keys: [0, 1]),
            Fixture.group([a, b, c], required: 2, keys: [2, 3]),
        ])
        var actions: [Action] = []
        machine.start(&actions)
        #expect(
            actions == [
                .score(request: 0, at: a, groups: [0]), .score(request: 1, at: b, groups: [1]),
                .digest(request: 2, from: b, groups: [0]),
                .digest(request: 3, from: c, groups: [1]),
            ]
        )
    }

    @Test func `five nodes at a replication factor of 3 score disjoint candidates`() throws {
        let view = Fixture.view(nodes: 5, .simple(factor: 3))
        let partitions = (0..<100).map { PartitionRef(key: [UInt8($0)]) }
        for level in [ConsistencyLevel.one, .quorum, .all] {
            var machine = ScoreMachine(
                partitions: partitions,
                groups: try view.group(partitions, keyspace: "ks", consistency: level),
                order: .descending,
                limit: 10,
                consistency: level
            )
            var actions: [Action] = []
            machine.start(&actions)
            var scored: [NodeID: [PartitionRef]] = [:]
            for case .score(_, let node, let groups) in actions {
                #expect(scored[node] == nil, "one message a node")
                scored[node] = groups.flatMap { machine.partitions(of: $0) }
            }
            let remote = scored.filter { $0.key != view.node }
            #expect(remote.count >= 2)
            #expect(scored.values.flatMap { $0 }.count == 100)
            #expect(Set(scored.values.flatMap { $0 }) == Set(partitions))
            // Even: nobody scores more than twice its share.
            #expect(scored.values.allSatisfy { $0.count <= 40 })
        }
    }

    // MARK: Agreement

    @Test func `the best of all replicas are merged and cut, ties by key, nulls last`() throws {
        var machine = pair(limit: 3)
        var actions: [Action] = []
        machine.digestsReceived(request: 2, digests: [same], actions: &actions)
        machine.digestsReceived(request: 3, digests: [other], actions: &actions)
        machine.scored(
            request: 1,
            reply: reply([(0, 1, 5), (0, 0, nil)], [other]),
            bytes: 70,
            actions: &actions
        )
        #expect(actions == [])
        machine.scored(
            request: 0,
            reply: reply([(0, 0, 9), (0, 1, 5)], [same]),
            bytes: 80,
            actions: &actions
        )
        guard case .answer(let outcome) = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(outcome.entries.map(\.key) == [0, 1, 3])
        #expect(outcome.entries.map(\.score) == [9, 5, 5])
        #expect(outcome.contributions.map(\.node) == [b, a])
        #expect(outcome.contributions.map(\.bytes) == [70, 80])
        #expect(outcome.contributions.map(\.returnedRows) == [2, 2])
        #expect(outcome.counts.batch == 4)
        #expect(machine.isFinished)
    }

    @Test func `ascending order puts the least first and nulls last`() throws {
        var machine = machine(
            [Fixture.group([a], required: 1, keys: [0, 1, 2])],
            order: .ascending,
            limit: 3,
            .one
        )
        var actions: [Action] = []
        machine.start(&actions)
        machine.scored(
            request: 0,
            reply: reply([(0, 1, -1), (0, 2, 4), (0, 0, nil)], [same]),
            bytes: 0,
            actions: &actions
        )
        #expect(try answer(actions).map(\.key) == [1, 2, 0])
    }

    @Test func `without an order the rows keep the order of the request`() throws {
        var machine = pair(limit: 3, order: .none)
        var actions: [Action] = []
        machine.digestsReceived(request: 2, digests: [same], actions: &actions)
        machine.digestsReceived(request: 3, digests: [same], actions: &actions)
        machine.scored(
            request: 1,
            reply: reply([(0, 0, 1), (0, 1, 2)], [same]),
            bytes: 0,
            actions: &actions
        )
        machine.scored(
            request: 0,
            reply: reply([(0, 0, 3), (0, 1, 4)], [same]),
            bytes: 0,
            actions: &actions
        )
        #expect(try answer(actions).map(\.key) == [0, 1, 2])
    }

    @Test func `no candidates are answered at once, and a limit of 0 returns none`() throws {
        var empty = machine([])
        var actions: [Action] = []
        empty.start(&actions)
        #expect(try answer(actions).isEmpty)
        #expect(empty.isFinished)
        var machine = machine([Fixture.group([a], required: 1, keys: [0])], limit: 0, .one)
        actions = []
        machine.start(&actions)
        machine.scored(request: 0, reply: reply([], [same]), bytes: 0, actions: &actions)
        #expect(try answer(actions).isEmpty)
    }

    // MARK: Mismatch

    @Test
    func `a mismatch reads and scores again all groups of that reply, and no others`() throws {
        var machine = machine(
            [
                Fixture.group([a, b], required: 2, keys: [0]),
                Fixture.group([b, a], required: 2, keys: [1]),
                Fixture.group([a, b], required: 2, keys: [2]),
            ],
            limit: 2
        )
        var actions: [Action] = []
        machine.start(&actions)
        #expect(
            actions == [
                .score(request: 0, at: a, groups: [0, 2]), .score(request: 1, at: b, groups: [1]),
                .digest(request: 2, from: a, groups: [1]),
                .digest(request: 3, from: b, groups: [0, 2]),
            ]
        )
        actions = []
        // `a` was wrong about group 2; its best were cut at the limit, so group 0 goes again too.
        machine.scored(
            request: 0,
            reply: reply([(1, 0, 100), (0, 0, 1)], [same, same]),
            bytes: 9,
            actions: &actions
        )
        machine.scored(request: 1, reply: reply([(0, 0, 50)], [same]), bytes: 9, actions: &actions)
        machine.digestsReceived(request: 2, digests: [same], actions: &actions)
        #expect(actions == [])
        machine.digestsReceived(request: 3, digests: [same, other], actions: &actions)
        #expect(actions == [.read(groups: [0, 2])])
        actions = []
        let rows: [[UInt8]?] = [Fixture.row(1, 1), nil]
        machine.rowsRead(rows, actions: &actions)
        #expect(actions == [.scoreHere(groups: [0, 2], rows: rows)])
        actions = []
        machine.rowsScored(reply([(0, 0, 70)], [same, same]), by: c, actions: &actions)
        guard case .answer(let outcome) = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(outcome.entries.map(\.key) == [0, 1])
        #expect(outcome.entries.map(\.score) == [70, 50])
        #expect(outcome.counts.batch == 2, "what was dropped is not counted")
        #expect(outcome.contributions.map(\.node) == [a, b, c])
    }

    @Test func `a read or a scoring that fails after a mismatch fails the request`() {
        for isRead in [true, false] {
            var machine = machine([Fixture.group([a, b], required: 2, keys: [0])])
            var actions: [Action] = []
            machine.start(&actions)
            machine.reconciliationFailed(.invalid("too early"), actions: &actions)
            machine.scored(request: 0, reply: reply([], [same]), bytes: 0, actions: &actions)
            machine.digestsReceived(request: 1, digests: [other], actions: &actions)
            if isRead { machine.rowsRead([nil], actions: &actions) }
            actions = []
            machine.reconciliationFailed(.scoringFailed("no"), actions: &actions)
            #expect(actions == [.fail(.scoringFailed("no"))])
            machine.rowsRead([nil], actions: &actions)
            machine.rowsScored(reply([], [same]), by: c, actions: &actions)
            #expect(actions.count == 1)
        }
    }

    // MARK: Failures

    @Test func `a node that has not loaded the model is replaced by one that has`() throws {
        var machine = machine([Fixture.group([a, b, c], required: 1, keys: [0])], .one)
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.requestFailed(request: 0, Fixture.failure(.modelNotReady), actions: &actions)
        #expect(actions == [.score(request: 1, at: b, groups: [0])])
        actions = []
        machine.requestFailed(request: 1, Fixture.failure(.modelNotReady), actions: &actions)
        #expect(actions == [.score(request: 2, at: c, groups: [0])])
        actions = []
        machine.requestFailed(request: 2, Fixture.failure(.modelNotReady), actions: &actions)
        #expect(actions == [.fail(.scoringFailed("no"))])
    }

    @Test func `without a spare, a voucher scores and the node without the model vouches`() throws {
        var machine = machine([Fixture.group([a, b], required: 2, keys: [0])])
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.digestsReceived(request: 1, digests: [same], actions: &actions)
        machine.requestFailed(request: 0, Fixture.failure(.modelNotReady), actions: &actions)
        #expect(
            actions == [
                .score(request: 2, at: b, groups: [0]), .digest(request: 3, from: a, groups: [0]),
            ]
        )
        actions = []
        machine.scored(
            request: 2,
            reply: reply([(0, 0, 1)], [same]),
            bytes: 0,
            actions: &actions
        )
        #expect(actions == [], "the voice of one replica counts once")
        var unready = machine
        machine.digestsReceived(request: 3, digests: [same], actions: &actions)
        #expect(try answer(actions).map(\.key) == [0])
        actions = []
        unready.requestFailed(request: 3, Fixture.failure(.disconnected), actions: &actions)
        let count = AnswerCount(consistency: .quorum, received: 1, required: 2)
        #expect(actions == [.fail(.readTimeout(count, dataPresent: false))])
    }

    @Test func `when none of the voters has the model the request fails`() throws {
        var machine = machine([Fixture.group([a, b, c], required: 3, keys: [0])], .all)
        var actions: [Action] = []
        machine.start(&actions)
        for request in [0, 3, 5] {
            actions = []
            machine.requestFailed(
                request: request,
                Fixture.failure(.modelNotReady),
                actions: &actions
            )
        }
        #expect(actions == [.fail(.scoringFailed("no"))])
    }

    @Test
    func `a digest that fails is asked of a spare, and an answer that comes late ignored`() throws {
        var machine = machine([Fixture.group([a, b, c], required: 2, keys: [0])])
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.requestFailed(request: 1, Fixture.failure(.disconnected), actions: &actions)
        #expect(actions == [.digest(request: 2, from: c, groups: [0])])
        actions = []
        machine.scored(
            request: 0,
            reply: reply([(0, 0, 1)], [same]),
            bytes: 0,
            actions: &actions
        )
        machine.digestsReceived(request: 1, digests: [other], actions: &actions)
        #expect(actions == [])
        machine.digestsReceived(request: 2, digests: [same], actions: &actions)
        #expect(try answer(actions).map(\.key) == [0])
    }

    @Test func `a failure without a spare is told in its own kind`() {
        let count = AnswerCount(consistency: .quorum, received: 0, required: 2)
        let expected: [(PeerFailure.Code, CoordinationError)] = [
            (.failed, .readFailure(count, failures: 1, dataPresent: false, text: "no")),
            (.unknownTable, .readFailure(count, failures: 1, dataPresent: false, text: "no")),
            (.disconnected, .readTimeout(count, dataPresent: false)),
            (.overloaded, .overloaded("no")), (.invalid, .invalid("no")),
        ]
        for (code, error) in expected {
            var machine = machine([Fixture.group([a, b], required: 2, keys: [0])])
            var actions: [Action] = []
            machine.start(&actions)
            actions = []
            machine.requestFailed(request: 0, Fixture.failure(code), actions: &actions)
            #expect(actions == [.fail(error)])
        }
    }

    @Test func `an invalid request fails at once, without asking a spare`() {
        var machine = pair()
        var actions: [Action] = []
        machine.requestFailed(request: 0, Fixture.failure(.invalid), actions: &actions)
        #expect(actions == [.fail(.invalid("no"))])
    }

    @Test func `a failure of a request that was answered is ignored`() {
        var machine = pair()
        var actions: [Action] = []
        machine.digestsReceived(request: 2, digests: [same], actions: &actions)
        machine.requestFailed(request: 2, Fixture.failure(.invalid), actions: &actions)
        #expect(actions == [])
        #expect(!machine.isFinished)
    }

    @Test func `a reply that does not fit is a failure`() {
        let unfit = [
            reply([], []), reply([], [same, same]), reply([(1, 0, 1)], [same]),
            reply([(0, 2, 1)], [same]), reply([(0, -1, 1)], [same]),
            reply([(0, 0, 1), (0, 1, 1), (0, 1, 1), (0, 1, 1)], [same]),
        ]
        for reply in unfit {
            var machine = pair(limit: 3)
            var actions: [Action] = []
            machine.scored(request: 0, reply: reply, bytes: 0, actions: &actions)
            #expect(actions == [.score(request: 4, at: c, groups: [0])])
        }
        for digests in [[], [same, same]] {
            var machine = pair()
            var actions: [Action] = []
            machine.digestsReceived(request: 2, digests: digests, actions: &actions)
            #expect(actions == [.digest(request: 4, from: c, groups: [0])])
        }
    }

    // MARK: Time-outs

    @Test func `a time-out tells how many replicas answered, and ends the request`() {
        var machine = pair()
        var actions: [Action] = []
        machine.timedOut(&actions)
        let count = AnswerCount(consistency: .quorum, received: 0, required: 2)
        #expect(actions == [.fail(.readTimeout(count, dataPresent: false))])
        actions = []
        machine.scored(request: 0, reply: reply([], [same]), bytes: 0, actions: &actions)
        machine.digestsReceived(request: 2, digests: [same], actions: &actions)
        machine.requestFailed(request: 1, Fixture.failure(.failed), actions: &actions)
        machine.timedOut(&actions)
        #expect(actions == [])
    }

    // MARK: Property

    /// Each replica holds each row in a fresh or a stale version, the fresh one on a majority;
    /// a score tells key and version.
    @Test func `what is answered at QUORUM are the best of what a read would return`() throws {
        var answers = 0
        var mismatches = 0
        for seed in 0..<400 {
            var random = SplitMix(state: UInt64(seed))
            let view = Fixture.view(nodes: 5, .simple(factor: 3))
            let keys = (0..<UInt8.random(in: 1...12, using: &random)).map { $0 }
            let partitions = keys.map { PartitionRef(key: [$0]) }
            let groups = try view.group(partitions, keyspace: "ks", consistency: .quorum)
            var stale: [NodeID: Set<Int>] = [:]
            for group in groups {
                for key in group.keys where Bool.random(using: &random) {
                    stale[group.replicas[Int.random(in: 0..<3, using: &random)], default: []]
                        .insert(key)
                }
            }
            func score(_ key: Int, isStale: Bool) -> Float {
                Float((key * 7 + (isStale ? 5 : 0)) % 10)
            }
            func digest(_ node: NodeID, _ group: KeyGroup) -> RowDigest {
                let lacking = group.keys.filter { stale[node, default: []].contains($0) }
                return RowDigest(high: 7, low: lacking.reduce(0) { $0 | 1 << UInt64($1) })
            }
            func best(_ rows: [(group: Int, index: Int, key: Int, score: Float)], _ limit: Int)
                -> [(group: Int, index: Int, score: Float?)]
            {
                rows.sorted { ($1.score, $0.key) < ($0.score, $1.key) }.prefix(limit)
                    .map { ($0.group, $0.index, $0.score) }
            }
            func scored(_ groups: [KeyGroup], at node: NodeID?, limit: Int) -> ScoreReply {
                let rows = groups.enumerated().flatMap { place, group in
                    group.keys.enumerated().map { index, key in
                        let isStale = node.map { stale[$0, default: []].contains(key) } ?? false
                        return (place, index, key, score(key, isStale: isStale))
                    }
                }
                return reply(
                    best(rows, limit),
                    groups.map { digest(node ?? NodeID(high: 9, low: 9), $0) }
                )
            }
            let limit = Int.random(in: 1...5, using: &random)
            var machine = ScoreMachine(
                partitions: partitions,
                groups: groups,
                order: .descending,
                limit: limit,
                consistency: .quorum
            )
            var pending: [Action] = []
            var outcome: Action?
            machine.start(&pending)
            let failureRate = Double.random(in: 0...0.3, using: &random)
            while !pending.isEmpty {
                let action = pending.remove(at: Int.random(in: pending.indices, using: &random))
                let fails = Double.random(in: 0..<1, using: &random) < failureRate
                switch action {
                case .score(let request, _, _) where fails, .digest(let request, _, _) where fails:
                    let failure = Fixture.failure(.modelNotReady)
                    machine.requestFailed(request: request, failure, actions: &pending)
                case .score(let request, let node, let indexes):
                    let reply = scored(indexes.map(machine.group), at: node, limit: limit)
                    machine.scored(request: request, reply: reply, bytes: 1, actions: &pending)
                case .digest(let request, let node, let indexes):
                    let digests = indexes.map { digest(node, machine.group($0)) }
                    machine.digestsReceived(request: request, digests: digests, actions: &pending)
                case .read: machine.rowsRead([], actions: &pending)
                case .scoreHere(let indexes, _):
                    mismatches += 1
                    let reply = scored(indexes.map(machine.group), at: nil, limit: limit)
                    machine.rowsScored(reply, by: view.node, actions: &pending)
                case .answer, .fail:
                    #expect(outcome == nil, "seed \(seed)")
                    outcome = action
                }
            }
            #expect(machine.isFinished, "seed \(seed)")
            guard case .answer(let result) = outcome else { continue }
            answers += 1
            let expected = keys.indices.map { (0, 0, $0, score($0, isStale: false)) }
            #expect(
                result.entries.map(\.score) == best(expected, limit).map(\.score),
                "seed \(seed)"
            )
            #expect(
                result.entries.map(\.key)
                    == expected.sorted { ($1.3, $0.2) < ($0.3, $1.2) }.prefix(limit).map(\.2),
                "seed \(seed)"
            )
        }
        #expect(answers > 100)
        #expect(mismatches > 50)
    }
}
