import Martlet
import Testing
import TokenPlacement

/// The client's placement is the servers'.
struct ClusterViewTests {
    private static let strategies: [ReplicationStrategy] = [
        .simple(factor: 1), .simple(factor: 3), .simple(factor: 20), .everywhere,
        .networkTopology([DatacenterFactor(datacenter: "dc0", factor: 3)]),
        .networkTopology([
            DatacenterFactor(datacenter: "dc0", factor: 2),
            DatacenterFactor(datacenter: "dc1", factor: 4),
        ]),
        .networkTopology([DatacenterFactor(datacenter: "elsewhere", factor: 2)]),
    ]

    @Test(arguments: [1, 2, 3, 5, 9], strategies.indices)
    func `replicas are those that the servers compute`(_ count: Int, _ index: Int) throws {
        let strategy = Self.strategies[index]
        // Unequal racks and owners in no order: what rack-aware placement can get wrong.
        let ids = (0..<count).map { NodeID(high: 0, low: UInt64($0 + 1)) }
        let locations = Dictionary(
            uniqueKeysWithValues: ids.enumerated().map { number, id in
                (id, Location(datacenter: "dc\(number % 2)", rack: "r\(number % 5 / 2)"))
            }
        )
        var state: UInt64 = 7
        let owners = (0..<64).map { slice -> NodeID in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return slice < count ? ids[slice] : ids[Int(state >> 33) % count]
        }
        let slices = SliceMap(owners: owners)
        let view = ClusterView(
            nodes: ids.map { id in
                NodeDescription(
                    id: id.description,
                    host: "127.0.0.1",
                    port: 9042,
                    datacenter: locations[id]?.datacenter ?? "",
                    rack: locations[id]?.rack ?? "",
                    tokens: slices.tokens(of: id)
                )
            },
            keyspaces: ["ks": strategy]
        )
        let servers = ReplicaTable(slices: slices, locations: locations, strategy: strategy)
        for slice in 0..<slices.sliceCount {
            let last = slices.lastToken(of: slice)
            for token in [last, Token(last.value &- 1), Token(last.value &+ 1)] {
                let found = view.replicas(of: token, in: "ks").map { view.nodes[$0].id }
                let expected = servers.replicas(of: token).map(\.description)
                // Where all are replicas their order is nobody's concern.
                if strategy == .everywhere {
                    #expect(Set(found) == Set(expected))
                } else {
                    #expect(found == expected)
                }
            }
        }
        #expect(view.replicas(of: Token(0), in: "other").isEmpty)
    }
}
