import Testing
import TokenPlacement

struct ReplicaTableTests {
    /// Nodes a, b, c ..., each given as a letter for its datacenter and a digit for its rack.
    private struct Topology {
        let ids: [NodeID]
        let locations: [NodeID: Location]

        init(_ text: String) {
            let parts = text.split(separator: " ").map(Array.init)
            // Ids whose order is not that of the letters, so that no order comes about by chance.
            let ids = parts.indices.map { NodeID(high: UInt64($0 * 7 % 11), low: UInt64($0)) }
            self.ids = ids
            locations = Dictionary(
                uniqueKeysWithValues: parts.indices.map { index in
                    let (datacenter, rack) = (parts[index][0], parts[index][1])
                    return (
                        ids[index], Location(datacenter: String(datacenter), rack: String(rack))
                    )
                }
            )
        }

        func nodes(_ letters: some StringProtocol) -> [NodeID] {
            letters.utf8.map { ids[Int($0) - 97] }
        }

        func letters(_ nodes: [NodeID]) -> String {
            String(nodes.map { Character(UnicodeScalar(UInt8(97 + Int($0.low)))) })
        }

        func table(_ owners: String, _ factor: String) -> ReplicaTable {
            ReplicaTable(
                slices: SliceMap(owners: nodes(owners)),
                locations: locations,
                strategy: strategy(factor)
            )
        }

        private func strategy(_ text: String) -> ReplicationStrategy {
            if let factor = Int(text) { return .simple(factor: factor) }
            return .networkTopology(
                text.split(separator: " ").map { part in
                    let pair = part.split(separator: ":")
                    return DatacenterFactor(
                        datacenter: String(pair[0]),
                        factor: Int(pair[1]) ?? -1
                    )
                }
            )
        }
    }

    @Test func `replicas are those that cassandra-driver computes`() throws {
        var compared = 0
        for record in PlacementFixtures.text.split(separator: "\n\n") {
            let lines = record.split(separator: "\n")
            let owners = String(lines[1])
            let factor = String(lines[2])
            let topology = Topology(String(lines[0]))
            let table = topology.table(owners, factor)
            let expected = lines.dropFirst(3).joined(separator: " ").split(separator: " ")
            let published = table.slices.publishedTokens()
            #expect(published.count == expected.count)
            for ((token, _), letters) in zip(published, expected) {
                let replicas = table.replicas(of: token)
                let placed = topology.letters(replicas)
                let ring = "\(lines[0]), \(owners), \(factor)"
                let context: Comment = "\(ring): \(placed), not \(letters)"
                compared += 1
                if Int(factor) != nil {
                    #expect(topology.letters(replicas) == letters, context)
                } else {
                    let others = topology.nodes(letters)
                    expectSameByDatacenter(replicas, others, table, topology, context)
                }
            }
        }
        #expect(compared > 800)
    }

    /// Compares what two different orders of one placement must have in common.
    private func expectSameByDatacenter(
        _ replicas: [NodeID],
        _ expected: [NodeID],
        _ table: ReplicaTable,
        _ topology: Topology,
        _ context: Comment
    ) {
        #expect(replicas.count == expected.count, context)
        for datacenter in Set(topology.locations.values.map(\.datacenter)) {
            let isLocal = { (node: NodeID) in topology.locations[node]?.datacenter == datacenter }
            let racks = Set(topology.locations.values.filter { $0.datacenter == datacenter })
            let (mine, others) = (replicas.filter(isLocal), expected.filter(isLocal))
            if table.replicationFactor(in: datacenter) <= racks.count {
                #expect(mine == others, context)
            } else {
                #expect(mine.first == others.first, context)
                #expect(Set(mine) == Set(others), context)
            }
        }
    }

    /// Cases worked out by hand from Cassandra's rules: the replicas of the first slice.
    @Test(arguments: [
        // SimpleStrategy passes over an owner that it has met, and goes around the ring's end.
        ("x1 x1 x1", "aabaabcc", "2", "ab"),
        ("x1 x1 x1", "aabaabcc", "3", "abc"),
        ("x1 x1 x1", "aabaabcc", "9", "abc"),
        // Enough racks: b is passed over, since a is on its rack.
        ("x1 x1 x2", "abcabcab", "x:2", "ac"),
        // Two racks for three: the one repeat that is allowed goes to b, where the walk meets it.
        ("x1 x1 x2", "abcabcab", "x:3", "abc"),
        // One repeat only: b takes it, c is passed over, and d stands for rack 2.
        ("x1 x1 x1 x2", "abcdabcd", "x:3", "abd"),
        // More replicas than nodes.
        ("x1 x1 x2", "abcabcab", "x:5", "abc"),
        // Datacenters are met in ring order; racks of the same name are two in two of them.
        ("x1 y1 x2 y2", "abcdabcd", "x:2 y:2", "abcd"),
        ("x1 y1 x1 y2", "abcdabcd", "x:1 y:2", "abd"),
        // The owner is no replica where its datacenter gets none.
        ("x1 y1 x2 y2", "abcdabcd", "y:1", "b"),
        // A datacenter without nodes gets none.
        ("x1 x2", "abababab", "x:1 z:3", "a"),
        ("x1 x2", "abababab", "z:3", ""),
    ])
    func `the first slice's replicas are Cassandra's, in its order`(
        nodes: String,
        owners: String,
        factor: String,
        expected: String
    ) {
        let topology = Topology(nodes)
        let table = topology.table(owners, factor)
        #expect(topology.letters(table.replicas(of: .minimum)) == expected)
    }

