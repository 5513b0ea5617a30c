import Catalog
import Storage
import Testing

@Suite struct RowViewTests {
    private func view(_ build: (inout RowBuilder) -> Void, ttl: Int32 = 0) throws -> RowView {
        var builder = RowBuilder(
            timestamp: at(10),
            expiry: Expiry(timeToLiveSeconds: ttl, nowSeconds: 100)
        )
        build(&builder)
        return try RowView(validating: builder.encoded())
    }

    @Test func `a row with a marker exists without cells`() throws {
        let view = try view({ $0.insertMarker() }, ttl: 50)
        var ranges: [Range<Int>?] = []
        #expect(view.locate(columns: [column(1)], nowSeconds: 149, into: &ranges))
        #expect(ranges == [nil])
        #expect(!view.locate(columns: [column(1)], nowSeconds: 150, into: &ranges))
    }

    @Test func `without a marker a row exists as long as a cell does, selected or not`() throws {
        let view = try view({ $0.set(column(2), to: [7]) }, ttl: 50)
        var ranges: [Range<Int>?] = []
        #expect(view.locate(columns: [column(1), column(3)], nowSeconds: 149, into: &ranges))
        #expect(ranges == [nil, nil])
        #expect(!view.locate(columns: [column(2)], nowSeconds: 150, into: &ranges))
        #expect(ranges == [nil])
        #expect(!view.locate(columns: [], nowSeconds: 150, into: &ranges))
    }

    @Test func `columns are found as ranges of the bytes, asked for twice too`() throws {
        let view = try view { builder in
            builder.set(column(1), to: [])
            builder.set(column(4), to: [4, 4])
            builder.delete(column(5), deletionSeconds: 100)
            builder.set(column(6), to: [6])
        }
        var ranges: [Range<Int>?] = [0..<0, 1..<9]
        let columns = [0, 1, 4, 4, 5, 6, 9].map { column($0) }
        #expect(view.locate(columns: columns, nowSeconds: 0, into: &ranges))
        #expect(
            ranges.map { $0.map { Array(view.bytes[$0]) } }
                == [nil, [], [4, 4], [4, 4], nil, [6], nil]
        )
    }

    @Test func `live elements come in the order of their keys`() throws {
        let view = try view { builder in
            builder.set(column(3), element: [2], to: [22])
            builder.set(column(3), element: [1], to: [11])
            builder.delete(column(3), element: [0], deletionSeconds: 5)
            builder.clearCollection(column(3), deletionSeconds: 5)
            builder.set(column(4), element: [9], to: [99])
        }
        var seen: [[UInt8]] = []
        view.forEachLiveElement(of: column(3), nowSeconds: 0) { path, value in
            seen.append(Array(view.bytes[path]) + Array(view.bytes[value]))
        }
        #expect(seen == [[1, 11], [2, 22]])
        var kinds: [RowEntry.Kind] = []
        view.forEachEntry { kinds.append($0.kind) }
        #expect(kinds == [.collectionDeletion, .deleted, .live, .live, .live])
        var cells = 0
        view.forEachCell { _ in cells += 1 }
        #expect(cells == 4)
    }

    @Test func `elements expire one by one`() throws {
        let row = Row(
            cells: [(UInt8(1), Int64(100)), (2, 101)].map { key, seconds in
                Cell(
                    column: column(3),
                    path: [key],
                    timestamp: at(1),
                    content: expiring([key], at: seconds)
                )
            }
        )
        let view = try RowView(validating: row.encoded())
        for (now, expected) in [(Int64(99), [1, 2]), (100, [2]), (101, [])] {
            var seen: [Int] = []
            view.forEachLiveElement(of: column(3), nowSeconds: now) { path, _ in
                seen.append(Int(view.bytes[path.lowerBound]))
            }
            #expect(seen == expected, "second \(now)")
            var ranges: [Range<Int>?] = []
            #expect(
                view.locate(columns: [column(3)], nowSeconds: now, into: &ranges)
                    == !expected.isEmpty
            )
            #expect(ranges == [nil], "a collection is not one value")
        }
    }

    @Test func `an expired cell does not bring back an older value`() throws {
        let merged = RowMerge.merge([
            rowOfCell(1, .live([1])), rowOfCell(2, expiring([2], at: 100)),
        ])
        let view = try RowView(validating: merged)
        var ranges: [Range<Int>?] = []
        #expect(view.locate(columns: [column(1)], nowSeconds: 99, into: &ranges))
        #expect(ranges[0].map { Array(merged[$0]) } == [2])
        #expect(!view.locate(columns: [column(1)], nowSeconds: 100, into: &ranges))
        #expect(ranges == [nil])
    }

    @Test func `what is found agrees with the naive model`() throws {
        var generator = RowGenerator(seed: 21)
        var ranges: [Range<Int>?] = []
        let columns = [0, 1, 2, 7, 8, 9, 300, UInt32.max].map { column($0) }
        for round in 0..<3000 {
            let rows = (0...generator.random.below(4)).map { _ in generator.row() }
            let bytes = RowMerge.merge(rows.map { $0.encoded() })
            let view = try RowView(validating: bytes)
            let model = RowModel(rows)
            let now = generator.seconds()
            let isLive = view.locate(columns: columns, nowSeconds: now, into: &ranges)
            #expect(isLive == model.exists(nowSeconds: now), "round \(round)")
            let expected = columns.map { column in
                model.liveValue(.init(column: column.value, path: nil), nowSeconds: now)
            }
            #expect(ranges.map { $0.map { Array(bytes[$0]) } } == expected, "round \(round)")
        }
    }
}
