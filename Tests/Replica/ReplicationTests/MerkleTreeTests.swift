import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

@Suite struct MerkleTreeTests {
    private static let everything = Token(.min)...Token(.max)

    /// Leaves whose digests are some numbers.
    private static func tree(
        _ leaves: [UInt64],
        tokens: ClosedRange<Token> = tokens(0...1_023)
    ) -> MerkleTree {
        MerkleTree(
            tokens: tokens,
            depth: leaves.count.trailingZeroBitCount,
            leaves: leaves.map {
                RangeDigest(digest: RowDigest(high: $0, low: 0), rowCount: 1)
            }
        )
    }

    // MARK: Shape

    @Test(
        arguments: [
            (tokens(0...1_023), 0), (tokens(0...1_023), 10), (tokens(-5...1_000), 3),
            (tokens(-5...1_000), 9), (tokens(7...7), 0), (tokens(-1...0), 1),
            (everything, 0), (everything, 12), (tokens(.min...(.min + 4)), 2),
            (tokens((.max - 6)...(.max)), 2),
        ]
    )
    func `leaves cover the tokens, upwards, without gaps, nearly equal`(
        tokens: ClosedRange<Token>,
        depth: Int
    ) {
        let ranges = MerkleTree.ranges(of: tokens, depth: depth)
        #expect(ranges.count == 1 << depth)
        #expect(ranges.first?.lowerBound == tokens.lowerBound)
        #expect(ranges.last?.upperBound == tokens.upperBound)
        var gaps = 0
        for (left, right) in zip(ranges, ranges.dropFirst())
        where left.upperBound.value + 1 != right.lowerBound.value {
            gaps += 1
        }
        #expect(gaps == 0)
        let spans = ranges.map {
            UInt64(bitPattern: $0.upperBound.value &- $0.lowerBound.value)
        }
        let (least, greatest) = (spans.min() ?? 0, spans.max() ?? 0)
        #expect(greatest - least <= 1)
    }

    @Test func `the depth follows the rows, up to its bound`() {
        let limits = [(0, 0), (1, 0), (16, 0), (17, 1), (32, 1), (33, 2), (2_000, 7)]
        for (rows, depth) in limits {
            #expect(MerkleTree.depth(rowCount: rows, tokens: Self.everything) == depth)
        }
        let most = MerkleTree.depth(rowCount: .max >> 20, tokens: Self.everything)
        #expect(most == MerkleTree.depthMax)
    }

    @Test(arguments: [0, 1, 2, 3, 7, 8, 100, 4_095, 4_096] as [Int64])
    func `there are never more leaves than tokens`(span: Int64) {
        for lower in [.min, -50, 0, .max - span] as [Int64] {
            let range = tokens(lower...lower + span)
            let depth = MerkleTree.depth(rowCount: 1 << 40, tokens: range)
            #expect(1 << depth <= span + 1)
            #expect(MerkleTree.ranges(of: range, depth: depth).count == 1 << depth)
        }
    }

    // MARK: Differences

    @Test(arguments: [1, 2, 8, 64])
    func `a change of one leaf shows in that leaf alone, and in the root`(count: Int) {
        let leaves = (0..<count).map { UInt64($0) + 100 }
        let tree = Self.tree(leaves)
        let ranges = MerkleTree.ranges(of: tokens(0...1_023), depth: tree.depth)
        #expect(tree.differences(Self.tree(leaves)) == [])
        for leaf in 0..<count {
            var changed = leaves
            changed[leaf] = 7
            let other = Self.tree(changed)
            #expect(other.root != tree.root)
            #expect(tree.differences(other) == [ranges[leaf]])
            #expect(other.differences(tree) == [ranges[leaf]])
        }
    }

    @Test func `leaves that change places make another tree`() {
        #expect(Self.tree([1, 2, 3, 4]).root != Self.tree([1, 2, 4, 3]).root)
        #expect(Self.tree([1, 2, 3, 4]).root != Self.tree([3, 4, 1, 2]).root)
    }

    @Test func `a change reaches every node on the path to it, and no other`() {
        // Halves and quarters are trees of their own: those beside the path stay equal.
        let leaves = (0..<16).map { UInt64($0) + 100 }
        for leaf in 0..<16 {
            var changed = leaves
            changed[leaf] = 7
            for size in [1, 2, 4, 8, 16] {
                for start in stride(from: 0, to: 16, by: size) {
                    let part = Array(leaves[start..<start + size])
                    let changedPart = Array(changed[start..<start + size])
                    let isOnPath = (start..<start + size).contains(leaf)
                    #expect((Self.tree(part).root != Self.tree(changedPart).root) == isOnPath)
                }
            }
        }
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `differences are the leaves that are not all equal, neighbours joined`(seed: UInt64) {
        var random = CacheRandom(seed: seed)
        let depth = random.below(7)
        let leaves = (0..<1 << depth).map { UInt64($0) + 100 }
        var versions = [[UInt64]](repeating: leaves, count: random.below(3) + 2)
        for _ in 0..<random.below(6) {
            versions[random.below(versions.count)][random.below(leaves.count)] = UInt64(
                random.below(3)
            )
        }
        let range = tokens(-77...1_900)
        let ranges = MerkleTree.ranges(of: range, depth: depth)
        var expected: [ClosedRange<Token>] = []
        var last = -2
        for leaf in leaves.indices
        where versions.contains(where: { $0[leaf] != versions[0][leaf] }) {
            if last == leaf - 1, let open = expected.popLast() {
                expected.append(open.lowerBound...ranges[leaf].upperBound)
            } else {
                expected.append(ranges[leaf])
            }
            last = leaf
        }
        let trees = versions.map { Self.tree($0, tokens: range) }
        #expect(MerkleTree.differences(trees) == expected)
        #expect(MerkleTree.differences(trees.reversed()) == expected)
    }

    @Test func `no trees, or one, differ from nothing`() {
        #expect(MerkleTree.differences([]) == [])
        #expect(MerkleTree.differences([Self.tree([1, 2])]) == [])
    }
}