    @Test func `the walk goes around the end of the ring`() {
        let topology = Topology("x1 x2 x3 x1")
        let simple = topology.table("abcdabcd", "3")
        #expect(topology.letters(simple.replicas(of: Token(.max))) == "dab")
        #expect(topology.letters(simple.replicas(of: .minimum)) == "abc")
        let topological = topology.table("abcdabcd", "x:3")
        #expect(topology.letters(topological.replicas(of: Token(.max))) == "dbc")
    }

    @Test func `a slice's replicas hold up to its last token`() {
        let topology = Topology("x1 x1 x1 x1")
        let table = topology.table("abcdabcd", "2")
        for slice in 0..<8 {
            let last = table.slices.lastToken(of: slice)
            let expected = topology.nodes(["ab", "bc", "cd", "da"][slice % 4])
            #expect(table.replicas(of: last) == expected)
            if slice > 0 {
                let first = Token(table.slices.lastToken(of: slice - 1).value + 1)
                #expect(table.replicas(of: first) == expected)
            }
        }
    }

    @Test func `sets are distinct by order and every one is used`() {
        let topology = Topology("x1 x1 x1")
        let table = topology.table("abacabac", "2")
        #expect(Set(table.sets).count == table.sets.count)
        let letters = Set(table.sets.map(topology.letters))
        #expect(letters == ["ab", "ba", "ac", "ca"])
        #expect(Set((0..<8).map { table.setIndex(ofSlice: $0) }) == Set(table.sets.indices))
        let token = table.slices.lastToken(of: 5)
        #expect(table.sets[table.setIndex(of: token)] == table.replicas(of: token))
    }

    @Test func `everywhere is every owner, a slice's own first`() {
        let topology = Topology("x1 y1 x2")
        let table = ReplicaTable(
            slices: SliceMap(owners: topology.nodes("abcacbab")),
            locations: topology.locations,
            strategy: .everywhere
        )
        #expect(table.sets.count == 3)
        for slice in 0..<8 {
            let replicas = table.replicas(of: table.slices.lastToken(of: slice))
            #expect(replicas.first == table.slices.owner(of: slice))
            #expect(Set(replicas) == Set(topology.ids))
            #expect(replicas.count == 3)
        }
        #expect(table.replicationFactor == 3)
        #expect(table.replicationFactor(in: "x") == 2)
        #expect(table.replicationFactor(in: "z") == 0)
    }

    @Test func `a node without slices neither holds replicas nor counts as a rack`() {
        let topology = Topology("x1 x1 x2")
        let table = topology.table("abababab", "x:2")
        #expect(topology.letters(table.replicas(of: .minimum)) == "ab")
        #expect(table.replicationFactor == 2)
    }

    @Test func `any ring gives distinct replicas, as many as there can be, on as many racks`() {
        var generator = SplitMix(state: 5)
        for _ in 0..<200 {
            let count = Int.random(in: 1...12, using: &generator)
            let places = (0..<count).map { _ in
                "\(["x", "y"].randomElement(using: &generator) ?? "x")"
                    + "\(Int.random(in: 1...4, using: &generator))"
            }
            let topology = Topology(places.joined(separator: " "))
            let owners = (0..<32).map { _ in topology.ids.randomElement(using: &generator) }
            let slices = SliceMap(owners: owners.compactMap { $0 })
            let factor = Int.random(in: 1...5, using: &generator)
            let present = slices.nodes.compactMap { topology.locations[$0] }
            let simple = ReplicaTable(
                slices: slices,
                locations: topology.locations,
                strategy: .simple(factor: factor)
            )
            let topological = ReplicaTable(
                slices: slices,
                locations: topology.locations,
                strategy: .networkTopology(
                    ["x", "y"].map { DatacenterFactor(datacenter: $0, factor: factor) }
                )
            )
            for slice in 0..<32 {
                let token = slices.lastToken(of: slice)
                let replicas = simple.replicas(of: token)
                #expect(replicas.first == slices.owner(of: slice))
                #expect(replicas.count == min(factor, slices.nodes.count))
                #expect(Set(replicas).count == replicas.count)
                let spread = topological.replicas(of: token)
                #expect(spread.first == slices.owner(of: slice))
                #expect(Set(spread).count == spread.count)
                for datacenter in ["x", "y"] {
                    let here = present.filter { $0.datacenter == datacenter }
                    let local = spread.compactMap { topology.locations[$0] }
                        .filter { $0.datacenter == datacenter }
                    #expect(local.count == min(factor, here.count))
                    #expect(Set(local).count == min(factor, Set(here).count))
                }
            }
        }
    }
}
