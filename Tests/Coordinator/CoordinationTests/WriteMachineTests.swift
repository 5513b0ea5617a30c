import Catalog
import Coordination
import PeerMessages
import Testing
import TokenPlacement

struct WriteMachineTests {
    private typealias Action = WriteMachine.Action

    /// Five nodes, each key on three of them.
    private let view = Fixture.view(nodes: 5, .simple(factor: 3))
    private let replicas = [Fixture.a, Fixture.b, Fixture.c]

    private func machine(
        _ consistency: ConsistencyLevel,
        on replicas: [[NodeID]] = [[Fixture.a, Fixture.b, Fixture.c]],
        type: WriteType = .simple,
        view: ClusterView? = nil
    ) throws -> WriteMachine {
        let whole = Fixture.view(nodes: 5, .simple(factor: 3))
        return try WriteMachine(
            partitions: replicas.map { try Fixture.partition(on: $0, in: whole) },
            keyspaces: replicas.map { _ in "ks" },
            view: view ?? whole,
            consistency: consistency,
            type: type
        )
    }

    /// What the client is told; ``WriteHintTests`` are about the rest.
    private func told(_ actions: [Action]) -> [Action] {
        actions.filter { action in
            switch action {
            case .write, .hint: false
            case .succeed, .fail: true
            }
        }
    }

    private func timeout(
        _ consistency: ConsistencyLevel,
        _ received: Int,
        of required: Int,
        type: WriteType = .simple
    ) -> Action {
        let count = AnswerCount(consistency: consistency, received: received, required: required)
        return .fail(.writeTimeout(count, type: type))
    }

    @Test(arguments: [
        (ConsistencyLevel.one, 1), (.two, 2), (.three, 3), (.quorum, 2), (.all, 3), (.localOne, 1),
        (.localQuorum, 2),
    ])
    func `a write goes to all replicas and succeeds with the level's acknowledgements`(
        level: ConsistencyLevel,
        required: Int
    ) throws {
        var machine = try machine(level)
        var actions: [Action] = []
        machine.start(&actions)
        #expect(actions == replicas.map { .write(to: $0, mutations: [0]) })
        actions = []
        for (place, node) in replicas.enumerated() {
            #expect(machine.isFinished == (place >= required))
            machine.acknowledged(by: node, actions: &actions)
            #expect(actions == (place + 1 < required ? [] : [.succeed]))
        }
    }

    @Test func `acknowledgements of another datacenter do not count at a local level`() throws {
        let view = Fixture.view(
            nodes: 6,
            .networkTopology([
                DatacenterFactor(datacenter: "east", factor: 3),
                DatacenterFactor(datacenter: "west", factor: 3),
            ]),
            datacenters: ["east", "west"]
        )
        var machine = try WriteMachine(
            partitions: [PartitionRef(key: [1])],
            keyspaces: ["ks"],
            view: view,
            consistency: .localQuorum,
            type: .simple
        )
        var actions: [Action] = []
        machine.start(&actions)
        #expect(actions == (1...6).map { .write(to: Fixture.id($0), mutations: [0]) })
        actions = []
        for west in [UInt64(2), 4, 6] {
            machine.acknowledged(by: Fixture.id(west), actions: &actions)
        }
        #expect(actions == [])
        machine.acknowledged(by: Fixture.a, actions: &actions)
        #expect(actions == [])
        machine.acknowledged(by: Fixture.e, actions: &actions)
        #expect(actions == [.succeed])
    }

    @Test func `too few living replicas are unavailable, and nothing is sent`() throws {
        let alive = Fixture.view(nodes: 5, .simple(factor: 3), alive: [Fixture.d, Fixture.e])
        let error = CoordinationError.unavailable(consistency: .quorum, required: 2, alive: 1)
        #expect(throws: error) { try machine(.quorum, view: alive) }
    }

