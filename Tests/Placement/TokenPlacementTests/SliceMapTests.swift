import Testing
import TokenPlacement

struct SliceMapTests {
    private let nodes = (0..<4).map { NodeID(high: 9, low: UInt64($0)) }

    private func map(_ letters: String) -> SliceMap {
        SliceMap(owners: letters.utf8.map { nodes[Int($0) - 97] })
    }

    @Test func `four slices lie where arithmetic puts them`() {
        let map = map("abcd")
        let quarter = Int64(1) << 62
        let last = (0..<4).map { map.lastToken(of: $0).value }
        #expect(last == [-quarter - 1, -1, quarter - 1, .max])
        let expected: [(Int64, Int)] = [
            (.min, 0), (.min + 1, 0), (-quarter - 1, 0), (-quarter, 1), (-1, 1), (0, 2),
            (quarter - 1, 2), (quarter, 3), (.max - 1, 3), (.max, 3),
        ]
        for (token, slice) in expected {
            #expect(map.slice(of: Token(token)) == slice, "token \(token)")
        }
    }

    @Test(arguments: [0, 1, 2, 10, 16, 20])
    func `every slice begins behind the last token of the one before`(bits: Int) {
        let count = 1 << bits
        let map = SliceMap(owners: (0..<count).map { nodes[$0 % 4] })
        #expect(map.sliceCount == count)
        for slice in stride(from: 0, to: count, by: max(1, count / 500)) + [count - 1] {
            let last = map.lastToken(of: slice)
            #expect(map.slice(of: last) == slice)
            if slice + 1 < count {
                #expect(map.slice(of: Token(last.value + 1)) == slice + 1)
            } else {
                #expect(last == Token(.max))
            }
            // The formula of the design, in arithmetic that wraps.
            let width = bits == 0 ? 0 : UInt64(1) << (64 - bits)
            let formula = UInt64(bitPattern: .min) &+ UInt64(slice + 1) &* width &- 1
            #expect(last.value == Int64(bitPattern: formula))
        }
    }

    @Test func `one slice is the whole ring`() {
        let map = map("b")
        #expect(map.slice(of: .minimum) == 0)
        #expect(map.slice(of: Token(.max)) == 0)
        #expect(map.tokens(of: nodes[1]) == [Token(.max)])
        #expect(map.tokens(of: nodes[0]).isEmpty)
    }

    @Test func `neighbours of one owner are published as one token`() {
        let map = map("aabccaaa")
        let published = map.publishedTokens()
        #expect(published.map(\.1) == [0, 1, 2, 0].map { nodes[$0] })
        #expect(published.map(\.0) == [1, 2, 4, 7].map { map.lastToken(of: $0) })
        #expect(map.tokens(of: nodes[0]) == [1, 7].map { map.lastToken(of: $0) })
        #expect(map.tokens(of: nodes[2]) == [map.lastToken(of: 4)])
    }

    @Test func `whoever reads the published tokens finds every slice's owner`() {
        var generator = SplitMix(state: 11)
        for _ in 0..<20 {
            let owners = (0..<64).map { _ in nodes[Int.random(in: 0..<4, using: &generator)] }
            let map = SliceMap(owners: owners)
            let published = map.publishedTokens()
            #expect(published.map(\.0) == published.map(\.0).sorted())
            for slice in 0..<64 {
                let token = map.lastToken(of: slice)
                // As drivers look: the first token that is not less, or else the first of all.
                let found = published.first { $0.0 >= token } ?? published[0]
                #expect(found.1 == owners[slice])
            }
            for node in nodes {
                #expect(map.tokens(of: node) == published.filter { $0.1 == node }.map(\.0))
            }
        }
    }

    @Test func `equal owners make equal maps`() {
        #expect(map("abca") == map("abca"))
        #expect(map("abca").hashValue == map("abca").hashValue)
        #expect(map("abca") != map("abcd"))
        #expect(map("abca").owners == [0, 1, 2, 0].map { nodes[$0] })
        #expect(map("abca").owner(of: 2) == nodes[2])
    }

    @Test func `the compact form makes the round trip`() throws {
        let original = map("dbbadbca")
        let copy = SliceMap(nodes: original.nodes, ownerIndices: original.ownerIndices)
        #expect(try #require(copy) == original)
        #expect(copy?.lastToken(of: 3) == original.lastToken(of: 3))
    }

    @Test func `a compact form that is no map is refused`() {
        #expect(SliceMap(nodes: [], ownerIndices: []) == nil)
        #expect(SliceMap(nodes: [nodes[0]], ownerIndices: [0, 0, 0]) == nil, "no power of two")
        #expect(SliceMap(nodes: [nodes[0]], ownerIndices: [0, 1]) == nil, "index over the table")
        #expect(SliceMap(nodes: [nodes[1], nodes[0]], ownerIndices: [0, 1]) == nil, "unsorted")
        #expect(SliceMap(nodes: [nodes[0], nodes[0]], ownerIndices: [0, 1]) == nil, "twice")
        #expect(SliceMap(nodes: [nodes[0], nodes[1]], ownerIndices: [0, 0]) == nil, "no owner")
        let tooMany = [UInt16](repeating: 0, count: SliceMap.sliceCountMax * 2)
        #expect(SliceMap(nodes: [nodes[0]], ownerIndices: tooMany) == nil)
    }

    @Test func `rings start with 1024 slices and at least 20 a node`() {
        #expect(defaultSliceCount(nodes: 0) == 1024)
        #expect(defaultSliceCount(nodes: 1) == 1024)
        #expect(defaultSliceCount(nodes: 51) == 1024)
        #expect(defaultSliceCount(nodes: 52) == 2048)
        for nodes in 1...3000 {
            let count = defaultSliceCount(nodes: nodes)
            #expect(count.nonzeroBitCount == 1 && count >= 20 * nodes)
            #expect(count == 1024 || count / 2 < 20 * nodes, "no more than needed")
        }
        #expect(defaultSliceCount(nodes: .max) == SliceMap.sliceCountMax)
    }
}
