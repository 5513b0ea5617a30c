import Testing
import TokenPlacement

struct NodeIDTests {
    @Test(arguments: [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "01234567-89ab-cdef-0123-456789abcdef",
        "f0000000-0000-0001-8000-00000000000a",
    ])
    func `text makes the round trip`(text: String) throws {
        let id = try #require(NodeID(text))
        #expect(id.description == text)
        #expect(NodeID(text.uppercased()) == id)
    }

    @Test func `random ids make the round trip and are version 4`() {
        var generator = SplitMix(state: 7)
        var ids: Set<NodeID> = []
        for _ in 0..<500 {
            let id = NodeID.random(using: &generator)
            #expect(NodeID(id.description) == id)
            #expect(id.bytes.count == 16)
            #expect(id.bytes[6] >> 4 == 4)
            #expect(id.bytes[8] >> 6 == 2)
            ids.insert(id)
        }
        #expect(ids.count == 500)
    }

    @Test(arguments: [
        "",
        "0123456789abcdef0123456789abcdef",
        "01234567-89ab-cdef-0123-456789abcde",
        "01234567-89ab-cdef-0123-456789abcdef0",
        "01234567-89ab-cdef-0123-456789abcdef-",
        "0123456-789ab-cdef-0123-456789abcdef",
        "g1234567-89ab-cdef-0123-456789abcdef",
        "+1234567-89ab-cdef-0123-456789abcdef",
        "01234567-89ab-cdef-+123-456789abcdef",
        "01234567-89ab-cdef- 123-456789abcdef",
        "\u{FF11}1234567-89ab-cdef-0123-456789abcdef",
        "{01234567-89ab-cdef-0123-456789abcdef}",
    ])
    func `what is no UUID is refused`(text: String) {
        #expect(NodeID(text) == nil)
    }

    @Test func `ids sort as their bytes do`() {
        let ids = [
            NodeID(high: 0, low: 1), NodeID(high: 0, low: .max), NodeID(high: 1, low: 0),
            NodeID(high: 1 << 63, low: 0),
        ]
        #expect(ids.shuffledForTest().sorted() == ids)
        let zeros = [UInt8](repeating: 0, count: 6)
        #expect(NodeID(high: 1, low: 0x0203).bytes == zeros + [0, 1] + zeros + [2, 3])
    }
}

extension Array {
    fileprivate func shuffledForTest() -> [Element] {
        var generator = SplitMix(state: 3)
        return shuffled(using: &generator)
    }
}
