import Catalog
import Testing

/// Lists, sets and maps in the native protocol's encoding.
@Suite struct CollectionCodingTests {
    @Test func `the bytes are those of the specification`() {
        #expect(CollectionCoding.encode([[UInt8]]()) == [0, 0, 0, 0])
        #expect(
            CollectionCoding.encode([[0xAA], [], [1, 2]])
                == [0, 0, 0, 3, 0, 0, 0, 1, 0xAA, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2]
        )
        #expect(
            CollectionCoding.encode([(key: [7] as [UInt8], value: [8, 9] as [UInt8])])
                == [0, 0, 0, 1, 0, 0, 0, 1, 7, 0, 0, 0, 2, 8, 9]
        )
    }

    @Test(arguments: [0, 1, 2, 17, 1000])
    func `what was encoded comes back`(count: Int) {
        let elements = (0..<count).map {
            [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: $0 % 5)
        }
        #expect(CollectionCoding.elements(of: CollectionCoding.encode(elements)) == elements)
        let pairs = elements.map { (key: $0, value: Array($0.reversed()) + [1]) }
        #expect(
            CollectionCoding.elements(of: CollectionCoding.encode(pairs), partCount: 2)
                == pairs.flatMap { [$0.key, $0.value] }
        )
    }

    @Test func `the count must be that of the elements`() {
        var bytes = CollectionCoding.encode([[1], [2], [3], [4]])
        for count in [0, 1, 2, 3, 5, 8] as [UInt8] {
            bytes[3] = count
            #expect(CollectionCoding.elements(of: bytes) == nil)
            #expect((CollectionCoding.elements(of: bytes, partCount: 2) != nil) == (count == 2))
        }
        #expect(CollectionCoding.elements(of: [0xFF, 0xFF, 0xFF, 0xFF]) == nil)
        #expect(CollectionCoding.elements(of: [0x7F, 0xFF, 0xFF, 0xFF]) == nil)
        #expect(CollectionCoding.elements(of: [0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]) == nil)
    }

    @Test func `cut bytes are no collection`() {
        let bytes = CollectionCoding.encode([[1, 2, 3], [], [4]])
        for length in 0..<bytes.count {
            #expect(CollectionCoding.elements(of: Array(bytes[..<length])) == nil)
        }
        #expect(CollectionCoding.elements(of: bytes + [0]) == nil)
    }

    @Test func `noise is refused or read as what encodes to it`() {
        var state: UInt64 = 42
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        var readCount = 0
        for _ in 0..<20_000 {
            // Mostly zeros, so that lengths and counts are small often enough to be right.
            let bytes = (0..<Int(next() % 24)).map { _ in next() % 4 == 0 ? UInt8(next() % 3) : 0 }
            guard let elements = CollectionCoding.elements(of: bytes) else { continue }
            readCount += 1
            #expect(CollectionCoding.encode(elements) == bytes)
        }
        #expect(readCount > 100)
    }
}
