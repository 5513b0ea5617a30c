import Catalog
import Coordination
import PeerMessages
import Testing
import TokenPlacement

struct WriteHintTests {
    private typealias Action = WriteMachine.Action

    private let a = Fixture.a
    private let b = Fixture.b
    private let c = Fixture.c

    /// A started machine for one key on `a`, `b` and `c`.
    private func machine(
        _ consistency: ConsistencyLevel = .quorum,
        dead: [NodeID] = [],
        isLogged: Bool = false,
        _ actions: inout [Action]
    ) throws -> WriteMachine {
        let whole = Fixture.view(nodes: 5, .simple(factor: 3), node: Fixture.d)
        var view = whole
        view.alive.subtract(dead)
        var machine = try WriteMachine(
            partitions: [try Fixture.partition(on: [a, b, c], in: whole)],
            keyspaces: ["ks"],
            view: view,
            consistency: consistency,
            type: isLogged ? .batch : .simple,
            isLogged: isLogged
        )
        machine.start(&actions)
        return machine
    }

    private func hint(_ node: NodeID, synced: Bool = false) -> Action {
        .hint(for: node, mutations: [0], synced: synced)
    }

    // MARK: Who gets a hint

    @Test func `a dead replica gets a hint once somebody has the write`() throws {
        var actions: [Action] = []
        var machine = try machine(dead: [b], &actions)
        #expect(actions == [.write(to: a, mutations: [0]), .write(to: c, mutations: [0])])
        actions = []
        machine.acknowledged(by: c, actions: &actions)
        #expect(actions == [hint(b)])
        machine.acknowledged(by: a, actions: &actions)
        #expect(actions == [hint(b), .succeed])
        #expect(machine.isFinished)
        #expect(!machine.isComplete)
        machine.hintEnded(for: b, .stored, actions: &actions)
        #expect(machine.isComplete)
        #expect(machine.isEverywhere)
        #expect(actions.count == 2)
    }

    @Test(arguments: [
        PeerFailure.Code.disconnected, .failed, .unknownTable, .unreadable, .modelNotReady,
    ])
    func `a replica that failed gets a hint, also after the answer`(
        code: PeerFailure.Code
    ) throws {
        var actions: [Action] = []
        var machine = try machine(.one, &actions)
        machine.acknowledged(by: a, actions: &actions)
        actions = []
        machine.failed(at: b, Fixture.failure(code), actions: &actions)
        #expect(actions == [hint(b)])
        machine.failed(at: b, Fixture.failure(code), actions: &actions)
        #expect(actions == [hint(b)], "one hint for one replica")
    }

    @Test(arguments: [true, false])
    func `what one replica calls invalid is owed to it once another has it`(
        isRefusedFirst: Bool
    ) throws {
        var actions: [Action] = []
        var machine = try machine(.quorum, &actions)
        actions = []
        if isRefusedFirst {
            machine.failed(at: b, Fixture.failure(.invalid), actions: &actions)
            #expect(actions == [], "perhaps no node writes it")
            machine.acknowledged(by: a, actions: &actions)
        } else {
            machine.acknowledged(by: a, actions: &actions)
            machine.failed(at: b, Fixture.failure(.invalid), actions: &actions)
        }
        #expect(actions == [hint(b)])
        machine.acknowledged(by: c, actions: &actions)
        #expect(actions == [hint(b), .succeed])
        machine.hintEnded(for: b, .stored, actions: &actions)
        #expect(machine.isComplete)
    }

    @Test func `what a silent replica may have is owed to the one that called it invalid`() throws {
        var actions: [Action] = []
        var machine = try machine(.all, &actions)
        machine.failed(at: a, Fixture.failure(.overloaded), actions: &actions)
        machine.failed(at: b, Fixture.failure(.invalid), actions: &actions)
        actions = []
        machine.timedOut(&actions)
        #expect(actions.prefix(3) == [hint(a), hint(b), hint(c)])
    }

    @Test func `what all call invalid is INVALID, and leaves no hints`() throws {
        var actions: [Action] = []
        var machine = try machine(.one, &actions)
        actions = []
        for node in [a, b, c] {
            machine.failed(at: node, Fixture.failure(.invalid), actions: &actions)
        }
        #expect(actions == [.fail(.invalid("no"))])
        #expect(machine.isComplete)
        machine.timedOut(&actions)
        #expect(actions.count == 1)
    }

