import Catalog
import Replication
import Storage
import Testing
import TokenPlacement

/// Looking through a slice for damage.
struct DamageSearchTests {
    private let range = RowKey.sliceRange(table: testTable, tokens: tokens(0...9_999))

    private func store(_ rows: [(token: Int64, row: [UInt8])]) throws -> ModelBackend {
        let store = ModelBackend()
        var writes = StoreWrites()
        for (token, row) in rows { writes.merge(row, into: storeKey(partition(token))) }
        try store.write([writes], synced: true)
        return store
    }

    private func search(
        _ store: ModelBackend
    ) throws -> (finding: DamageSearch.Finding, steps: Int) {
        var search = DamageSearch(range)
        for step in 1...1_000 {
            if let finding = try search.step(in: store) { return (finding, step) }
        }
        Issue.record("the search comes to no end")
        return (.sound, 0)
    }

    @Test func `a sound slice is read page by page`() throws {
        let sound = try store((0..<2_500).map { (Int64($0), versionRow(1)) })
        let (finding, steps) = try search(sound)
        #expect(finding == .sound)
        #expect(steps == 3)
        let empty = try search(store([]))
        #expect(empty.finding == .sound)
        #expect(empty.steps == 1)
    }

    @Test func `a damaged block is found with the range that it spoils`() throws {
        let damaged = try store((0..<2_500).map { (Int64($0), versionRow(1)) })
        let spoiled = RowKey.sliceRange(table: testTable, tokens: tokens(2_000...2_100))
        damaged.damage(spoiled)
        #expect(try search(damaged).finding == .damaged(spoiled))
    }

    @Test func `a row that cannot be decoded is damage`() throws {
        for row in [[99], RowMerge.merge([[42], versionRow(1)])] as [[UInt8]] {
            let damaged = try store([(1, versionRow(1)), (2, row), (3, versionRow(1))])
            #expect(try search(damaged).finding == .damaged(nil))
        }
    }
}
