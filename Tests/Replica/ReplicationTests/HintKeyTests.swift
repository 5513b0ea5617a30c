import Replication
import Storage
import Testing
import TokenPlacement

@Suite struct HintKeyTests {
    private static func pick<Value>(_ values: [Value], _ random: inout CacheRandom) -> Value {
        values[Int.random(in: values.indices, using: &random)]
    }

    private static func randomKey(_ random: inout CacheRandom) -> HintKey {
        // Few different parts, so that keys often agree in the first ones.
        HintKey(
            target: NodeID(
                high: pick([0, 1, .max], &random),
                low: pick([0, 0xFF, 0x100, .max], &random)
            ),
            slice: pick([0, 1, 255, 256, Int(UInt32.max)], &random),
            createdMicros: pick([0, 1, 255, 256, 1_700_000_000_000_000, .max], &random),
            sequence: pick([0, 1, 256, .max], &random)
        )
    }

    @Test func `keys are the same behind their bytes`() {
        var random = CacheRandom(seed: 1)
        for _ in 0..<500 {
            let key = Self.randomKey(&random)
            #expect(key.encoded.count == HintKey.byteCount)
            #expect(HintKey(decoding: key.encoded) == key)
        }
    }

    @Test func `keys sort like their bytes`() {
        var random = CacheRandom(seed: 2)
        for _ in 0..<2_000 {
            let (left, right) = (Self.randomKey(&random), Self.randomKey(&random))
            #expect((left < right) == left.encoded.precedes(right.encoded))
            #expect((left == right) == (left.encoded == right.encoded))
        }
    }

    @Test func `the bytes stand where the drawing says`() {
        let key = HintKey(
            target: NodeID(high: 0x0102_0304_0506_0708, low: 0x090A_0B0C_0D0E_0F10),
            slice: 0x1112_1314,
            createdMicros: 0x1516_1718_191A_1B1C,
            sequence: 0x1D1E_1F20
        )
        #expect(key.encoded == Array(1...32))
    }

    @Test func `what is no key is none`() {
        let bytes = HintKey(target: node(1), slice: 1, createdMicros: 1, sequence: 1).encoded
        #expect(HintKey(decoding: []) == nil)
        #expect(HintKey(decoding: Array(bytes.dropLast())) == nil)
        #expect(HintKey(decoding: bytes + [0]) == nil)
        var negative = bytes
        negative[20] = 0x80
        #expect(HintKey(decoding: negative) == nil)
    }

    @Test func `a time before 1970 counts as 1970`() {
        let key = HintKey(target: node(1), slice: 1, createdMicros: -5, sequence: 1)
        #expect(key.createdMicros == 0)
        #expect(HintKey(decoding: key.encoded) == key)
    }

    @Test(
        arguments: [
            NodeID(high: 0, low: 0), NodeID(high: 0, low: 0xFF), NodeID(high: 5, low: .max),
            NodeID(high: .max, low: .max),
        ]
    )
    func `the range of a node holds all its keys and no others`(target: NodeID) {
        let range = HintKeys.range(of: target)
        for (slice, created, sequence) in [
            (0, 0 as Int64, 0 as UInt32), (Int(UInt32.max), Int64.max, UInt32.max),
        ] {
            var key = HintKey(
                target: target,
                slice: slice,
                createdMicros: created,
                sequence: sequence
            )
            #expect(range.contains(key.encoded))
            #expect(range.contains(HintKeys.behind(key.encoded)))
            if target.low < .max {
                key.target.low = target.low + 1
                #expect(!range.contains(key.encoded))
            }
            if target.low > 0 {
                key.target.low = target.low - 1
                #expect(!range.contains(key.encoded))
            }
        }
    }

    @Test func `a range from a key on begins with that key`() {
        let key = HintKey(target: node(3), slice: 4, createdMicros: 9, sequence: 2)
        let range = HintKeys.range(of: node(3), from: key.encoded)
        #expect(range.contains(key.encoded))
        let behind = HintKeys.range(of: node(3), from: HintKeys.behind(key.encoded))
        #expect(!behind.contains(key.encoded))
        var next = key
        next.sequence += 1
        #expect(behind.contains(next.encoded))
        #expect(HintKeys.range(of: node(3), from: nil) == HintKeys.range(of: node(3)))
        #expect(range.upper == HintKeys.range(of: node(3)).upper)
    }

    @Test func `a slice begins behind the last key of the one before`() {
        let start = HintKeys.start(of: node(3), slice: 5)
        let last = HintKey(target: node(3), slice: 4, createdMicros: .max, sequence: .max)
        let first = HintKey(target: node(3), slice: 5, createdMicros: 0, sequence: 0)
        #expect(last.encoded.precedes(start))
        #expect(start == first.encoded)
    }
}
