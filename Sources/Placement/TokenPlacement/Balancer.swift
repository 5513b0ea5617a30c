/// A node as the balancer sees it.
package struct WeightedNode: Hashable, Sendable {
    /// The node.
    package var id: NodeID
    /// Where it stands.
    package var location: Location
    /// Its share of the ring beside the others': a node of weight 2 owns twice what one of 1 owns.
    package var weight: Double

    /// The node with its place and weight.
    package init(id: NodeID, location: Location, weight: Double = 1) {
        self.id = id
        self.location = location
        self.weight = weight
    }
}

/// Decides who owns which token slice.
package enum Balancer {
    /// The owners of a new ring.
    ///
    /// Every node owns slices in proportion to its weight. Wherever the weights and racks let it:
    /// `replicationFactor` slices in a row have different owners on different racks, so that
    /// SimpleStrategy and NetworkTopologyStrategy both give every node as many replicas as its
    /// weight asks for; and every pair of nodes that may share a replica set does so about equally
    /// often, so that a dead node's load spreads over all others. Each datacenter's slices form
    /// such a ring of their own, as NetworkTopologyStrategy sees them.
    ///
    /// Racks of unequal size, and datacenters of unequal size at replication factor 1, cannot all
    /// be levelled so: there owned slices are in proportion, and replicas only roughly.
    ///
    /// The result depends on nothing but the arguments, and not on the order of the nodes.
    ///
    /// - Parameters:
    ///   - nodes: at least one, each id once, weights over 0.
    ///   - sliceCount: a power of two, at least the number of nodes; 20 a node or more give a
    ///     balance within 5 % (see ``defaultSliceCount(nodes:)``).
    ///   - replicationFactor: the greatest replication factor (in one datacenter) to balance for.
    ///     The lesser ones are balanced too, and up to 3 is always looked after.
    /// - Returns: the owner of each slice; every node owns at least one.
    package static func initialOwners(
        of nodes: [WeightedNode],
        sliceCount: Int,
        replicationFactor: Int = 3
    ) -> SliceMap {
        precondition(
            !nodes.isEmpty && sliceCount >= nodes.count,
            "\(sliceCount) slices for \(nodes.count) nodes: every node needs at least one"
        )
        precondition(
            nodes.allSatisfy { $0.weight > 0 && $0.weight.isFinite },
            "a node's weight is not a number over 0: \(nodes.map(\.weight))"
        )
        let sorted = nodes.sorted { $0.id < $1.id }
        precondition(
            zip(sorted, sorted.dropFirst()).allSatisfy { $0.id != $1.id },
            "a node is given twice: \(sorted.map(\.id))"
        )
        let datacenters = Set(sorted.map(\.location.datacenter)).sorted()
        let members = datacenters.map { name in
            sorted.filter { $0.location.datacenter == name }
        }
        let turns = interleave(
            weights: members.map { $0.reduce(0) { $0 + $1.weight } },
            minimums: members.map(\.count),
            count: sliceCount
        )
        var rings = members.indices.map { index in
            var ring = RingSequence(
                nodes: members[index],
                count: turns.count { $0 == index },
                window: max(replicationFactor, 3)
            )
            return ring.make()[...]
        }
        let owners = turns.map { turn in members[turn][rings[turn].removeFirst()].id }
        return SliceMap(owners: owners)
    }

    /// Whose turn each slice is, where each of several takes turns in proportion to its weight,
    /// spread as evenly as can be, and at least its minimum.
    private static func interleave(weights: [Double], minimums: [Int], count: Int) -> [Int] {
        let counts = shares(weights: weights, minimums: minimums, count: count)
        var taken = [Int](repeating: 0, count: counts.count)
        return (0..<count).map { _ in
            // The one whose next turn is due first: turn j of c stands at (2j + 1) / 2c.
            var next = 0
            for other in counts.indices.dropFirst()
            where (2 * taken[other] + 1) * counts[next] < (2 * taken[next] + 1) * counts[other] {
                next = other
            }
            taken[next] += 1
            return next
        }
    }

    private static func shares(weights: [Double], minimums: [Int], count: Int) -> [Int] {
        let total = weights.reduce(0, +)
        let exact = weights.map { $0 / total * Double(count) }
        var shares = exact.indices.map { max(minimums[$0], Int(exact[$0])) }
        // What rounding left over goes where most is missing; what minimums took comes from where
        // most is too much.
        while shares.reduce(0, +) < count {
            let missing = exact.indices.map { exact[$0] - Double(shares[$0]) }
            shares[indexOfGreatest(missing)] += 1
        }
        while shares.reduce(0, +) > count {
            let excess = exact.indices.map {
                shares[$0] > minimums[$0] ? Double(shares[$0]) - exact[$0] : -.infinity
            }
            shares[indexOfGreatest(excess)] -= 1
        }
        return shares
    }

    private static func indexOfGreatest(_ values: [Double]) -> Int {
        var greatest = 0
        for index in values.indices where values[index] > values[greatest] { greatest = index }
        return greatest
    }
}
