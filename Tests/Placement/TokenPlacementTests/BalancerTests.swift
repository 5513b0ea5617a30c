import Testing
import TokenPlacement

struct BalancerTests {
    private func node(_ index: Int, _ rack: Int = 0, weight: Double = 1) -> WeightedNode {
        WeightedNode(
            id: NodeID(high: UInt64(index) &* 0x9E37_79B9_7F4A_7C15, low: UInt64(index)),
            location: Location(datacenter: "x", rack: "rack\(rack)"),
            weight: weight
        )
    }

    private func locations(_ nodes: [WeightedNode]) -> [NodeID: Location] {
        Dictionary(uniqueKeysWithValues: nodes.map { ($0.id, $0.location) })
    }

    private func strategies(_ factor: Int) -> [ReplicationStrategy] {
        [
            .simple(factor: factor),
            .networkTopology([DatacenterFactor(datacenter: "x", factor: factor)]),
        ]
    }

    /// The number of slices of which each node is a replica.
    private func loads(_ table: ReplicaTable) -> [NodeID: Int] {
        var loads: [NodeID: Int] = [:]
        for slice in 0..<table.slices.sliceCount {
            for node in table.sets[table.setIndex(ofSlice: slice)] { loads[node, default: 0] += 1 }
        }
        return loads
    }

    /// The greatest load by weight, over the mean.
    private func imbalance(_ table: ReplicaTable, _ nodes: [WeightedNode]) -> Double {
        let loads = loads(table)
        let relative = nodes.map { Double(loads[$0.id] ?? 0) / $0.weight }
        return (relative.max() ?? 0) / (relative.reduce(0, +) / Double(nodes.count))
    }

    /// The least power of two with 20 slices a node, at which one slice weighs most.
    private func leastSliceCount(_ nodes: Int) -> Int {
        var count = 32
        while count < 20 * nodes { count *= 2 }
        return count
    }

    @Test(arguments: 1...20)
    func `equal nodes hold equally much`(count: Int) {
        let nodes = (0..<count).map { node($0) }
        for sliceCount in [leastSliceCount(count), defaultSliceCount(nodes: count)] {
            let slices = Balancer.initialOwners(of: nodes, sliceCount: sliceCount)
            for factor in 1...3 {
                for strategy in strategies(factor) {
                    let table = ReplicaTable(
                        slices: slices,
                        locations: locations(nodes),
                        strategy: strategy
                    )
                    #expect(imbalance(table, nodes) <= 1.05, "\(strategy) \(sliceCount)")
                }
            }
        }
    }

    @Test(arguments: [
        (2, 1), (2, 2), (2, 5), (2, 10), (3, 1), (3, 2), (3, 3), (3, 4), (3, 6), (4, 1), (4, 2),
        (4, 5), (5, 2), (5, 4), (6, 3), (20, 1),
    ])
    func `equal nodes on equal racks hold equally much`(racks: Int, size: Int) {
        let nodes = (0..<racks * size).map { node($0, $0 % racks) }
        for sliceCount in [leastSliceCount(nodes.count), 1024] {
            let slices = Balancer.initialOwners(of: nodes, sliceCount: sliceCount)
            for factor in 1...3 {
                for strategy in strategies(factor) {
                    let table = ReplicaTable(
                        slices: slices,
                        locations: locations(nodes),
                        strategy: strategy
                    )
                    #expect(imbalance(table, nodes) <= 1.05, "\(strategy) \(sliceCount)")
                }
            }
        }
    }

    @Test(arguments: 2...20)
    func `slices in a row have different owners`(count: Int) {
        let nodes = (0..<count).map { node($0) }
        for sliceCount in [leastSliceCount(count), 1024] {
            let owners = Balancer.initialOwners(of: nodes, sliceCount: sliceCount).owners
            // Three nodes cannot alternate strictly around a ring of 2^k slices: 3 divides none.
            let window = count == 3 ? 2 : min(count, 3)
            for start in 0..<sliceCount {
                let row = (0..<window).map { owners[(start + $0) % sliceCount] }
                #expect(Set(row).count == window, "\(sliceCount) slices, from \(start)")
            }
        }
    }

    @Test func `a greater replication factor widens the rows`() {
        let nodes = (0..<9).map { node($0) }
        let slices = Balancer.initialOwners(of: nodes, sliceCount: 1024, replicationFactor: 5)
        let owners = slices.owners
        for start in 0..<1024 {
            #expect(Set((0..<5).map { owners[(start + $0) % 1024] }).count == 5)
        }
    }

