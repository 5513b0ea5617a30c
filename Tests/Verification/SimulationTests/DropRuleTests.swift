import Catalog
import Replication
import Simulation
import Testing

struct DropRuleTests {
    private func slices(_ numbers: ClosedRange<Int>) -> [SliceID] {
        numbers.map { SliceID(TableID(1), $0) }
    }

    @Test func `what is damaged may go, and nothing beside it`() {
        var rule = DropRule()
        let damaged = Set(slices(2...4))
        #expect(rule.willDrop(slices(2...4), on: 0, isDamaged: damaged.contains).isEmpty)
        #expect(rule.willDrop(slices(3...3), on: 0, isDamaged: damaged.contains).isEmpty)
        let wide = rule.willDrop(slices(0...5), on: 0, isDamaged: damaged.contains)
        #expect(wide == slices(0...1) + slices(5...5))
    }

    @Test func `what was dropped may not go once more`() {
        var rule = DropRule()
        _ = rule.willDrop(slices(2...4), on: 0) { _ in true }
        #expect(rule.willDrop(slices(3...3), on: 0) { _ in false } == slices(3...3))
        // Nor in the next life, which finds it rebuilt.
        rule.nodeStarted(0, purging: [])
        #expect(rule.willDrop(slices(3...3), on: 0) { _ in false } == slices(3...3))
    }

    @Test func `what a crash left half purged may go once more`() {
        var rule = DropRule()
        _ = rule.willDrop(slices(2...4), on: 0) { _ in true }
        rule.nodeStarted(1, purging: Set(slices(2...4)))
        #expect(rule.willDrop(slices(2...2), on: 1) { _ in false } == slices(2...2))
        // Also if it crashes again before it does so; what it never began to drop must be damaged.
        rule.nodeStarted(0, purging: Set(slices(3...6)))
        rule.nodeStarted(0, purging: Set(slices(3...6)))
        #expect(rule.willDrop(slices(2...5), on: 0) { _ in false } == slices(2...2) + slices(5...5))
        #expect(rule.willDrop(slices(3...3), on: 0) { _ in false } == slices(3...3))
    }
}