    @Test func `the time-out after the answer leaves hints for who did not acknowledge`() throws {
        var actions: [Action] = []
        var machine = try machine(.quorum, &actions)
        machine.acknowledged(by: c, actions: &actions)
        machine.acknowledged(by: a, actions: &actions)
        #expect(machine.isFinished)
        #expect(!machine.isComplete)
        actions = []
        machine.timedOut(&actions)
        #expect(actions == [hint(b)])
        actions = []
        machine.acknowledged(by: b, actions: &actions)
        machine.failed(at: b, Fixture.failure(.failed), actions: &actions)
        machine.timedOut(&actions)
        #expect(actions == [])
        machine.hintEnded(for: b, .failed, actions: &actions)
        #expect(actions == [], "a hint that fails is the shell's to mark")
        #expect(machine.isComplete)
        #expect(!machine.isEverywhere)
    }

    @Test func `the time-out before the answer hints all that are silent, dead or failing`() throws
    {
        var actions: [Action] = []
        var machine = try machine(dead: [c], &actions)
        machine.failed(at: a, Fixture.failure(.overloaded), actions: &actions)
        actions = []
        machine.timedOut(&actions)
        let count = AnswerCount(consistency: .quorum, received: 0, required: 2)
        let timeout = Action.fail(.writeTimeout(count, type: .simple))
        #expect(actions == [hint(a), hint(b), hint(c), timeout])
    }

    @Test func `all acknowledged is complete without hints`() throws {
        var actions: [Action] = []
        var machine = try machine(.quorum, &actions)
        for node in [a, b, c] {
            #expect(!machine.isComplete)
            machine.acknowledged(by: node, actions: &actions)
        }
        #expect(machine.isComplete)
        actions = []
        machine.timedOut(&actions)
        #expect(actions == [])
    }

    // MARK: Refusals

    @Test func `a write that all refuse is OVERLOADED, and leaves no hints`() throws {
        var actions: [Action] = []
        var machine = try machine(dead: [c], &actions)
        actions = []
        machine.failed(at: a, Fixture.failure(.overloaded), actions: &actions)
        #expect(actions == [], "the other may still write it")
        machine.failed(at: b, Fixture.failure(.overloaded), actions: &actions)
        #expect(actions == [.fail(.overloaded("no"))])
        #expect(machine.isComplete)
        machine.timedOut(&actions)
        #expect(actions.count == 1)
    }

    @Test func `a refusal beside an acknowledgement gets its hint`() throws {
        var actions: [Action] = []
        var machine = try machine(.quorum, &actions)
        actions = []
        machine.failed(at: a, Fixture.failure(.overloaded), actions: &actions)
        #expect(actions == [])
        machine.acknowledged(by: b, actions: &actions)
        #expect(actions == [hint(a)])
        machine.acknowledged(by: c, actions: &actions)
        #expect(actions == [hint(a), .succeed])
    }

    // MARK: ANY

    @Test func `at ANY a synced hint is enough`() throws {
        var actions: [Action] = []
        var machine = try machine(.any, dead: [a, b, c], &actions)
        #expect(actions == [hint(a, synced: true), hint(b, synced: true), hint(c, synced: true)])
        actions = []
        machine.hintEnded(for: b, .stored, actions: &actions)
        #expect(actions == [.succeed])
        #expect(!machine.isComplete)
        machine.hintEnded(for: a, .failed, actions: &actions)
        machine.hintEnded(for: c, .stored, actions: &actions)
        #expect(actions == [.succeed])
        #expect(machine.isComplete)
        #expect(!machine.isEverywhere)
    }

    @Test func `at ANY an acknowledgement is enough too`() throws {
        var actions: [Action] = []
        var machine = try machine(.any, dead: [a], &actions)
        actions = []
        machine.acknowledged(by: c, actions: &actions)
        #expect(actions == [.succeed])
    }

