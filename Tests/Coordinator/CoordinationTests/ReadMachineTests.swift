import Catalog
import Coordination
import PeerMessages
import Storage
import Testing
import TokenPlacement

struct ReadMachineTests {
    private typealias Action = ReadMachine.Action
    private typealias Part = ReadMachine.Part
    private typealias Repair = ReadMachine.Repair

    private let a = Fixture.a
    private let b = Fixture.b
    private let c = Fixture.c
    private let old = Fixture.row(10, 1)
    private let new = Fixture.row(20, 2)

    private func machine(
        _ groups: [KeyGroup],
        keys: Int = 1,
        _ consistency: ConsistencyLevel = .quorum
    ) -> ReadMachine {
        ReadMachine(
            keyCount: keys,
            groups: groups,
            consistency: consistency,
            nowSeconds: Fixture.nowSeconds,
            gcGraceSeconds: Fixture.gcGraceSeconds
        )
    }

    /// A machine that reads one key at QUORUM and has asked `a` for data and `b` for a digest.
    private func quorum(candidates: [NodeID] = [Fixture.a, Fixture.b, Fixture.c]) -> ReadMachine {
        var machine = machine([Fixture.group(candidates, required: 2, keys: [0])])
        var actions: [Action] = []
        machine.start(&actions)
        return machine
    }

    /// The same, with `a` at the old row and `b` at the new one, both of which are on the way.
    private func reconciling(
        candidates: [NodeID] = [Fixture.a, Fixture.b, Fixture.c]
    ) throws -> ReadMachine {
        var machine = quorum(candidates: candidates)
        var actions: [Action] = []
        machine.rowsReceived(request: 0, replies: [try Fixture.reply([old])], actions: &actions)
        machine.rowsReceived(
            request: 1,
            replies: [try Fixture.reply([new], .digest)],
            actions: &actions
        )
        return machine
    }

    private func timeout(_ received: Int, of required: Int, hasData: Bool) -> Action {
        let count = AnswerCount(consistency: .quorum, received: received, required: required)
        return .fail(.readTimeout(count, dataPresent: hasData))
    }

    // MARK: Agreement

    @Test func `at ONE the data of one replica is the answer`() throws {
        var machine = machine([Fixture.group([a, b, c], required: 1, keys: [0])], .one)
        var actions: [Action] = []
        machine.start(&actions)
        // Nobody compares, so that no digest is asked for.
        #expect(actions == [.read(request: 0, from: a, parts: [Part(group: 0, mode: .rows)])])
        actions = []
        machine.rowsReceived(
            request: 0,
            replies: [try Fixture.reply([new], .rows)],
            actions: &actions
        )
        #expect(actions == [.answer([new])])
        #expect(machine.isFinished)
    }

