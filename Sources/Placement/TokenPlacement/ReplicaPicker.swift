/// Picks the replicas from the owners in the order in which a walk around the ring meets them.
struct ReplicaPicker {
    /// What one datacenter still needs while replicas are picked.
    private struct Datacenter {
        let replicas: Int
        let rackRepeats: Int
        var replicasLeft = 0
        var rackRepeatsLeft = 0
    }

    private enum Rule {
        case first(Int)
        case racks
    }

    /// The replicas that were picked last, as indices of nodes.
    private(set) var picked: [UInt16] = []

    private let rule: Rule
    private var datacenters: [Datacenter] = []
    /// Each node's index in `datacenters`, or nil where its datacenter gets no replica.
    private var datacenterOfNode: [Int?]
    private var rackOfNode: [Int]
    /// The walk that met each rack last, so that nothing needs clearing between walks.
    private var walkOfRack: [Int] = []
    private var walk = 0

    init(nodes: [NodeID], locations: [NodeID: Location], strategy: ReplicationStrategy) {
        datacenterOfNode = Array(repeating: nil, count: nodes.count)
        rackOfNode = Array(repeating: 0, count: nodes.count)
        switch strategy {
        case .simple(let factor): rule = .first(factor)
        case .everywhere: rule = .first(nodes.count)
        case .networkTopology(let factors):
            rule = .racks
            prepare(factors, nodes: nodes, locations: locations)
        }
    }

    private mutating func prepare(
        _ factors: [DatacenterFactor],
        nodes: [NodeID],
        locations: [NodeID: Location]
    ) {
        var members: [String: [(node: Int, rack: String)]] = [:]
        for (index, node) in nodes.enumerated() {
            guard let location = locations[node] else {
                preconditionFailure("the location of node \(node), which owns a slice, is missing")
            }
            members[location.datacenter, default: []].append((index, location.rack))
        }
        for factor in factors where factor.factor > 0 {
            let standing = members[factor.datacenter, default: []]
            var racks: [String: Int] = [:]
            for (node, name) in standing {
                let rack = racks[name] ?? walkOfRack.count
                if racks.updateValue(rack, forKey: name) == nil { walkOfRack.append(0) }
                datacenterOfNode[node] = datacenters.count
                rackOfNode[node] = rack
            }
            datacenters.append(
                Datacenter(
                    replicas: min(factor.factor, standing.count),
                    rackRepeats: factor.factor - racks.count
                )
            )
        }
    }

    /// Picks from the owners in the order in which the walk meets them.
    mutating func pick(from order: [UInt16]) {
        picked.removeAll(keepingCapacity: true)
        switch rule {
        case .first(let factor): picked.append(contentsOf: order.prefix(factor))
        case .racks: pickByRack(from: order)
        }
    }

    /// NetworkTopologyStrategy: a node of a rack that has no replica yet is taken; another one only
    /// while the factor exceeds the number of racks, and then where the walk meets it.
    private mutating func pickByRack(from order: [UInt16]) {
        walk += 1
        var unfilled = 0
        for index in datacenters.indices {
            datacenters[index].replicasLeft = datacenters[index].replicas
            datacenters[index].rackRepeatsLeft = datacenters[index].rackRepeats
            if datacenters[index].replicas > 0 { unfilled += 1 }
        }
        for node in order {
            if unfilled == 0 { break }
            guard let index = datacenterOfNode[Int(node)],
                datacenters[index].replicasLeft > 0
            else { continue }
            let rack = rackOfNode[Int(node)]
            if walkOfRack[rack] != walk {
                walkOfRack[rack] = walk
            } else if datacenters[index].rackRepeatsLeft > 0 {
                datacenters[index].rackRepeatsLeft -= 1
            } else {
                continue
            }
            picked.append(node)
            datacenters[index].replicasLeft -= 1
            if datacenters[index].replicasLeft == 0 { unfilled -= 1 }
        }
    }
}
