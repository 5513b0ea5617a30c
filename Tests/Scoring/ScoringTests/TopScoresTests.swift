import Scoring
import Testing

@Suite struct TopScoresTests {
    private struct Row: Equatable {
        let score: Float?
        let key: [UInt8]
    }

    private func expected(_ rows: [Row], limit: Int, order: ScoreOrder) -> [[UInt8]] {
        rows.sorted { left, right in
            switch (left.score, right.score) {
            case (let first?, let second?) where first != second:
                return order == .ascending ? first < second : first > second
            case (_?, nil): return true
            case (nil, _?): return false
            default: return left.key.lexicographicallyPrecedes(right.key)
            }
        }.prefix(limit).map(\.key)
    }

    private func selection(
        _ rows: some Sequence<Row>,
        limit: Int,
        order: ScoreOrder
    ) -> TopScores<Int> {
        var top = TopScores<Int>(limit: limit, order: order)
        for (index, row) in rows.enumerated() {
            top.offer(score: row.score, key: row.key, payload: index)
        }
        return top
    }

    private func randomRows(_ count: Int, _ generator: inout SeededGenerator) -> [Row] {
        (0..<count).map { index in
            let pick = Int.random(in: 0..<8, using: &generator)
            // Few different scores make many ties; the key ends in the index and is unique.
            let score: Float? = pick == 0 ? nil : Float(pick - 4)
            let first = UInt8.random(in: 0...255, using: &generator)
            return Row(score: score, key: [first, UInt8(index >> 8), UInt8(index & 255)])
        }
    }

    @Test func `it selects and orders as a sort does`() {
        var generator = SeededGenerator(state: 1)
        for count in [0, 1, 2, 7, 100, 300] {
            let rows = randomRows(count, &generator)
            for limit in [0, 1, 3, 10, 100, 1000] {
                for order in [ScoreOrder.ascending, .descending] {
                    let top = selection(rows, limit: limit, order: order)
                    #expect(
                        top.sorted().map(\.key) == expected(rows, limit: limit, order: order),
                        "\(count) rows, limit \(limit), \(order)"
                    )
                    for entry in top.sorted() {
                        #expect(rows[entry.payload] == Row(score: entry.score, key: entry.key))
                    }
                }
            }
        }
    }

    @Test func `merged parts are the selection of the whole`() {
        var generator = SeededGenerator(state: 2)
        for _ in 0..<50 {
            let rows = randomRows(Int.random(in: 0..<200, using: &generator), &generator)
            let limit = Int.random(in: 0..<20, using: &generator)
            let order: ScoreOrder = Bool.random(using: &generator) ? .ascending : .descending
            var parts: [[Row]] = [[], [], []]
            for row in rows { parts[Int.random(in: 0..<3, using: &generator)].append(row) }
            let merged = TopScores.merge(
                parts.map { selection($0, limit: limit, order: order) },
                limit: limit,
                order: order
            )
            #expect(
                merged.sorted().map(\.key) == expected(rows, limit: limit, order: order)
            )
        }
    }

    @Test func `nulls and what is no number stand last in both directions`() {
        for order in [ScoreOrder.ascending, .descending] {
            let rows = [
                Row(score: nil, key: [2]), Row(score: 1, key: [3]), Row(score: .nan, key: [1]),
            ]
            let top = selection(rows, limit: 3, order: order)
            #expect(top.sorted().map(\.key) == [[3], [1], [2]])
            #expect(top.sorted().map(\.score) == [1, nil, nil])
        }
    }

    @Test func `ties are broken by unsigned bytes, and both zeros are one score`() {
        let rows = [
            Row(score: 0, key: [0x80]), Row(score: -0.0, key: [0x7F]),
            Row(score: 0, key: [0x7F, 0]),
        ]
        let top = selection(rows, limit: 2, order: .descending)
        #expect(top.sorted().map(\.key) == [[0x7F], [0x7F, 0]])
    }

    @Test func `the key of a row that is clearly worse is never asked for`() {
        var top = TopScores<Int>(limit: 1, order: .descending)
        var asked = 0
        for score in [Float(5), 4, 3, 6] {
            top.offer(
                score: score,
                key: {
                    asked += 1
                    return [0]
                }(),
                payload: 0
            )
        }
        #expect(asked == 2)
        #expect(top.count == 1)
    }
}