    @Test(arguments: 4...20)
    func `a dead node's load spreads over all others`(count: Int) {
        let nodes = (0..<count).map { node($0) }
        let slices = Balancer.initialOwners(of: nodes, sliceCount: 1024)
        let table = ReplicaTable(slices: slices, locations: [:], strategy: .simple(factor: 3))
        let mean = 3.0 * 1024 / Double(count) * 2 / Double(count - 1)
        for dead in nodes {
            var partners: [NodeID: Int] = [:]
            for slice in 0..<1024 {
                let replicas = table.sets[table.setIndex(ofSlice: slice)]
                guard replicas.contains(dead.id) else { continue }
                for other in replicas where other != dead.id { partners[other, default: 0] += 1 }
            }
            #expect(partners.count == count - 1)
            #expect(Double(partners.values.max() ?? 0) < 1.5 * mean)
        }
        let unordered = Set(table.sets.map(Set.init))
        let possible = count * (count - 1) * (count - 2) / 6
        #expect(unordered.count >= min(possible, 2 * count), "of \(possible)")
    }

    @Test func `the order of the nodes does not matter`() {
        var generator = SplitMix(state: 1)
        let nodes = (0..<11).map { node($0, $0 % 3, weight: 1 + Double($0 % 4) / 2) }
        let expected = Balancer.initialOwners(of: nodes, sliceCount: 512)
        for _ in 0..<5 {
            let shuffled = nodes.shuffled(using: &generator)
            #expect(Balancer.initialOwners(of: shuffled, sliceCount: 512) == expected)
        }
    }

    @Test(arguments: [
        [2, 1, 1, 1, 1], [1.5, 1, 1, 1, 0.5], [3, 2, 2, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 4],
        [2, 1, 1],
    ])
    func `slices are owned in proportion to weight`(weights: [Double]) {
        let nodes = weights.enumerated().map { node($0.offset, weight: $0.element) }
        let slices = Balancer.initialOwners(of: nodes, sliceCount: 1024)
        let table = ReplicaTable(slices: slices, locations: [:], strategy: .simple(factor: 1))
        #expect(imbalance(table, nodes) <= 1.05)
    }

    @Test func `every node owns a slice, however little it weighs`() {
        let weights = [1000, 1, 0.001, 1]
        let nodes = weights.enumerated().map { node($0.offset, weight: $0.element) }
        for sliceCount in [4, 8, 1024] {
            let slices = Balancer.initialOwners(of: nodes, sliceCount: sliceCount)
            #expect(slices.nodes == nodes.map(\.id).sorted())
            #expect(slices.sliceCount == sliceCount)
        }
        let one = Balancer.initialOwners(of: [node(5)], sliceCount: 1)
        #expect(one.owners == [node(5).id])
    }

    @Test func `uneven racks leave no replica set on one rack`() {
        let nodes = [0, 0, 1, 1, 2].enumerated().map { node($0.offset, $0.element) }
        let slices = Balancer.initialOwners(of: nodes, sliceCount: 1024)
        for strategy in strategies(1) {
            let table = ReplicaTable(
                slices: slices,
                locations: locations(nodes),
                strategy: strategy
            )
            #expect(imbalance(table, nodes) <= 1.05)
        }
        // The one node of the third rack must hold everything, the others half of it each.
        let table = ReplicaTable(
            slices: slices,
            locations: locations(nodes),
            strategy: strategies(3)[1]
        )
        let loads = loads(table)
        #expect(loads[nodes[4].id] == 1024)
        for node in nodes.dropLast() {
            #expect(abs(Double(loads[node.id] ?? 0) - 512) <= 0.1 * 512)
        }
    }

    @Test func `two datacenters of one size each hold equally much on each node`() {
        let nodes = (0..<8).map { index in
            var node = node(index)
            node.location = Location(datacenter: index < 4 ? "x" : "y", rack: "rack")
            return node
        }
        let slices = Balancer.initialOwners(of: nodes, sliceCount: 1024)
        for factor in 1...3 {
            let table = ReplicaTable(
                slices: slices,
                locations: locations(nodes),
                strategy: .networkTopology(
                    ["x", "y"].map { DatacenterFactor(datacenter: $0, factor: factor) }
                )
            )
            #expect(imbalance(table, nodes) <= 1.05)
        }
    }
}
