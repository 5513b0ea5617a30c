import Catalog
import Coordination
import PeerMessages
import Testing
import TokenPlacement

struct ScanRunTests {
    private let a = Fixture.a
    private let b = Fixture.b
    private let c = Fixture.c
    private let whole = Token.minimum...Token(.max)

    @Test func `neighbouring slices with the same replicas are one run`() throws {
        // On three nodes with three replicas every slice has the same ones, in some order.
        let view = Fixture.view(nodes: 3, .simple(factor: 3))
        let runs = try view.runs(of: [whole], keyspace: "ks", consistency: .quorum)
        #expect(runs == [ScanRun(tokens: whole, candidates: [a, b, c], required: 2)])
    }

    @Test func `runs cover the ranges, each on its living replicas`() throws {
        let view = Fixture.view(nodes: 5, .simple(factor: 3), alive: [a, b, c, Fixture.d])
        let ranges = [
            Token.minimum...Token(-5), Token(3)...Token(3), Token(1 << 40)...Token(.max),
        ]
        let runs = try view.runs(of: ranges, keyspace: "ks", consistency: .one)
        #expect(runs.count > 20)
        var covered: [ClosedRange<Token>] = []
        for run in runs {
            let placement = try view.placement(of: "ks")
            for token in [run.tokens.lowerBound, run.tokens.upperBound] {
                let living = placement.replicas(of: token).filter { $0 != Fixture.e }
                #expect(Set(run.candidates) == Set(living))
            }
            #expect(run.required == 1)
            if let last = covered.last, last.upperBound.value + 1 == run.tokens.lowerBound.value,
                !ranges.contains(where: { $0.lowerBound == run.tokens.lowerBound })
            {
                covered[covered.count - 1] = last.lowerBound...run.tokens.upperBound
            } else {
                covered.append(run.tokens)
            }
        }
        #expect(covered == ranges)
    }

    @Test func `ranges that do not ascend are invalid`() {
        let view = Fixture.view(nodes: 3, .simple(factor: 3))
        #expect(throws: CoordinationError.self) {
            try view.runs(
                of: [Token(5)...Token(9), Token(9)...Token(12)],
                keyspace: "ks",
                consistency: .one
            )
        }
    }

    @Test func `local levels ask nobody in another datacenter`() throws {
        let strategy = ReplicationStrategy.networkTopology([
            DatacenterFactor(datacenter: "east", factor: 3),
            DatacenterFactor(datacenter: "west", factor: 3),
        ])
        let view = Fixture.view(nodes: 6, strategy, datacenters: ["east", "west"])
        let runs = try view.runs(of: [whole], keyspace: "ks", consistency: .localQuorum)
        #expect(runs == [ScanRun(tokens: whole, candidates: [a, c, Fixture.e], required: 2)])
    }

    @Test func `a great ring is cut piece by piece`() throws {
        var state = Fixture.view(nodes: 5, .simple(factor: 2)).state
        let nodes = state.nodes.keys.sorted()
        state.slices = SliceMap(owners: (0..<8192).map { nodes[$0 % 5] })
        let view = ClusterView(node: a, state: state, alive: Set(nodes))
        let runs = try view.runs(of: [whole], keyspace: "ks", consistency: .one)
        #expect(runs.count == 4096)
        let last = try #require(runs.last).tokens.upperBound
        let rest = try view.runs(
            of: [Token(last.value + 1)...Token(.max)],
            keyspace: "ks",
            consistency: .one
        )
        #expect(rest.last?.tokens.upperBound == Token(.max))
        #expect(rest.first?.tokens.lowerBound == Token(last.value + 1))
        // The ring's last two slices have the same two replicas, in either order.
        #expect(runs.count + rest.count == 8191)
    }

    @Test(arguments: [ConsistencyLevel.any, .serial])
    func `levels that reads cannot have are refused`(level: ConsistencyLevel) {
        let view = Fixture.view(nodes: 3, .simple(factor: 3))
        #expect(throws: CoordinationError.self) {
            try view.runs(of: [whole], keyspace: "ks", consistency: level)
        }
    }
}
