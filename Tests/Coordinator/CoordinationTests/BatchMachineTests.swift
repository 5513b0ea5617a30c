import Catalog
import Coordination
import PeerMessages
import Testing
import TokenPlacement

struct BatchMachineTests {
    private typealias Action = BatchMachine.Action

    private let a = Fixture.a
    private let b = Fixture.b
    private let c = Fixture.c
    private let d = Fixture.d
    private let e = Fixture.e

    /// The batch's mutations are on `a`, `b`, `c` and on `c`, `d`, `e`.
    private func machine(
        _ consistency: ConsistencyLevel = .quorum,
        dead: [NodeID] = []
    ) throws -> BatchMachine {
        let whole = Fixture.view(nodes: 5, .simple(factor: 3))
        var view = whole
        view.alive.subtract(dead)
        return try BatchMachine(
            id: NodeID(high: 0, low: 0),
            partitions: [
                try Fixture.partition(on: [a, b, c], in: whole),
                try Fixture.partition(on: [c, d, e], in: whole),
            ],
            keyspaces: ["ks", "ks"],
            view: view,
            consistency: consistency
        )
    }

    private var writes: [Action] {
        [
            .write(to: a, mutations: [0]), .write(to: b, mutations: [0]),
            .write(to: c, mutations: [0, 1]), .write(to: d, mutations: [1]),
            .write(to: e, mutations: [1]),
        ]
    }

    private var logTimeout: Action {
        let count = AnswerCount(consistency: .one, received: 0, required: 1)
        return .fail(.writeTimeout(count, type: .batchLog))
    }

    // MARK: The whole way