    @Test func `at ANY a failed replica's hint counts, and without any the write fails`() throws {
        var actions: [Action] = []
        var failing = try machine(.any, &actions)
        actions = []
        for node in [a, b, c] {
            failing.failed(at: node, Fixture.failure(.overloaded), actions: &actions)
        }
        #expect(actions == [hint(a, synced: true), hint(b, synced: true), hint(c, synced: true)])
        var counting = failing
        actions = []
        counting.hintEnded(for: a, .failed, actions: &actions)
        counting.hintEnded(for: b, .stored, actions: &actions)
        #expect(actions == [.succeed])
        actions = []
        for node in [a, b, c] { failing.hintEnded(for: node, .failed, actions: &actions) }
        let count = AnswerCount(consistency: .any, received: 0, required: 1)
        #expect(
            actions == [.fail(.writeFailure(count, failures: 3, type: .simple, text: "no"))]
        )
        #expect(failing.isComplete)
    }

    @Test func `at ANY without a living replica and without hints the node is named`() throws {
        var actions: [Action] = []
        var machine = try machine(.any, dead: [a, b, c], &actions)
        actions = []
        for node in [a, b, c] { machine.hintEnded(for: node, .failed, actions: &actions) }
        guard case .fail(.writeFailure(_, 0, .simple, let text))? = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(text.contains("\(c)"))
    }

    @Test func `at ANY the time-out waits for the hints of the silent`() throws {
        var actions: [Action] = []
        var hanging = try machine(.any, dead: [a], &actions)
        hanging.hintEnded(for: a, .failed, actions: &actions)
        actions = []
        hanging.timedOut(&actions)
        #expect(actions == [hint(b, synced: true), hint(c, synced: true)])
        #expect(!hanging.isFinished)
        var stored = hanging
        actions = []
        stored.hintEnded(for: b, .failed, actions: &actions)
        #expect(actions == [])
        stored.hintEnded(for: c, .stored, actions: &actions)
        #expect(actions == [.succeed])
        #expect(stored.isComplete)
        actions = []
        hanging.hintEnded(for: b, .marked, actions: &actions)
        hanging.hintEnded(for: c, .failed, actions: &actions)
        let count = AnswerCount(consistency: .any, received: 0, required: 1)
        #expect(actions == [.fail(.writeTimeout(count, type: .simple))])
        #expect(hanging.isComplete)
    }

    @Test func `at ANY the last replica's refusal ends all hope at once`() throws {
        var actions: [Action] = []
        var machine = try machine(.any, &actions)
        for node in [a, b] {
            machine.failed(at: node, Fixture.failure(.failed), actions: &actions)
            machine.hintEnded(for: node, .failed, actions: &actions)
        }
        machine.failed(at: c, Fixture.failure(.invalid), actions: &actions)
        let count = AnswerCount(consistency: .any, received: 0, required: 1)
        let error = CoordinationError.writeFailure(count, failures: 3, type: .simple, text: "no")
        #expect(actions.suffix(2) == [hint(c, synced: true), .fail(error)])
    }

    @Test func `at ANY the hint for one that called the write invalid does not count`() throws {
        var actions: [Action] = []
        var machine = try machine(.any, dead: [a], &actions)
        actions = []
        machine.failed(at: b, Fixture.failure(.invalid), actions: &actions)
        #expect(actions == [hint(b, synced: true)], "the hint of the other may be written one day")
        actions = []
        machine.hintEnded(for: b, .stored, actions: &actions)
        #expect(actions == [])
        machine.hintEnded(for: a, .stored, actions: &actions)
        #expect(actions == [.succeed])
    }

    // MARK: EACH_QUORUM

    private func eachQuorum(alive: [NodeID]? = nil) throws -> WriteMachine {
        let view = Fixture.view(
            nodes: 6,
            .networkTopology([
                DatacenterFactor(datacenter: "east", factor: 3),
                DatacenterFactor(datacenter: "west", factor: 3),
            ]),
            datacenters: ["east", "west"],
            alive: alive
        )
        return try WriteMachine(
            partitions: [PartitionRef(key: [1])],
            keyspaces: ["ks"],
            view: view,
            consistency: .eachQuorum,
            type: .simple
        )
    }

    @Test func `EACH_QUORUM needs a quorum in every datacenter`() throws {
        var machine = try eachQuorum()
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        for east in [UInt64(1), 3, 5] {
            machine.acknowledged(by: Fixture.id(east), actions: &actions)
        }
        machine.acknowledged(by: b, actions: &actions)
        #expect(actions == [])
        var late = machine
        late.timedOut(&actions)
        let count = AnswerCount(consistency: .eachQuorum, received: 3, required: 4)
        #expect(actions.last == .fail(.writeTimeout(count, type: .simple)))
        actions = []
        machine.acknowledged(by: Fixture.id(6), actions: &actions)
        #expect(actions == [.succeed])
    }

    @Test func `EACH_QUORUM fails when one datacenter cannot make it`() throws {
        var machine = try eachQuorum()
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.failed(at: b, Fixture.failure(.failed), actions: &actions)
        #expect(actions == [hint(b)])
        machine.failed(at: Fixture.d, Fixture.failure(.failed), actions: &actions)
        let count = AnswerCount(consistency: .eachQuorum, received: 0, required: 4)
        let error = CoordinationError.writeFailure(count, failures: 2, type: .simple, text: "no")
        #expect(actions == [hint(b), hint(Fixture.d), .fail(error)])
    }

    @Test func `EACH_QUORUM is unavailable for the datacenter that lacks it`() {
        let error = CoordinationError.unavailable(consistency: .eachQuorum, required: 2, alive: 1)
        #expect(throws: error) { try eachQuorum(alive: [1, 3, 5, 6].map { Fixture.id($0) }) }
    }

    @Test func `without datacenters EACH_QUORUM is QUORUM`() throws {
        var actions: [Action] = []
        var machine = try machine(.eachQuorum, &actions)
        actions = []
        machine.acknowledged(by: a, actions: &actions)
        #expect(actions == [])
        machine.acknowledged(by: b, actions: &actions)
        #expect(actions == [.succeed])
    }

    @Test(arguments: [ConsistencyLevel.serial, .localSerial])
    func `serial levels are refused by name`(level: ConsistencyLevel) {
        var actions: [Action] = []
        let error = #expect(throws: CoordinationError.self) { try machine(level, &actions) }
        #expect(error.map { "\($0)" }?.contains("\(level) is not supported") == true)
    }

    // MARK: Logged

    @Test func `what stands in a batch log is hinted at once, synced, and never OVERLOADED`() throws
    {
        var actions: [Action] = []
        var machine = try machine(dead: [c], isLogged: true, &actions)
        #expect(
            actions == [
                .write(to: a, mutations: [0]), .write(to: b, mutations: [0]),
                hint(c, synced: true),
            ]
        )
        actions = []
        machine.failed(at: a, Fixture.failure(.overloaded), actions: &actions)
        let count = AnswerCount(consistency: .quorum, received: 0, required: 2)
        let error = CoordinationError.writeFailure(count, failures: 1, type: .batch, text: "no")
        #expect(actions == [hint(a, synced: true), .fail(error)])
    }

    @Test func `marks settle a replica only if another one acknowledged`() throws {
        var actions: [Action] = []
        var machine = try machine(.one, dead: [c], isLogged: true, &actions)
        machine.hintEnded(for: c, .marked, actions: &actions)
        var alone = machine
        machine.acknowledged(by: a, actions: &actions)
        machine.failed(at: b, Fixture.failure(.failed), actions: &actions)
        machine.hintEnded(for: b, .marked, actions: &actions)
        #expect(machine.isComplete)
        #expect(machine.isEverywhere)
        for node in [a, b] {
            alone.failed(at: node, Fixture.failure(.failed), actions: &actions)
            alone.hintEnded(for: node, .marked, actions: &actions)
        }
        #expect(alone.isComplete)
        #expect(!alone.isEverywhere, "repair would find it nowhere")
    }

    @Test func `an acknowledgement counts for its own mutations only`() throws {
        let view = Fixture.view(nodes: 5, .simple(factor: 3))
        var machine = try WriteMachine(
            partitions: [
                try Fixture.partition(on: [a, b, c], in: view),
                try Fixture.partition(on: [c, Fixture.d, Fixture.e], in: view),
            ],
            keyspaces: ["ks", "ks"],
            view: view,
            consistency: .one,
            type: .batch,
            isLogged: true
        )
        var actions: [Action] = []
        machine.start(&actions)
        for node in [a, b] { machine.acknowledged(by: node, actions: &actions) }
        for node in [c, Fixture.d, Fixture.e] {
            machine.failed(at: node, Fixture.failure(.failed), actions: &actions)
        }
        machine.hintEnded(for: c, .marked, actions: &actions)
        machine.hintEnded(for: Fixture.d, .stored, actions: &actions)
        machine.hintEnded(for: Fixture.e, .stored, actions: &actions)
        #expect(machine.isComplete)
        #expect(!machine.isEverywhere)
        #expect(machine.bytesMaxOfNode { [10, 7][$0] } == 17)
    }
}
