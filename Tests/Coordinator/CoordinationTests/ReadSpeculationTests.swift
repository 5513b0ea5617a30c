import Catalog
import Coordination
import PeerMessages
import Storage
import Testing
import TokenPlacement

struct ReadSpeculationTests {
    private typealias Action = ReadMachine.Action
    private typealias Part = ReadMachine.Part
    private typealias Repair = ReadMachine.Repair

    private let a = Fixture.a
    private let b = Fixture.b
    private let c = Fixture.c
    private let d = Fixture.d
    private let old = Fixture.row(10, 1)
    private let new = Fixture.row(20, 2)

    /// A machine that was started on some groups; its first actions are forgotten.
    private func machine(_ groups: [KeyGroup], keys: Int = 1) -> ReadMachine {
        var machine = ReadMachine(
            keyCount: keys,
            groups: groups,
            consistency: .quorum,
            nowSeconds: Fixture.nowSeconds,
            gcGraceSeconds: Fixture.gcGraceSeconds
        )
        var actions: [Action] = []
        machine.start(&actions)
        return machine
    }

    /// One key on three replicas; `a` was asked for data, `b` for a digest.
    private func quorum(_ candidates: [NodeID] = [Fixture.a, Fixture.b, Fixture.c]) -> ReadMachine {
        machine([Fixture.group(candidates, required: 2, keys: [0])])
    }

    private func receive(
        _ machine: inout ReadMachine,
        _ request: Int,
        _ row: [UInt8]?,
        _ mode: ReadRequest.Mode = .data
    ) throws -> [Action] {
        var actions: [Action] = []
        let reply = try Fixture.reply([row], mode)
        machine.rowsReceived(request: request, replies: [reply], actions: &actions)
        return actions
    }

    private func speculate(_ machine: inout ReadMachine) -> [Action] {
        var actions: [Action] = []
        machine.speculate(&actions)
        return actions
    }

