/// One datacenter's ring while it is laid out: a closed sequence of nodes.
///
/// Nodes are laid greedily, the one that is furthest behind its weight first, racks before the
/// nodes within them; among equals the one that has shared the fewest replica sets with its new
/// neighbours. So every round is another permutation. The end of the sequence, which must also
/// fit its beginning, is searched for with backtracking.
struct RingSequence {
    /// How many neighbours in a row must differ.
    private struct Spacing {
        var nodes: Int
        var racks: Int
    }

    /// What is compared when a node is chosen, the most important first; less is better.
    private typealias Rank = (
        conflict: Int, calm: Int, rackRound: Int, nodeRound: Int, shared: Int, node: Int
    )

    /// Steps that the search may take for one spacing before it tries a weaker one.
    private static let searchStepsMax = 4096

    private let count: Int
    private let rackOfNode: [Int]
    private let spacing: Spacing

    /// The most slices that a node may own.
    private let nodeLimits: [Int]
    private let nodeTargets: [Double]
    private let rackTargets: [Double]
    /// How many of its slices make one round: 1 for a node of mean weight in its rack.
    private let nodePaces: [Double]
    private let rackPaces: [Double]

    private var sequence: [Int] = []
    private var nodeUses: [Int]
    private var rackUses: [Int]
    /// How often two nodes stood within one replica set, as a square matrix.
    private var shared: [Int32]
    private var searchSteps = 0

    /// A layout of `count` slices over nodes, of which `window` in a row are to differ.
    init(nodes: [WeightedNode], count: Int, window: Int) {
        let racks = Set(nodes.map(\.location.rack)).sorted()
        var indexOfRack: [String: Int] = [:]
        for (index, rack) in racks.enumerated() { indexOfRack[rack] = index }
        let rackOfNode = nodes.map { indexOfRack[$0.location.rack, default: 0] }
        let total = nodes.reduce(0) { $0 + $1.weight }
        let targets = nodes.map { $0.weight / total * Double(count) }
        let limits = targets.map { Int($0) + ($0 > Double(Int($0)) ? 1 : 0) }

        var rackTargets = [Double](repeating: 0, count: racks.count)
        var rackSizes = [Int](repeating: 0, count: racks.count)
        for (node, rack) in rackOfNode.enumerated() {
            rackTargets[rack] += targets[node]
            rackSizes[rack] += 1
        }
        self.count = count
        self.rackOfNode = rackOfNode
        nodeLimits = limits
        nodeTargets = targets
        self.rackTargets = rackTargets
        nodePaces = targets.indices.map { node in
            let rack = rackOfNode[node]
            return targets[node] * Double(rackSizes[rack]) / rackTargets[rack]
        }
        rackPaces = rackTargets.map { $0 * Double(racks.count) / Double(count) }
        // A node that owns a third of all slices cannot be in less than every third.
        spacing = Spacing(
            nodes: Self.spacing(window, targets: targets, count: count),
            racks: Self.spacing(window, targets: rackTargets, count: count)
        )
        nodeUses = Array(repeating: 0, count: nodes.count)
        rackUses = Array(repeating: 0, count: racks.count)
        shared = Array(repeating: 0, count: nodes.count * nodes.count)
        sequence.reserveCapacity(count)
    }

    private static func spacing(_ window: Int, targets: [Double], count: Int) -> Int {
        // The hundredth is for rounding: 1024 slices over 3 equal nodes still allow 3.
        let densest = (targets.max() ?? 1) / Double(count)
        return max(1, min(window, targets.count, Int(1 / densest + 0.01)))
    }

    /// Lays the ring, as indices of nodes.
    mutating func make() -> [Int] {
        let searched = min(count, max(64, 2 * nodeUses.count + spacing.nodes))
        while sequence.count < count - searched {
            guard let best = candidates().min(by: { $0 < $1 }) else { break }
            lay(best.node)
        }
        // The strongest spacing with which the ring can be closed; the last one always can.
        for nodes in (1...spacing.nodes).reversed() {
            for racks in (1...min(nodes, spacing.racks)).reversed() {
                searchSteps = 0
                if close(Spacing(nodes: nodes, racks: racks)) { return sequence }
            }
        }
        preconditionFailure("no node may take slice \(sequence.count) of \(count)")
    }

    /// Lays what is left of the ring, or leaves it as it was if that cannot be found.
    private mutating func close(_ wanted: Spacing) -> Bool {
        if sequence.count == count { return true }
        for candidate in candidates().sorted(by: { $0 < $1 })
        where conflicts(of: candidate.node, wanted) == 0 {
            searchSteps += 1
            guard searchSteps <= Self.searchStepsMax else { return false }
            lay(candidate.node)
            if close(wanted) { return true }
            takeUp()
        }
        return false
    }

    /// The nodes that may own more, ranked for the next place.
    private func candidates() -> [Rank] {
        let left = Double(count - sequence.count)
        // The last places are kept for those that have none, however little they weigh.
        let isReserved = nodeUses.count { $0 == 0 } == count - sequence.count
        return nodeUses.indices.compactMap { node in
            guard nodeUses[node] < (isReserved ? 1 : nodeLimits[node]) else { return nil }
            let rack = rackOfNode[node]
            // What owns so much that it must be in every window from here on cannot wait.
            let nodeMissing = nodeTargets[node] - Double(nodeUses[node])
            let rackMissing = rackTargets[rack] - Double(rackUses[rack])
            let isUrgent =
                nodeMissing * Double(spacing.nodes) >= left
                || rackMissing * Double(spacing.racks) >= left
            return (
                conflict: conflicts(of: node, spacing),
                calm: isUrgent ? 0 : 1,
                rackRound: Int(Double(rackUses[rack]) / rackPaces[rack]),
                nodeRound: Int(Double(nodeUses[node]) / nodePaces[node]),
                shared: neighbours().reduce(0) { $0 + Int(shared[index(node, $1.node)]) },
                node: node
            )
        }
    }

    /// How many of the neighbours, behind and across the ring's end, are too near to the node.
    private func conflicts(of node: Int, _ wanted: Spacing) -> Int {
        let place = sequence.count
        var conflicts = 0
        for distance in 1..<max(wanted.nodes, wanted.racks, 2) {
            for neighbour in [place - distance, place + distance - count]
            where sequence.indices.contains(neighbour) {
                let other = sequence[neighbour]
                if distance < wanted.nodes && other == node { conflicts += 1 }
                if distance < wanted.racks && rackOfNode[other] == rackOfNode[node] {
                    conflicts += 1
                }
            }
        }
        return conflicts
    }

    /// The nodes laid last, and in how many replica sets each will stand with the next one.
    private func neighbours() -> some Sequence<(node: Int, sets: Int32)> {
        sequence.suffix(spacing.nodes - 1).reversed().enumerated().lazy
            .map { [spacing] in (node: $0.element, sets: Int32(spacing.nodes - 1 - $0.offset)) }
    }

    private func index(_ node: Int, _ other: Int) -> Int {
        min(node, other) * nodeUses.count + max(node, other)
    }

    private mutating func lay(_ node: Int) {
        for (other, sets) in neighbours() { shared[index(node, other)] += sets }
        sequence.append(node)
        nodeUses[node] += 1
        rackUses[rackOfNode[node]] += 1
    }

    private mutating func takeUp() {
        let node = sequence.removeLast()
        nodeUses[node] -= 1
        rackUses[rackOfNode[node]] -= 1
        for (other, sets) in neighbours() { shared[index(node, other)] -= sets }
    }
}
