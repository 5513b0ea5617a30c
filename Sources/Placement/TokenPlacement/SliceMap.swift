/// Who owns which part of the ring: 2^k token slices of equal size, each with one owner.
///
/// A slice is the unit of ownership, streaming and repair. Slice `i` holds the tokens
///
///     MIN + i * 2^(64-k)  ...  MIN + (i+1) * 2^(64-k) - 1
///
/// and is published by its last token, since Cassandra's ranges are (start, end]. The owner is a
/// slice's primary replica; where the others are is for ``ReplicaTable`` to say.
package struct SliceMap: Hashable, Sendable {
    /// The greatest number of slices: a bound on memory, at 2 bytes a slice.
    package static let sliceCountMax = 1 << 20

    /// The greatest number of nodes that can own slices.
    package static let nodesMax = Int(UInt16.max)

    /// The nodes that own a slice, sorted.
    package let nodes: [NodeID]

    /// Each slice's owner as an index into `nodes`.
    package let ownerIndices: [UInt16]

    /// The number of bits of a token that choose its slice.
    private let bits: Int

    /// The map in which slice `i` is owned by `owners[i]`.
    ///
    /// - Parameter owners: a power of two of them, at most `sliceCountMax`, and at most `nodesMax`
    ///   different ones.
    package init(owners: [NodeID]) {
        precondition(
            owners.count.nonzeroBitCount == 1 && owners.count <= Self.sliceCountMax,
            "\(owners.count) slices: a power of two up to \(Self.sliceCountMax) is needed"
        )
        let sorted = Set(owners).sorted()
        precondition(
            sorted.count <= Self.nodesMax,
            "\(sorted.count) different owners, the limit is \(Self.nodesMax)"
        )
        var indices: [NodeID: UInt16] = [:]
        for (index, node) in sorted.enumerated() { indices[node] = UInt16(index) }
        nodes = sorted
        ownerIndices = owners.map { indices[$0, default: 0] }
        bits = owners.count.trailingZeroBitCount
    }

    /// The map in its compact form, as it is sent and stored, or nil if it is none: `nodes` sorted
    /// and each an owner, the count of indices a power of two up to `sliceCountMax`.
    package init?(nodes: [NodeID], ownerIndices: [UInt16]) {
        guard ownerIndices.count.nonzeroBitCount == 1,
            ownerIndices.count <= Self.sliceCountMax,
            nodes.count <= Self.nodesMax,
            zip(nodes, nodes.dropFirst()).allSatisfy({ $0 < $1 })
        else { return nil }
        var isOwner = [Bool](repeating: false, count: nodes.count)
        for index in ownerIndices {
            guard Int(index) < nodes.count else { return nil }
            isOwner[Int(index)] = true
        }
        guard isOwner.allSatisfy({ $0 }) else { return nil }
        self.nodes = nodes
        self.ownerIndices = ownerIndices
        bits = ownerIndices.count.trailingZeroBitCount
    }

    /// The number of slices, a power of two.
    package var sliceCount: Int { ownerIndices.count }

    /// The slice that a token lies in.
    package func slice(of token: Token) -> Int {
        let offset = UInt64(bitPattern: token.value) ^ (1 << 63)
        return Int(offset >> UInt64(64 - bits))
    }

    /// The greatest token of a slice: the one by which it is published.
    package func lastToken(of slice: Int) -> Token {
        precondition(
            ownerIndices.indices.contains(slice),
            "slice \(slice), there are \(sliceCount)"
        )
        let offset = (UInt64(slice + 1) << UInt64(64 - bits)) &- 1
        return Token(Int64(bitPattern: offset ^ (1 << 63)))
    }

    /// The owner of a slice.
    package func owner(of slice: Int) -> NodeID { nodes[Int(ownerIndices[slice])] }

    /// Each slice's owner.
    package var owners: [NodeID] { ownerIndices.map { nodes[Int($0)] } }

    /// The ring as drivers see it, upwards.
    ///
    /// Neighbours with the same owner are published as one token, the last one's. The greatest
    /// token of all is always among them.
    package func publishedTokens() -> [(Token, NodeID)] {
        ownerIndices.indices.filter(isPublished).map { (lastToken(of: $0), owner(of: $0)) }
    }

    /// The published tokens of one node, upwards; none if it owns no slice.
    package func tokens(of node: NodeID) -> [Token] {
        guard let index = nodes.firstIndex(of: node) else { return [] }
        return ownerIndices.indices
            .filter { ownerIndices[$0] == index && isPublished($0) }
            .map(lastToken)
    }

    private func isPublished(_ slice: Int) -> Bool {
        slice + 1 == sliceCount || ownerIndices[slice] != ownerIndices[slice + 1]
    }
}

/// The number of slices that a ring of so many nodes starts with: 1,024, or the power of two that
/// gives each node at least 20, so that one slice more or less is at most a twentieth of its load.
package func defaultSliceCount(nodes: Int) -> Int {
    var count = 1024
    while count < SliceMap.sliceCountMax && count / 20 < nodes { count *= 2 }
    return count
}
