package import PeerMessages
package import Storage
package import TokenPlacement

/// A tree of digests over a range of tokens, which finds where replicas differ.
///
/// Its leaves are the digests of 2^depth equal parts of the range (``RangeDigester`` makes them),
/// and every node above is the digest of its two children: where two nodes are equal, nothing below
/// them needs to be looked at.
package struct MerkleTree: Sendable {
    /// The greatest depth: 4,096 leaves, 64 KiB.
    package static let depthMax = 12
    /// The rows that a leaf should hold.
    package static let rowsPerLeaf = 16

    /// The tokens that it covers.
    package let tokens: ClosedRange<Token>
    /// The number of levels below the root.
    package let depth: Int
    /// The root at 1, the children of i at 2i and 2i + 1; 0 is not used.
    private let nodes: [RowDigest]

    /// The tree with some leaves, 2^depth of them.
    package init(tokens: ClosedRange<Token>, depth: Int, leaves: [RangeDigest]) {
        precondition(
            leaves.count == 1 << depth,
            "\(leaves.count) leaves in a tree of depth \(depth)"
        )
        self.tokens = tokens
        self.depth = depth
        let empty = RowDigest(high: 0, low: 0)
        var nodes = [RowDigest](repeating: empty, count: leaves.count)
        nodes.reserveCapacity(leaves.count * 2)
        nodes.append(contentsOf: leaves.lazy.map(\.digest))
        for index in stride(from: leaves.count - 1, to: 0, by: -1) {
            nodes[index] = RowDigest.combine([nodes[index * 2], nodes[index * 2 + 1]])
        }
        self.nodes = nodes
    }

    /// The digest of everything.
    package var root: RowDigest { nodes[1] }

    /// The depth at which leaves hold about ``rowsPerLeaf`` rows, for a range of tokens.
    package static func depth(rowCount: Int, tokens: ClosedRange<Token>) -> Int {
        let last = SliceID.position(tokens.upperBound) - SliceID.position(tokens.lowerBound)
        var depth = 0
        while depth < depthMax, rowCount > rowsPerLeaf << depth, last >> UInt64(depth + 1) > 0 {
            depth += 1
        }
        return depth
    }

    /// The tokens of the leaves: equal parts, upwards, without gaps.
    package static func ranges(
        of tokens: ClosedRange<Token>,
        depth: Int
    ) -> [ClosedRange<Token>] {
        let first = SliceID.position(tokens.lowerBound)
        let span = UInt128(SliceID.position(tokens.upperBound) - first) + 1
        let count = 1 << depth
        precondition(span >= UInt128(count), "\(count) parts of \(span) tokens")
        func start(_ index: Int) -> UInt128 { (UInt128(index) * span) >> UInt128(depth) }
        return (0..<count).map { index in
            SliceID.token(
                first + UInt64(start(index))
            )...SliceID.token(first + UInt64(start(index + 1) - 1))
        }
    }

    /// The tokens of the leaves in which trees of one shape are not all equal; neighbours are one
    /// range.
    package static func differences(_ trees: [MerkleTree]) -> [ClosedRange<Token>] {
        guard let first = trees.first else { return [] }
        precondition(
            trees.allSatisfy { $0.tokens == first.tokens && $0.depth == first.depth },
            "trees of different shapes"
        )
        let leaves = ranges(of: first.tokens, depth: first.depth)
        var found: [ClosedRange<Token>] = []
        var lastLeaf = -2
        // Depth first, the left child first: leaves come upwards.
        var pending = [1]
        while let node = pending.popLast() {
            let digest = first.nodes[node]
            guard trees.contains(where: { $0.nodes[node] != digest }) else { continue }
            guard node >= leaves.count else {
                pending.append(node * 2 + 1)
                pending.append(node * 2)
                continue
            }
            let leaf = node - leaves.count
            if leaf == lastLeaf + 1, let open = found.popLast() {
                found.append(open.lowerBound...leaves[leaf].upperBound)
            } else {
                found.append(leaves[leaf])
            }
            lastLeaf = leaf
        }
        return found
    }

    /// The tokens of the leaves in which another tree of the same shape differs.
    package func differences(_ other: MerkleTree) -> [ClosedRange<Token>] {
        Self.differences([self, other])
    }
}
