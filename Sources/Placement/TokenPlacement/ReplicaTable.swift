/// Which nodes hold which tokens under one replication strategy.
///
/// The placement is exactly Cassandra's (SimpleStrategy, and NetworkTopologyStrategy as it is since
/// Cassandra 3.0), so that its drivers route to Martlet's replicas. It is computed for all slices
/// when the table is made: a look-up is a shift and two array reads.
package struct ReplicaTable: Sendable {
    /// The ring that the table was made for.
    package let slices: SliceMap
    /// The strategy that the table was made for.
    package let strategy: ReplicationStrategy
    /// The distinct replica lists, each in Cassandra's order.
    ///
    /// Lists that differ only in their order are two. The same ring and strategy always give the
    /// same lists at the same indices.
    package let sets: [[NodeID]]

    private let setOfSlice: [UInt32]
    private let nodeCountOfDatacenter: [String: Int]

    /// Places every slice's replicas.
    ///
    /// - Parameters:
    ///   - slices: the ring. A node that owns no slice is no replica, and neither it nor its rack
    ///     counts for the placement.
    ///   - locations: where each owner stands; SimpleStrategy does without.
    ///   - strategy: the keyspace's.
    package init(
        slices: SliceMap,
        locations: [NodeID: Location],
        strategy: ReplicationStrategy
    ) {
        self.slices = slices
        self.strategy = strategy
        let counted = slices.nodes.compactMap { locations[$0]?.datacenter }
        nodeCountOfDatacenter = Dictionary(counted.map { ($0, 1) }, uniquingKeysWith: +)
        if case .everywhere = strategy {
            // By id from the owner on: ring order would give nearly every slice a list of its own.
            sets = slices.nodes.indices.map { Array(slices.nodes[$0...] + slices.nodes[..<$0]) }
            setOfSlice = slices.ownerIndices.map(UInt32.init)
            return
        }
        var picker = ReplicaPicker(nodes: slices.nodes, locations: locations, strategy: strategy)
        var nearest = NearestNodes(ownerIndices: slices.ownerIndices)
        var setOfSlice = [UInt32](repeating: 0, count: slices.sliceCount)
        var indices: [[UInt16]: UInt32] = [:]
        var sets: [[NodeID]] = []
        var last: (owner: UInt16, set: UInt32)?
        for slice in slices.ownerIndices.indices.reversed() {
            let owner = slices.ownerIndices[slice]
            if let last, last.owner == owner {
                setOfSlice[slice] = last.set
                continue
            }
            nearest.moveToFront(owner)
            picker.pick(from: nearest.order)
            let set: UInt32
            if let known = indices[picker.picked] {
                set = known
            } else {
                set = UInt32(sets.count)
                indices[picker.picked] = set
                sets.append(picker.picked.map { slices.nodes[Int($0)] })
            }
            setOfSlice[slice] = set
            last = (owner, set)
        }
        self.sets = sets
        self.setOfSlice = setOfSlice
    }

    /// The replicas of a token, the first of them first.
    ///
    /// Empty only if NetworkTopologyStrategy names no datacenter that has a node.
    package func replicas(of token: Token) -> [NodeID] { sets[setIndex(of: token)] }

    /// The index in `sets` of a token's replicas: tokens with the same index go together.
    package func setIndex(of token: Token) -> Int { setIndex(ofSlice: slices.slice(of: token)) }

    /// The index in `sets` of a slice's replicas.
    package func setIndex(ofSlice slice: Int) -> Int { Int(setOfSlice[slice]) }

    /// The replication factor of which quorums are counted.
    package var replicationFactor: Int { strategy.replicationFactor ?? slices.nodes.count }

    /// The replication factor of which a datacenter's local quorums are counted.
    package func replicationFactor(in datacenter: String) -> Int {
        strategy.replicationFactor(in: datacenter) ?? nodeCountOfDatacenter[datacenter] ?? 0
    }
}

/// All owners in the order in which a walk around the ring first meets them.
///
/// Every strategy depends on nothing but this order. One slice further down the ring it changes
/// only in that the slice's owner comes to the front, so that no walk is ever made.
private struct NearestNodes {
    private(set) var order: [UInt16]

    /// The order of a walk that starts with the first slice.
    init(ownerIndices: [UInt16]) {
        var isMet = [Bool](repeating: false, count: 1 << 16)
        order = []
        for owner in ownerIndices where !isMet[Int(owner)] {
            isMet[Int(owner)] = true
            order.append(owner)
        }
    }

    mutating func moveToFront(_ owner: UInt16) {
        var moved = owner
        var place = 0
        repeat {
            swap(&moved, &order[place])
            place += 1
        } while moved != owner
    }
}