    @Test func `a slow data read is asked of a spare, and the first data wins`() throws {
        var machine = quorum()
        #expect(try receive(&machine, 1, new, .digest) == [])
        #expect(
            speculate(&machine) == [
                .read(request: 2, from: c, parts: [Part(group: 0, mode: .data)])
            ]
        )
        #expect(machine.speculatedGroupCount == 1)
        #expect(try receive(&machine, 2, new) == [.answer([new])])
        #expect(try receive(&machine, 0, old) == [], "the slow one comes too late")
    }

    @Test func `a slow digest is asked of a spare`() throws {
        var machine = quorum()
        #expect(try receive(&machine, 0, new) == [])
        #expect(
            speculate(&machine) == [
                .read(request: 2, from: c, parts: [Part(group: 0, mode: .digest)])
            ]
        )
        #expect(try receive(&machine, 2, new, .digest) == [.answer([new])])
    }

    @Test func `one that is late with a digest may step in for rows`() throws {
        var machine = quorum()
        #expect(try receive(&machine, 0, new) == [])
        #expect(speculate(&machine).count == 1)
        #expect(
            try receive(&machine, 2, old, .digest) == [
                .read(request: 3, from: c, parts: [Part(group: 0, mode: .data)])
            ]
        )
        var actions: [Action] = []
        machine.requestFailed(request: 3, Fixture.failure(.failed), actions: &actions)
        #expect(
            actions == [.read(request: 4, from: b, parts: [Part(group: 0, mode: .data)])]
        )
        #expect(try receive(&machine, 1, new, .digest) == [], "its digest is of no use any more")
        #expect(try receive(&machine, 4, new) == [.answer([new])])
    }

    @Test func `one that is late with rows is not asked for them twice`() throws {
        var machine = quorum()
        #expect(speculate(&machine).count == 1)
        #expect(try receive(&machine, 1, new, .digest) == [])
        #expect(
            try receive(&machine, 2, old) == [
                .read(request: 3, from: b, parts: [Part(group: 0, mode: .data)])
            ]
        )
        var actions: [Action] = []
        machine.requestFailed(request: 3, Fixture.failure(.failed), actions: &actions)
        #expect(actions == [], "the rows of the first are still under way")
        #expect(
            try receive(&machine, 0, new) == [
                .repair(request: 4, at: c, [Repair(key: 0, operand: new)])
            ]
        )
    }

    @Test func `one that was late may do a repair, and one that failed may not`() throws {
        var machine = quorum([a, b, c, d])
        #expect(try receive(&machine, 0, new) == [])
        #expect(speculate(&machine).count == 1)
        #expect(try receive(&machine, 2, old, .digest).count == 1)
        #expect(
            try receive(&machine, 3, old) == [
                .repair(request: 4, at: c, [Repair(key: 0, operand: new)])
            ]
        )
        var actions: [Action] = []
        machine.requestFailed(request: 4, Fixture.failure(.failed), actions: &actions)
        machine.requestFailed(request: 5, Fixture.failure(.failed), actions: &actions)
        #expect(
            actions == [
                .repair(request: 5, at: d, [Repair(key: 0, operand: new)]),
                .repair(request: 6, at: b, [Repair(key: 0, operand: new)]),
            ]
        )
        actions = []
        machine.requestFailed(request: 6, Fixture.failure(.failed), actions: &actions)
        guard case .fail? = actions.last else {
            Issue.record("no failure: \(actions)")
            return
        }
    }

    @Test func `a group speculates once, and not without a spare`() {
        var machine = quorum()
        #expect(speculate(&machine).count == 1)
        #expect(speculate(&machine) == [])
        var pair = quorum([a, b])
        #expect(speculate(&pair) == [])
        #expect(pair.speculatedGroupCount == 0)
    }

    @Test func `what is answered or was never started does not speculate`() throws {
        var machine = quorum()
        _ = try receive(&machine, 0, new)
        _ = try receive(&machine, 1, new, .digest)
        #expect(machine.isFinished)
        #expect(speculate(&machine) == [])
    }

    @Test func `only groups that wait are asked for, a node in one message`() throws {
        var machine = machine(
            [
                Fixture.group([a, b, c], required: 2, keys: [0]),
                Fixture.group([a, d, c], required: 2, keys: [1]),
                Fixture.group([b, d, c], required: 2, keys: [2]),
            ],
            keys: 3
        )
        // Requests 0 and 1 are to `a` and `b`; the third group waits for nobody but `d`.
        var actions: [Action] = []
        machine.rowsReceived(
            request: 0,
            replies: [try Fixture.reply([old]), try Fixture.reply([old])],
            actions: &actions
        )
        machine.rowsReceived(
            request: 1,
            replies: [try Fixture.reply([old], .digest), try Fixture.reply([old])],
            actions: &actions
        )
        #expect(actions == [])
        #expect(
            speculate(&machine) == [
                .read(
                    request: 3,
                    from: c,
                    parts: [Part(group: 1, mode: .digest), Part(group: 2, mode: .digest)]
                )
            ]
        )
    }

    @Test func `two data replies are compared like data and digest`() throws {
        var machine = quorum()
        _ = speculate(&machine)
        #expect(try receive(&machine, 0, old) == [])
        // The spare's rows differ: both are read in full, and the stale one is repaired.
        #expect(
            try receive(&machine, 2, new) == [
                .read(request: 3, from: c, parts: [Part(group: 0, mode: .data)])
            ]
        )
        #expect(
            try receive(&machine, 3, new) == [
                .repair(request: 4, at: a, [Repair(key: 0, operand: new)])
            ]
        )
        var actions: [Action] = []
        machine.repairAcknowledged(request: 4, actions: &actions)
        #expect(actions == [.answer([new])])
    }

    @Test func `rows that were asked for on speculation serve the reconciliation`() throws {
        var machine = quorum()
        _ = speculate(&machine)
        #expect(try receive(&machine, 0, old) == [])
        #expect(
            try receive(&machine, 1, new, .digest) == [
                .read(request: 3, from: b, parts: [Part(group: 0, mode: .data)])
            ]
        )
        // `c` was asked for rows before; it is faster than `b`.
        #expect(
            try receive(&machine, 2, new) == [
                .repair(request: 4, at: a, [Repair(key: 0, operand: new)])
            ]
        )
        #expect(try receive(&machine, 3, new) == [])
    }

    @Test func `a late digest does not stand for rows`() throws {
        var machine = quorum()
        _ = try receive(&machine, 0, old)
        _ = speculate(&machine)
        _ = try receive(&machine, 1, new, .digest)
        #expect(try receive(&machine, 2, old, .digest) == [])
        #expect(
            try receive(&machine, 3, new) == [
                .repair(request: 4, at: a, [Repair(key: 0, operand: new)])
            ]
        )
    }

    @Test func `a slow full read is asked of a spare`() throws {
        var machine = quorum()
        _ = try receive(&machine, 0, old)
        _ = try receive(&machine, 1, new, .digest)
        #expect(
            speculate(&machine) == [
                .read(request: 3, from: c, parts: [Part(group: 0, mode: .data)])
            ]
        )
        #expect(
            try receive(&machine, 3, nil) == [
                .repair(request: 4, at: c, [Repair(key: 0, operand: old)])
            ]
        )
    }

    @Test func `a slow repair is done by a spare instead`() throws {
        var machine = quorum()
        _ = try receive(&machine, 0, old)
        _ = try receive(&machine, 1, new, .digest)
        _ = try receive(&machine, 2, new)
        #expect(
            speculate(&machine) == [.repair(request: 4, at: c, [Repair(key: 0, operand: new)])]
        )
        var actions: [Action] = []
        machine.repairAcknowledged(request: 4, actions: &actions)
        machine.repairAcknowledged(request: 3, actions: &actions)
        #expect(actions == [.answer([new])])
    }

    @Test func `a failure is borne while the spare may still answer`() throws {
        var machine = quorum()
        _ = try receive(&machine, 0, new)
        _ = speculate(&machine)
        var actions: [Action] = []
        machine.requestFailed(request: 1, Fixture.failure(.failed), actions: &actions)
        #expect(actions == [])
        machine.requestFailed(request: 2, Fixture.failure(.unreadable), actions: &actions)
        let count = AnswerCount(consistency: .quorum, received: 1, required: 2)
        #expect(
            actions == [.fail(.readFailure(count, failures: 2, dataPresent: true, text: "no"))]
        )
    }

    @Test func `a failed repair is borne while another is under way`() throws {
        var machine = quorum()
        _ = try receive(&machine, 0, old)
        _ = try receive(&machine, 1, new, .digest)
        _ = try receive(&machine, 2, new)
        _ = speculate(&machine)
        var actions: [Action] = []
        machine.requestFailed(request: 3, Fixture.failure(.failed), actions: &actions)
        #expect(actions == [])
        machine.repairAcknowledged(request: 4, actions: &actions)
        #expect(actions == [.answer([new])])
    }

    @Test func `at ONE the spare is asked for rows alone, like the first`() throws {
        var machine = machine([Fixture.group([a, b], required: 1, keys: [0])])
        #expect(
            speculate(&machine) == [
                .read(request: 1, from: b, parts: [Part(group: 0, mode: .rows)])
            ]
        )
        #expect(try receive(&machine, 1, new, .rows) == [.answer([new])])
    }

    @Test func `a replica that is being rebuilt is replaced by a spare`() {
        var machine = quorum()
        var actions: [Action] = []
        machine.requestFailed(request: 0, Fixture.failure(.unreadable), actions: &actions)
        #expect(actions == [.read(request: 2, from: c, parts: [Part(group: 0, mode: .data)])])
    }
}
