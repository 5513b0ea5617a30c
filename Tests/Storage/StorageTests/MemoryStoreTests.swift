import Catalog
import Storage
import Testing

@Suite struct MemoryStoreTests {
    @Test func `writes merge into their rows, and keys come in order`() throws {
        var random = SeededGenerator(seed: 51)
        var generator = RowGenerator(seed: 52)
        var store = MemoryStore()
        var expected: [[UInt8]: [[UInt8]]] = [:]
        for _ in 0..<200 {
            let writes = (0..<random.below(5)).map { _ in
                (key: random.bytes(atMost: 2).map { $0 % 4 }, operand: generator.row().encoded())
            }
            store.apply(writes)
            for write in writes { expected[write.key, default: []].append(write.operand) }
        }
        #expect(store.count == expected.count)
        for (key, operands) in expected { #expect(store.read(key) == RowMerge.merge(operands)) }
        #expect(store.read([9]) == nil)
        let keys = expected.keys.sorted { $0.lexicographicallyPrecedes($1) }
        #expect(store.rows(in: .all).map(\.key) == keys)
        let range = KeyRange(lower: [1], upper: [2, 1])
        #expect(
            store.rows(in: range).map(\.key)
                == keys.filter { range.contains($0) }
        )
        #expect(store.rows(in: KeyRange(lower: [2], upper: [1])).isEmpty)
    }

    @Test func `a broken operand makes its row an error, not the store`() {
        var store = MemoryStore()
        store.apply([(key: [1], operand: [42]), (key: [2], operand: rowOfCell(1, .live([1])))])
        #expect(throws: RowFormatError.damaged(operands: 1)) {
            try RowView(validating: try #require(store.read([1])))
        }
        #expect(store.read([2]) == rowOfCell(1, .live([1])))
    }
}
