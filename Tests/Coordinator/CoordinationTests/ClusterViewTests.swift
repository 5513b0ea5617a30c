import Catalog
import Coordination
import PeerMessages
import Testing
import TokenPlacement

struct ClusterViewTests {
    private let all = [Fixture.a, Fixture.b, Fixture.c, Fixture.d, Fixture.e]

    @Test(arguments: [
        (ConsistencyLevel.one, 1), (.two, 2), (.three, 3), (.quorum, 2), (.all, 3), (.localOne, 1),
        (.localQuorum, 2),
    ])
    func `a level needs so many replicas at a replication factor of 3`(
        level: ConsistencyLevel,
        required: Int
    ) throws {
        let view = Fixture.view(nodes: 5, .simple(factor: 3))
        #expect(try view.required(level, view.placement(of: "ks")) == required)
    }

    @Test
    func `a local quorum counts the replicas of this datacenter, a quorum those of all`() throws {
        let strategy = ReplicationStrategy.networkTopology([
            DatacenterFactor(datacenter: "east", factor: 1),
            DatacenterFactor(datacenter: "west", factor: 3),
        ])
        let east = Fixture.view(nodes: 6, strategy, datacenters: ["east", "west"])
        let west = Fixture.view(
            nodes: 6,
            strategy,
            datacenters: ["east", "west"],
            node: Fixture.b
        )
        #expect(try east.required(.localQuorum, east.placement(of: "ks")) == 1)
        #expect(try west.required(.localQuorum, west.placement(of: "ks")) == 2)
        #expect(try west.required(.quorum, west.placement(of: "ks")) == 3)
        #expect(try west.required(.all, west.placement(of: "ks")) == 4)
    }

    @Test(arguments: [ConsistencyLevel.any, .serial, .localSerial])
    func `a level that is not supported is refused by name`(level: ConsistencyLevel) throws {
        let view = Fixture.view(nodes: 3, .simple(factor: 3))
        let placement = try view.placement(of: "ks")
        let error = #expect(throws: CoordinationError.self) { try view.required(level, placement) }
        #expect("\(try #require(error))".contains("\(level) is not supported"))
    }

    @Test func `a keyspace that is not there is invalid`() {
        let view = Fixture.view(nodes: 3, .simple(factor: 3))
        #expect(throws: CoordinationError.invalid("keyspace other does not exist")) {
            try view.placement(of: "other")
        }
    }

    @Test func `a ring without owners says how many nodes are missing`() {
        var state = Fixture.view(nodes: 3, .simple(factor: 3)).state
        state.slices = nil
        state.expectedNodeCount = 5
        let view = ClusterView(node: Fixture.a, state: state, alive: [])
        let error = #expect(throws: CoordinationError.self) { try view.placement(of: "ks") }
        guard case .overloaded(let text) = error else {
            Issue.record("\(error.map { "\($0)" } ?? "no error")")
            return
        }
        #expect(text.contains("3 of 5 expected nodes"))
    }

    @Test func `this node is always alive`() {
        let view = Fixture.view(nodes: 3, .simple(factor: 3), alive: [])
        #expect(view.alive == [Fixture.a])
    }

    @Test func `keys with the same replicas form one group, in the order of the request`() throws {
        let view = Fixture.view(nodes: 5, .simple(factor: 3))
        let first = try Fixture.partition(on: [Fixture.a, Fixture.b, Fixture.c], in: view)
        let other = try Fixture.partition(on: [Fixture.c, Fixture.d, Fixture.e], in: view)
        let groups = try view.group([first, other, first], keyspace: "ks", consistency: .quorum)
        #expect(groups.map(\.keys) == [[0, 2], [1]])
        #expect(groups.map(\.required) == [2, 2])
        #expect(groups[0].replicas == [Fixture.a, Fixture.b, Fixture.c])
    }

    @Test func `this node is the first candidate, then who serves the most keys`() throws {
        let view = Fixture.view(nodes: 5, .simple(factor: 3), node: Fixture.c)
        let partitions = [
            try Fixture.partition(on: [Fixture.a, Fixture.b, Fixture.c], in: view),
            try Fixture.partition(on: [Fixture.b, Fixture.c, Fixture.d], in: view),
        ]
        let groups = try view.group(partitions, keyspace: "ks", consistency: .quorum)
        #expect(groups[0].candidates == [Fixture.c, Fixture.b, Fixture.a])
        #expect(groups[1].candidates == [Fixture.c, Fixture.b, Fixture.d])
    }

    @Test
    func `dead replicas are no candidates, and too few of the living are unavailable`() throws {
        let replicas = [Fixture.b, Fixture.c, Fixture.d]
        let whole = Fixture.view(nodes: 5, .simple(factor: 3))
        let partition = try Fixture.partition(on: replicas, in: whole)
        let two = Fixture.view(nodes: 5, .simple(factor: 3), alive: [Fixture.c, Fixture.d])
        let groups = try two.group([partition], keyspace: "ks", consistency: .quorum)
        #expect(groups[0].candidates == [Fixture.c, Fixture.d])
        #expect(groups[0].replicas == replicas)
        let one = Fixture.view(nodes: 5, .simple(factor: 3), alive: [Fixture.d, Fixture.e])
        let error = CoordinationError.unavailable(consistency: .quorum, required: 2, alive: 1)
        #expect(throws: error) {
            try one.group([partition], keyspace: "ks", consistency: .quorum)
        }
        #expect(try one.group([partition], keyspace: "ks", consistency: .one)[0].required == 1)
    }

    @Test func `a local level asks nobody in another datacenter`() throws {
        let strategy = ReplicationStrategy.networkTopology([
            DatacenterFactor(datacenter: "east", factor: 3),
            DatacenterFactor(datacenter: "west", factor: 3),
        ])
        let view = Fixture.view(nodes: 6, strategy, datacenters: ["east", "west"])
        let group = try view.group(
            [PartitionRef(key: [1])],
            keyspace: "ks",
            consistency: .localQuorum
        )[0]
        #expect(group.candidates.sorted() == [Fixture.a, Fixture.c, Fixture.e])
        #expect(group.replicas.count == 6)
        let dead = Fixture.view(
            nodes: 6,
            strategy,
            datacenters: ["east", "west"],
            alive: [Fixture.a, Fixture.b, Fixture.d, Fixture.id(6)]
        )
        let error = CoordinationError.unavailable(consistency: .localQuorum, required: 2, alive: 1)
        #expect(throws: error) {
            try dead.group([PartitionRef(key: [1])], keyspace: "ks", consistency: .localQuorum)
        }
    }
}