    @Test func `a batch is kept, then written, then forgotten`() throws {
        var machine = try machine()
        var actions: [Action] = []
        machine.start(&actions)
        #expect(machine.keepers == [b, c])
        #expect(
            actions == [.startTimeout(.storing), .storeBatch(at: b), .storeBatch(at: c)]
        )
        actions = []
        machine.batchStored(at: c, actions: &actions)
        #expect(actions == [])
        machine.batchStored(at: b, actions: &actions)
        #expect(actions == [.startTimeout(.writing)] + writes)
        actions = []
        for node in [a, c, d] { machine.acknowledged(by: node, actions: &actions) }
        #expect(actions == [.succeed])
        #expect(machine.isFinished)
        actions = []
        machine.acknowledged(by: b, actions: &actions)
        #expect(actions == [], "one replica is still open")
        #expect(!machine.isComplete)
        machine.acknowledged(by: e, actions: &actions)
        #expect(actions == [.removeBatch(at: b), .removeBatch(at: c)])
        #expect(machine.isComplete)
    }

    @Test func `the log goes only when the silent have synced hints`() throws {
        var machine = try machine(dead: [e])
        var actions: [Action] = []
        machine.start(&actions)
        for node in [b, c] { machine.batchStored(at: node, actions: &actions) }
        #expect(actions.last == .hint(for: e, mutations: [1], synced: true))
        for node in [a, b, c] { machine.acknowledged(by: node, actions: &actions) }
        actions = []
        machine.timedOut(.writing, actions: &actions)
        let count = AnswerCount(consistency: .quorum, received: 1, required: 2)
        #expect(
            actions == [
                .hint(for: d, mutations: [1], synced: true),
                .fail(.writeTimeout(count, type: .batch)),
            ]
        )
        actions = []
        machine.hintEnded(for: d, .stored, actions: &actions)
        #expect(actions == [])
        machine.hintEnded(for: e, .stored, actions: &actions)
        #expect(actions == [.removeBatch(at: b), .removeBatch(at: c)])
    }

    @Test func `where a hint fails the log stays`() throws {
        var machine = try machine(dead: [e])
        var actions: [Action] = []
        machine.start(&actions)
        for node in [b, c] { machine.batchStored(at: node, actions: &actions) }
        for node in [a, b, c, d] { machine.acknowledged(by: node, actions: &actions) }
        actions = []
        machine.hintEnded(for: e, .failed, actions: &actions)
        #expect(actions == [])
        #expect(machine.isComplete)
    }

    @Test func `where marks stand for a hint the log goes, since others have the writes`() throws {
        var machine = try machine(dead: [e])
        var actions: [Action] = []
        machine.start(&actions)
        for node in [b, c] { machine.batchStored(at: node, actions: &actions) }
        for node in [a, b, c, d] { machine.acknowledged(by: node, actions: &actions) }
        actions = []
        machine.hintEnded(for: e, .marked, actions: &actions)
        #expect(actions == [.removeBatch(at: b), .removeBatch(at: c)])
        #expect(machine.isComplete)
    }

    // MARK: Keeping

    @Test func `one keeper of two is enough after the time-out`() throws {
        var machine = try machine()
        var actions: [Action] = []
        machine.start(&actions)
        machine.batchStored(at: b, actions: &actions)
        actions = []
        machine.timedOut(.storing, actions: &actions)
        #expect(actions == [.startTimeout(.writing)] + writes)
        actions = []
        machine.batchStored(at: c, actions: &actions)
        machine.timedOut(.storing, actions: &actions)
        #expect(actions == [], "that phase is over")
    }

    @Test(arguments: [true, false])
    func `one keeper of two is enough when the other failed`(isFailureFirst: Bool) throws {
        var machine = try machine()
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        if isFailureFirst {
            machine.storeFailed(at: b, Fixture.failure(.overloaded), actions: &actions)
        }
        machine.batchStored(at: c, actions: &actions)
        #expect(actions.isEmpty != isFailureFirst)
        if !isFailureFirst {
            machine.storeFailed(at: b, Fixture.failure(.disconnected), actions: &actions)
        }
        #expect(actions == [.startTimeout(.writing)] + writes)
    }

    @Test func `without a keeper nothing is written: BATCH_LOG`() throws {
        var actions: [Action] = []
        var silent = try machine()
        silent.start(&actions)
        actions = []
        silent.timedOut(.storing, actions: &actions)
        #expect(actions == [logTimeout])
        #expect(silent.isComplete)
        silent.batchStored(at: b, actions: &actions)
        silent.acknowledged(by: a, actions: &actions)
        silent.timedOut(.writing, actions: &actions)
        #expect(actions.count == 1)
        var failing = try machine()
        failing.start(&actions)
        actions = []
        failing.storeFailed(at: b, Fixture.failure(.overloaded), actions: &actions)
        failing.storeFailed(at: c, Fixture.failure(.disconnected), actions: &actions)
        #expect(actions == [logTimeout], "the second may have stored it")
    }

    @Test func `keepers that all refuse are OVERLOADED`() throws {
        var machine = try machine()
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        for node in [c, b] {
            machine.storeFailed(at: node, Fixture.failure(.overloaded), actions: &actions)
        }
        #expect(actions == [.fail(.overloaded("no"))])
        #expect(machine.isComplete)
    }

    @Test func `keepers that can never take it are INVALID`() throws {
        var machine = try machine()
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.storeFailed(at: c, Fixture.failure(.overloaded), actions: &actions)
        machine.storeFailed(at: b, Fixture.failure(.invalid), actions: &actions)
        #expect(actions == [.fail(.invalid("no"))])
        #expect(machine.isComplete)
    }

    @Test func `a batch whose log is kept is never called OVERLOADED`() throws {
        var machine = try machine()
        var actions: [Action] = []
        machine.start(&actions)
        for node in [b, c] { machine.batchStored(at: node, actions: &actions) }
        for node in [a, b, c, d, e] {
            machine.failed(at: node, Fixture.failure(.overloaded), actions: &actions)
        }
        let errors = actions.compactMap { if case .fail(let error) = $0 { error } else { nil } }
        let count = AnswerCount(consistency: .quorum, received: 0, required: 2)
        #expect(
            errors == [.writeFailure(count, failures: 2, type: .batch, text: "no")]
        )
    }

    @Test func `too few living replicas are unavailable before anything is kept`() {
        let error = CoordinationError.unavailable(consistency: .quorum, required: 2, alive: 1)
        #expect(throws: error) { try machine(dead: [d, e]) }
    }

    // MARK: Who keeps

    private func view(
        racks: [String],
        datacenters: [String]? = nil,
        alive: [UInt64]? = nil
    ) -> ClusterView {
        var state = ClusterState()
        for (place, rack) in racks.enumerated() {
            let id = Fixture.id(UInt64(place + 1))
            state.nodes[id] = NodeRecord(
                id: id,
                address: "127.0.0.\(place + 1)",
                nativePort: 9042,
                internodePort: 7000,
                location: Location(datacenter: datacenters?[place] ?? "dc1", rack: rack)
            )
        }
        let living = alive?.map { Fixture.id($0) } ?? Array(state.nodes.keys)
        return ClusterView(node: a, state: state, alive: Set(living))
    }

    private func keepers(_ view: ClusterView, _ number: UInt64 = 0) -> [NodeID] {
        BatchMachine.keepers(of: NodeID(high: number, low: number), in: view)
    }

    @Test func `keepers are in other racks than the coordinator's and each other's`() {
        let view = view(racks: ["r1", "r1", "r2", "r2", "r3"])
        for number in 0..<20 {
            let chosen = keepers(view, UInt64(number))
            #expect(chosen.count == 2)
            #expect(chosen.contains(e))
            #expect(chosen.contains(c) || chosen.contains(d))
        }
        #expect(Set((0..<20).flatMap { keepers(view, $0) }) == [c, d, e])
    }

    @Test func `with one other rack both are there, and the own rack is the last resort`() {
        #expect(keepers(view(racks: ["r1", "r1", "r2", "r2"])) == [c, d])
        #expect(keepers(view(racks: ["r1", "r1", "r2"])) == [c, b])
        #expect(keepers(view(racks: ["r1", "r1", "r1"])) == [b, c])
        #expect(keepers(view(racks: ["r1", "r2"])) == [b])
    }

    @Test func `the dead and other datacenters keep nothing; alone, the coordinator does`() {
        let racks = ["r1", "r2", "r3"]
        #expect(keepers(view(racks: racks, alive: [1, 3])) == [c])
        #expect(keepers(view(racks: racks, alive: [1])) == [a])
        #expect(keepers(view(racks: racks, datacenters: ["dc1", "dc2", "dc2"])) == [a])
    }

    @Test func `starting twice is a broken invariant`() async {
        await #expect(processExitsWith: .failure) {
            var machine = try BatchMachine(
                id: Fixture.a,
                partitions: [],
                keyspaces: [],
                view: Fixture.view(nodes: 1, .simple(factor: 1)),
                consistency: .one
            )
            var actions: [BatchMachine.Action] = []
            machine.start(&actions)
            machine.start(&actions)
        }
    }
}
