import Catalog
import PeerMessages
import Replication
import Testing
import TokenPlacement

/// The marks that make up for hints that were lost.
struct LostHintsTests {
    private let table = replicatedTable(TableID(3), owners: [1, 2, 3, 1], factor: 2)
    private let alone = replicatedTable(TableID(5), owners: [1, 2, 1, 2], factor: 1)

    @Test func `every replica of every slice may lack them, but a single one`() {
        var lost = LostHints(nowSeconds: 70)
        let marks = lost.nextMarks([alone, table])
        let expected = (0..<4).flatMap { slice in
            table.replicas(ofSlice: slice).map {
                DirtyMark(table: table.id, slice: slice, target: $0, sinceSeconds: 70)
            }
        }
        #expect(expected.count == 8)
        #expect(marks == expected)
        #expect(lost.nextMarks([alone, table]).isEmpty)
    }

    @Test func `many slices are marked in steps, each once`() {
        let tables = (1...5).map {
            replicatedTable(
                TableID($0),
                owners: (0..<256).map { $0 % 3 + 1 },
                factor: 3
            )
        }
        var lost = LostHints(nowSeconds: 70)
        var marks: [DirtyMark] = []
        var steps = 0
        while true {
            let step = lost.nextMarks(tables)
            guard !step.isEmpty else { break }
            #expect(step.count <= LostHints.slicesMax * 3)
            marks += step
            steps += 1
        }
        #expect(steps == 5 * 256 / LostHints.slicesMax)
        #expect(marks.count == 5 * 256 * 3)
        #expect(Set(marks).count == marks.count)
    }

    @Test func `they are remembered over a restart, and marked from the first slice again`() {
        var lost = LostHints(nowSeconds: 70)
        let marks = lost.nextMarks([table])
        var restored = LostHints(value: lost.value)
        #expect(restored.nextMarks([table]) == marks)
        var broken = LostHints(value: [1])
        #expect(broken.nextMarks([table]).map(\.slice) == marks.map(\.slice))
    }
}