    @Test(arguments: [true, false])
    func `at QUORUM data and an equal digest are the answer, in either order`(
        isDataFirst: Bool
    ) throws {
        var machine = machine([Fixture.group([a, b, c], required: 2, keys: [0])])
        var actions: [Action] = []
        machine.start(&actions)
        #expect(
            actions == [
                .read(request: 0, from: a, parts: [Part(group: 0, mode: .data)]),
                .read(request: 1, from: b, parts: [Part(group: 0, mode: .digest)]),
            ]
        )
        actions = []
        for request in isDataFirst ? [0, 1] : [1, 0] {
            #expect(actions == [])
            machine.rowsReceived(
                request: request,
                replies: [try Fixture.reply([new], request == 0 ? .data : .digest)],
                actions: &actions
            )
        }
        #expect(actions == [.answer([new])])
        #expect(machine.repairedGroupCount == 0)
    }

    @Test func `a node gets one message for all groups, and the rows stand at their keys`() throws {
        var machine = machine(
            [
                Fixture.group([a, b], required: 2, keys: [1]),
                Fixture.group([b, a], required: 2, keys: [2, 0]),
            ],
            keys: 3
        )
        var actions: [Action] = []
        machine.start(&actions)
        #expect(
            actions == [
                .read(
                    request: 0,
                    from: a,
                    parts: [Part(group: 0, mode: .data), Part(group: 1, mode: .digest)]
                ),
                .read(
                    request: 1,
                    from: b,
                    parts: [Part(group: 0, mode: .digest), Part(group: 1, mode: .data)]
                ),
            ]
        )
        actions = []
        machine.rowsReceived(
            request: 0,
            replies: [try Fixture.reply([old]), try Fixture.reply([new, nil], .digest)],
            actions: &actions
        )
        #expect(actions == [])
        machine.rowsReceived(
            request: 1,
            replies: [try Fixture.reply([old], .digest), try Fixture.reply([new, nil])],
            actions: &actions
        )
        #expect(actions == [.answer([nil, old, new])])
    }

    @Test func `no keys are answered at once`() {
        var machine = machine([], keys: 0)
        var actions: [Action] = []
        machine.start(&actions)
        #expect(actions == [.answer([])])
    }

    // MARK: Read repair

    @Test func `a mismatch is answered only after the stale replica has the merged row`() throws {
        var machine = quorum()
        var actions: [Action] = []
        machine.rowsReceived(request: 0, replies: [try Fixture.reply([old])], actions: &actions)
        machine.rowsReceived(
            request: 1,
            replies: [try Fixture.reply([new], .digest)],
            actions: &actions
        )
        #expect(actions == [.read(request: 2, from: b, parts: [Part(group: 0, mode: .data)])])
        actions = []
        machine.rowsReceived(request: 2, replies: [try Fixture.reply([new])], actions: &actions)
        #expect(
            actions == [.repair(request: 3, at: a, [Repair(key: 0, operand: new)])]
        )
        #expect(!machine.isFinished)
        actions = []
        machine.repairAcknowledged(request: 3, actions: &actions)
        #expect(actions == [.answer([new])])
        #expect(machine.repairedGroupCount == 1)
    }

    @Test func `where both lack something both are repaired, each with what it lacks`() throws {
        let left = Fixture.row(10, 1, column: 2)
        let right = Fixture.row(10, 2, column: 3)
        let merged = RowMerge.merge([left, right])
        var machine = machine([Fixture.group([a, b], required: 2, keys: [0, 1, 2])], keys: 3)
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.rowsReceived(
            request: 0,
            replies: [try Fixture.reply([left, new, old])],
            actions: &actions
        )
        let others: [[UInt8]?] = [right, nil, old]
        machine.rowsReceived(
            request: 1,
            replies: [try Fixture.reply(others, .digest)],
            actions: &actions
        )
        actions = []
        machine.rowsReceived(request: 2, replies: [try Fixture.reply(others)], actions: &actions)
        #expect(
            actions == [
                .repair(request: 3, at: a, [Repair(key: 0, operand: merged)]),
                .repair(
                    request: 4,
                    at: b,
                    [Repair(key: 0, operand: merged), Repair(key: 1, operand: new)]
                ),
            ]
        )
        actions = []
        machine.repairAcknowledged(request: 4, actions: &actions)
        machine.repairAcknowledged(request: 4, actions: &actions)
        #expect(actions == [], "one acknowledgement counts once")
        machine.repairAcknowledged(request: 3, actions: &actions)
        #expect(actions == [.answer([merged, new, old])])
    }

    @Test func `a tombstone that may go is not written back`() throws {
        // It covers the old row of `b`; `a` lost nothing by not having it.
        let dead = Fixture.tombstone(30, deletionSeconds: 1)
        var machine = quorum()
        var actions: [Action] = []
        machine.rowsReceived(request: 0, replies: [try Fixture.reply([nil])], actions: &actions)
        machine.rowsReceived(
            request: 1,
            replies: [try Fixture.reply([dead], .digest)],
            actions: &actions
        )
        #expect(actions == [.answer([nil])])
    }

    @Test func `only the group that differs is read again`() throws {
        var machine = machine(
            [
                Fixture.group([a, b], required: 2, keys: [0]),
                Fixture.group([a, b], required: 2, keys: [1]),
            ],
            keys: 2
        )
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.rowsReceived(
            request: 0,
            replies: [try Fixture.reply([old]), try Fixture.reply([old])],
            actions: &actions
        )
        machine.rowsReceived(
            request: 1,
            replies: [try Fixture.reply([old], .digest), try Fixture.reply([new], .digest)],
            actions: &actions
        )
        #expect(actions == [.read(request: 2, from: b, parts: [Part(group: 1, mode: .data)])])
        actions = []
        machine.rowsReceived(request: 2, replies: [try Fixture.reply([new])], actions: &actions)
        machine.repairAcknowledged(request: 3, actions: &actions)
        #expect(
            actions == [
                .repair(request: 3, at: a, [Repair(key: 1, operand: new)]), .answer([old, new]),
            ]
        )
    }

    @Test func `a repair that fails goes to a spare replica, with all rows`() throws {
        var machine = try reconciling()
        var actions: [Action] = []
        machine.rowsReceived(request: 2, replies: [try Fixture.reply([new])], actions: &actions)
        actions = []
        machine.requestFailed(request: 3, Fixture.failure(.failed), actions: &actions)
        #expect(actions == [.repair(request: 4, at: c, [Repair(key: 0, operand: new)])])
        actions = []
        machine.repairAcknowledged(request: 3, actions: &actions)
        #expect(actions == [], "the failed one cannot acknowledge any more")
        machine.repairAcknowledged(request: 4, actions: &actions)
        #expect(actions == [.answer([new])])
    }

    @Test func `a repair without a spare fails the read, which has its data`() throws {
        var machine = try reconciling(candidates: [a, b])
        var actions: [Action] = []
        machine.rowsReceived(request: 2, replies: [try Fixture.reply([new])], actions: &actions)
        actions = []
        machine.requestFailed(request: 3, Fixture.failure(.disconnected), actions: &actions)
        #expect(actions == [timeout(1, of: 2, hasData: true)])
    }

    @Test func `a full read that fails is asked of a spare`() throws {
        var machine = try reconciling()
        var actions: [Action] = []
        machine.requestFailed(request: 2, Fixture.failure(.failed), actions: &actions)
        #expect(actions == [.read(request: 3, from: c, parts: [Part(group: 0, mode: .data)])])
        actions = []
        machine.rowsReceived(request: 3, replies: [try Fixture.reply([nil])], actions: &actions)
        #expect(actions == [.repair(request: 4, at: c, [Repair(key: 0, operand: old)])])
    }

    // MARK: Failures

    @Test func `a replica that fails is replaced by a spare, for what it was asked`() throws {
        var machine = quorum()
        var actions: [Action] = []
        machine.requestFailed(request: 0, Fixture.failure(.disconnected), actions: &actions)
        #expect(actions == [.read(request: 2, from: c, parts: [Part(group: 0, mode: .data)])])
        actions = []
        // The answer of the replaced replica is too late.
        machine.rowsReceived(request: 0, replies: [try Fixture.reply([old])], actions: &actions)
        machine.rowsReceived(
            request: 1,
            replies: [try Fixture.reply([new], .digest)],
            actions: &actions
        )
        #expect(actions == [])
        machine.rowsReceived(request: 2, replies: [try Fixture.reply([new])], actions: &actions)
        #expect(actions == [.answer([new])])
    }

    @Test func `what no replica can do is not asked of a spare`() {
        var machine = quorum()
        var actions: [Action] = []
        machine.requestFailed(request: 1, Fixture.failure(.invalid), actions: &actions)
        #expect(actions == [.fail(.invalid("no"))])
        #expect(machine.isFinished)
    }

    @Test func `a failure without a spare is told in its own kind`() throws {
        let count = AnswerCount(consistency: .quorum, received: 1, required: 2)
        let expected: [(PeerFailure.Code, CoordinationError)] = [
            (.failed, .readFailure(count, failures: 1, dataPresent: true, text: "no")),
            (.unknownTable, .readFailure(count, failures: 1, dataPresent: true, text: "no")),
            (.unreadable, .readFailure(count, failures: 1, dataPresent: true, text: "no")),
            (.disconnected, .readTimeout(count, dataPresent: true)),
            (.overloaded, .overloaded("no")), (.invalid, .invalid("no")),
        ]
        for (code, error) in expected {
            var machine = quorum(candidates: [a, b])
            var actions: [Action] = []
            machine.rowsReceived(request: 0, replies: [try Fixture.reply([old])], actions: &actions)
            machine.requestFailed(request: 1, Fixture.failure(code), actions: &actions)
            #expect(actions == [.fail(error)])
            #expect(machine.isFinished)
        }
    }

    @Test func `a failure that comes twice counts once`() throws {
        var machine = quorum()
        var actions: [Action] = []
        machine.requestFailed(request: 1, Fixture.failure(.failed), actions: &actions)
        machine.requestFailed(request: 1, Fixture.failure(.failed), actions: &actions)
        actions = []
        machine.requestFailed(request: 2, Fixture.failure(.failed), actions: &actions)
        let count = AnswerCount(consistency: .quorum, received: 0, required: 2)
        #expect(
            actions == [
                .fail(.readFailure(count, failures: 2, dataPresent: false, text: "no"))
            ]
        )
    }

    @Test func `a reply that does not fit is a failure`() throws {
        for replies in [
            [], [try Fixture.reply([])], [try Fixture.reply([old, old])],
            [try Fixture.reply([old]), try Fixture.reply([old])],
        ] {
            var machine = quorum()
            var actions: [Action] = []
            machine.rowsReceived(request: 0, replies: replies, actions: &actions)
            #expect(actions == [.read(request: 2, from: c, parts: [Part(group: 0, mode: .data)])])
        }
    }

    // MARK: Time-outs

    @Test func `a time-out tells how far the read came`() throws {
        var machines: [(ReadMachine, Action)] = []
        var gathering = quorum()
        machines.append((gathering, timeout(0, of: 2, hasData: false)))
        var actions: [Action] = []
        gathering.rowsReceived(
            request: 1,
            replies: [try Fixture.reply([new], .digest)],
            actions: &actions
        )
        machines.append((gathering, timeout(1, of: 2, hasData: false)))
        var repairing = try reconciling()
        machines.append((repairing, timeout(1, of: 2, hasData: true)))
        repairing.rowsReceived(request: 2, replies: [try Fixture.reply([new])], actions: &actions)
        machines.append((repairing, timeout(1, of: 2, hasData: true)))
        for (machine, expected) in machines {
            var machine = machine
            var actions: [Action] = []
            machine.timedOut(&actions)
            #expect(actions == [expected])
            #expect(machine.isFinished)
        }
    }

    @Test func `what comes after the answer is ignored`() throws {
        var machine = quorum()
        var actions: [Action] = []
        machine.timedOut(&actions)
        actions = []
        machine.rowsReceived(request: 0, replies: [try Fixture.reply([old])], actions: &actions)
        machine.repairAcknowledged(request: 0, actions: &actions)
        machine.requestFailed(request: 1, Fixture.failure(.failed), actions: &actions)
        machine.timedOut(&actions)
        #expect(actions == [])
    }

    @Test func `starting twice is a broken invariant`() async {
        await #expect(processExitsWith: .failure) {
            var machine = ReadMachine(
                keyCount: 0,
                groups: [],
                consistency: .one,
                nowSeconds: 0,
                gcGraceSeconds: 0
            )
            var actions: [ReadMachine.Action] = []
            machine.start(&actions)
            machine.start(&actions)
        }
    }
}