    @Test func `a dead replica gets nothing`() throws {
        let alive = Fixture.view(nodes: 5, .simple(factor: 3), alive: [Fixture.c])
        var machine = try machine(.quorum, view: alive)
        var actions: [Action] = []
        machine.start(&actions)
        #expect(
            actions == [
                .write(to: Fixture.a, mutations: [0]), .write(to: Fixture.c, mutations: [0]),
            ]
        )
    }

    @Test func `a time-out tells how many acknowledged and how many had to`() throws {
        var machine = try machine(.all)
        var actions: [Action] = []
        machine.start(&actions)
        machine.acknowledged(by: Fixture.b, actions: &actions)
        machine.acknowledged(by: Fixture.a, actions: &actions)
        actions = []
        machine.timedOut(&actions)
        #expect(told(actions) == [timeout(.all, 2, of: 3)])
        #expect(machine.isFinished)
    }

    @Test func `the client is told once, whatever comes after`() throws {
        var machine = try machine(.one)
        var actions: [Action] = []
        machine.start(&actions)
        machine.acknowledged(by: Fixture.a, actions: &actions)
        actions = []
        machine.acknowledged(by: Fixture.b, actions: &actions)
        machine.failed(at: Fixture.c, Fixture.failure(.failed), actions: &actions)
        machine.timedOut(&actions)
        #expect(told(actions) == [])
    }

    @Test
    func `an acknowledgement that comes twice, or from a stranger, counts once or not at all`()
        throws
    {
        var machine = try machine(.quorum)
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.acknowledged(by: Fixture.a, actions: &actions)
        machine.acknowledged(by: Fixture.a, actions: &actions)
        machine.acknowledged(by: Fixture.e, actions: &actions)
        machine.failed(at: Fixture.a, Fixture.failure(.failed), actions: &actions)
        #expect(told(actions) == [])
        machine.timedOut(&actions)
        #expect(told(actions) == [timeout(.quorum, 1, of: 2)])
    }

    @Test func `a failure is borne while enough replicas are left`() throws {
        var machine = try machine(.quorum)
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.failed(at: Fixture.b, Fixture.failure(.failed), actions: &actions)
        machine.acknowledged(by: Fixture.a, actions: &actions)
        #expect(told(actions) == [])
        machine.acknowledged(by: Fixture.c, actions: &actions)
        #expect(told(actions) == [.succeed])
    }

    @Test func `too many failures fail the write at once, with Cassandra's payload`() throws {
        var machine = try machine(.quorum)
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.acknowledged(by: Fixture.c, actions: &actions)
        machine.failed(at: Fixture.b, Fixture.failure(.failed), actions: &actions)
        machine.failed(at: Fixture.a, Fixture.failure(.unknownTable), actions: &actions)
        let count = AnswerCount(consistency: .quorum, received: 1, required: 2)
        #expect(
            told(actions) == [.fail(.writeFailure(count, failures: 2, type: .simple, text: "no"))]
        )
    }

    @Test func `lost connections leave the outcome unknown: a time-out`() throws {
        var machine = try machine(.all)
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.failed(at: Fixture.b, Fixture.failure(.disconnected), actions: &actions)
        #expect(told(actions) == [timeout(.all, 0, of: 3)])
    }

    @Test(arguments: [PeerFailure.Code.overloaded, .invalid])
    func `a refusal is reported as such only when every replica refused`(
        code: PeerFailure.Code
    ) throws {
        var machine = try machine(.quorum)
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.failed(at: Fixture.a, Fixture.failure(code), actions: &actions)
        machine.failed(at: Fixture.b, Fixture.failure(code), actions: &actions)
        #expect(actions == [], "the third may still write it")
        machine.failed(at: Fixture.c, Fixture.failure(code), actions: &actions)
        #expect(actions == [.fail(code == .invalid ? .invalid("no") : .overloaded("no"))])
    }

    @Test func `an acknowledgement between refusals makes them a failure, not OVERLOADED`() throws {
        let count = AnswerCount(consistency: .quorum, received: 1, required: 2)
        let error = CoordinationError.writeFailure(count, failures: 2, type: .simple, text: "no")
        for last in [true, false] {
            var machine = try machine(.quorum)
            var actions: [Action] = []
            machine.start(&actions)
            actions = []
            if !last { machine.acknowledged(by: Fixture.c, actions: &actions) }
            machine.failed(at: Fixture.a, Fixture.failure(.overloaded), actions: &actions)
            machine.failed(at: Fixture.b, Fixture.failure(.overloaded), actions: &actions)
            if last { machine.acknowledged(by: Fixture.c, actions: &actions) }
            #expect(told(actions) == [.fail(error)])
        }
    }

    @Test func `refusals with one answer outstanding end with the time-out`() throws {
        var machine = try machine(.quorum)
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.failed(at: Fixture.a, Fixture.failure(.overloaded), actions: &actions)
        machine.failed(at: Fixture.b, Fixture.failure(.overloaded), actions: &actions)
        machine.timedOut(&actions)
        #expect(told(actions) == [timeout(.quorum, 0, of: 2)])
    }

    @Test func `a batch sends each node one message with all that it keeps`() throws {
        var machine = try machine(
            .quorum,
            on: [
                [Fixture.a, Fixture.b, Fixture.c], [Fixture.c, Fixture.d, Fixture.e],
            ],
            type: .unloggedBatch
        )
        var actions: [Action] = []
        machine.start(&actions)
        #expect(
            actions == [
                .write(to: Fixture.a, mutations: [0]), .write(to: Fixture.b, mutations: [0]),
                .write(to: Fixture.c, mutations: [0, 1]), .write(to: Fixture.d, mutations: [1]),
                .write(to: Fixture.e, mutations: [1]),
            ]
        )
        actions = []
        for node in [Fixture.a, Fixture.b] { machine.acknowledged(by: node, actions: &actions) }
        #expect(told(actions) == [], "the second mutation has no acknowledgement yet")
        machine.acknowledged(by: Fixture.c, actions: &actions)
        var timedOut = machine
        timedOut.timedOut(&actions)
        #expect(told(actions) == [timeout(.quorum, 1, of: 2, type: .unloggedBatch)])
        actions = []
        machine.acknowledged(by: Fixture.e, actions: &actions)
        #expect(told(actions) == [.succeed])
    }

    @Test func `a time-out over two keyspaces counts the mutation that lacks the most`() throws {
        var state = Fixture.view(nodes: 5, .simple(factor: 5)).state
        state.keyspaces["one"] = KeyspaceDefinition(name: "one", replication: .simple(factor: 1))
        let view = ClusterView(node: Fixture.a, state: state, alive: Set(state.nodes.keys))
        let partition = PartitionRef(key: [1])
        let owner = try view.placement(of: "one").replicas(of: partition.token)
        var machine = try WriteMachine(
            partitions: [partition, partition],
            keyspaces: ["one", "ks"],
            view: view,
            consistency: .quorum,
            type: .batch
        )
        var actions: [Action] = []
        machine.start(&actions)
        let others = view.alive.subtracting(owner).sorted()
        machine.acknowledged(by: owner[0], actions: &actions)
        machine.acknowledged(by: others[0], actions: &actions)
        actions = []
        machine.timedOut(&actions)
        #expect(told(actions) == [timeout(.quorum, 2, of: 3, type: .batch)])
    }

    @Test func `nothing to write succeeds at once`() throws {
        var machine = try machine(.all, on: [])
        var actions: [Action] = []
        machine.start(&actions)
        #expect(actions == [.succeed])
    }

    @Test func `a time-out before the start does nothing`() throws {
        var machine = try machine(.one)
        var actions: [Action] = []
        machine.timedOut(&actions)
        #expect(actions == [])
        #expect(!machine.isFinished)
    }

    @Test func `starting twice is a broken invariant`() async {
        await #expect(processExitsWith: .failure) {
            var machine = try WriteMachine(
                partitions: [],
                keyspaces: [],
                view: Fixture.view(nodes: 1, .simple(factor: 1)),
                consistency: .one,
                type: .simple
            )
            var actions: [WriteMachine.Action] = []
            machine.start(&actions)
            machine.start(&actions)
        }
    }
}
