import Catalog
import Storage
import Testing

@Suite struct RowMergeTests {
    private func cell(_ bytes: [UInt8]) throws -> Cell? { try Row(decoding: bytes).cells.first }

    /// Merges two cells both ways, which must agree, and gives what won.
    private func winner(
        _ left: (Int64, Cell.Content),
        _ right: (Int64, Cell.Content)
    ) throws -> Cell.Content? {
        let rows = [rowOfCell(left.0, left.1), rowOfCell(right.0, right.1)]
        let merged = RowMerge.merge(rows)
        #expect(merged == RowMerge.merge(rows.reversed()))
        return try cell(merged)?.content
    }

    @Test func `the greater timestamp wins, whatever the cells are`() throws {
        let contents: [Cell.Content] = [
            .live([9]), expiring([9], at: 100), .expired(atSeconds: 100),
            .deleted(deletionSeconds: 100),
        ]
        for older in contents {
            for newer in contents {
                #expect(try winner((1, older), (2, newer)) == newer)
            }
        }
    }

    @Test func `at one timestamp a tombstone beats expiring, expiring beats live`() throws {
        let tombstone = Cell.Content.deleted(deletionSeconds: 1)
        #expect(try winner((1, tombstone), (1, expiring([9], at: 100))) == tombstone)
        #expect(try winner((1, tombstone), (1, .live([9]))) == tombstone)
        #expect(try winner((1, tombstone), (1, .expired(atSeconds: 100))) == tombstone)
        let cell = expiring([1], at: 5)
        #expect(try winner((1, cell), (1, .live([9]))) == cell)
        #expect(
            try winner((1, .expired(atSeconds: 5)), (1, .live([9]))) == .expired(atSeconds: 5)
        )
    }

    @Test func `then the later second wins, then the greater value, then the shorter life`() throws
    {
        let later = Cell.Content.deleted(deletionSeconds: 8)
        #expect(try winner((1, .deleted(deletionSeconds: 7)), (1, later)) == later)
        let longer = expiring([0], at: 101)
        #expect(try winner((1, expiring([9], at: 100)), (1, longer)) == longer)
        #expect(try winner((1, .live([0x7F])), (1, .live([0x80]))) == .live([0x80]))
        #expect(try winner((1, .live([1])), (1, .live([1, 0]))) == .live([1, 0]))
        let greater = expiring([2], at: 100, ttl: 9)
        #expect(try winner((1, expiring([1], at: 100, ttl: 1)), (1, greater)) == greater)
        let shorter = expiring([2], at: 100, ttl: 3)
        #expect(try winner((1, shorter), (1, greater)) == shorter)
    }

    @Test func `a swept cell loses to one of the same timestamp that expires later`() throws {
        // A repeated import with a time to live: same event time, later expiry. A replica that
        // missed the second import and swept the first must not delete what the second wrote.
        let second = expiring([1], at: 200)
        #expect(try winner((1, .expired(atSeconds: 100)), (1, second)) == second)
        #expect(
            try winner((1, .expired(atSeconds: 100)), (1, expiring([1], at: 100)))
                == .expired(atSeconds: 100)
        )
    }

    @Test func `a row deletion covers up to its timestamp and stays`() throws {
        var delete = RowBuilder(timestamp: at(10))
        delete.deleteRow(deletionSeconds: 77)
        var insert = RowBuilder(timestamp: at(10))
        insert.insertMarker()
        insert.set(column(1), to: [1])
        insert.set(column(2), element: [1], to: [])
        insert.clearCollection(column(2), deletionSeconds: 77)
        #expect(RowMerge.merge([insert.encoded(), delete.encoded()]) == delete.encoded())

        var later = RowBuilder(timestamp: at(11))
        later.set(column(1), to: [2])
        let merged = RowMerge.merge([later.encoded(), insert.encoded(), delete.encoded()])
        let row = try Row(decoding: merged)
        #expect(row.marker == nil)
        #expect(row.deletion == Deletion(timestamp: at(10), deletionSeconds: 77))
        #expect(row.cells.map(\.content) == [.live([2])])
        // What comes late is covered by the deletion that stayed.
        #expect(RowMerge.merge([merged, insert.encoded()]) == merged)
    }

    @Test func `assigning a collection keeps its own elements only`() throws {
        var first = RowBuilder(timestamp: at(10))
        first.set(column(3), element: [1], to: [11])
        first.set(column(4), element: [1], to: [44])
        var assign = RowBuilder(timestamp: at(20))
        assign.clearCollection(column(3), deletionSeconds: 5)
        assign.set(column(3), element: [2], to: [22])
        var late = RowBuilder(timestamp: at(19))
        late.set(column(3), element: [3], to: [33])
        var delete = RowBuilder(timestamp: at(20))
        delete.deleteCollection(column(3), deletionSeconds: 6)

        let assigned = RowMerge.merge([late.encoded(), assign.encoded(), first.encoded()])
        #expect(try Row(decoding: assigned).cells.map(\.path) == [[2], [1]])
        let deleted = RowMerge.merge([assigned, delete.encoded()])
        #expect(try Row(decoding: deleted).cells.map(\.content) == [.live([44])])
    }

    @Test func `markers merge by timestamp, then expiring before permanent, then the later`() throws
    {
        func merged(_ markers: RowMarker...) throws -> RowMarker? {
            let rows = markers.map { Row(marker: $0).encoded() }
            #expect(RowMerge.merge(rows) == RowMerge.merge(rows.reversed()))
            return try Row(decoding: RowMerge.merge(rows)).marker
        }
        let permanent = RowMarker(timestamp: at(1))
        let short = RowMarker(
            timestamp: at(1),
            expiry: Expiry(atSeconds: 10, timeToLiveSeconds: 10)
        )
        let long = RowMarker(
            timestamp: at(1),
            expiry: Expiry(atSeconds: 20, timeToLiveSeconds: 20)
        )
        #expect(try merged(permanent, short) == short)
        #expect(try merged(long, short, permanent) == long)
        #expect(try merged(long, RowMarker(timestamp: at(2))) == RowMarker(timestamp: at(2)))
    }

    @Test func `merging agrees with the naive model`() throws {
        var generator = RowGenerator(seed: 1)
        for round in 0..<4000 {
            let count = round % 50 == 0 ? 40 : 1 + generator.random.below(5)
            let rows = (0..<count).map { _ in generator.row() }
            let merged = try Row(decoding: RowMerge.merge(rows.map { $0.encoded() }))
            #expect(RowModel([merged]) == RowModel(rows), "round \(round)")
            #expect(merged.cells.count == RowModel(rows).cells.count, "round \(round)")
        }
    }

    @Test func `order and grouping do not matter, for broken operands neither`() {
        var generator = RowGenerator(seed: 2)
        for round in 0..<3000 {
            let count = 1 + generator.random.below(round % 20 == 0 ? 40 : 6)
            let operands = (0..<count).map { _ in generator.operand(brokenPercent: 10) }
            let expected = RowMerge.merge(operands)
            #expect(RowMerge.merge(operands.shuffled(using: &generator.random)) == expected)
            #expect(RowMerge.merge(operands + operands) == expected, "round \(round)")
            #expect(RowMerge.merge([expected]) == expected, "round \(round)")
            #expect(RowMerge.merge([expected, expected]) == expected, "round \(round)")
            #expect(RowMerge.merge([expected, RowMerge.emptyRow]) == expected, "round \(round)")

            var rest = operands.shuffled(using: &generator.random)
            while rest.count > 1 {
                let size = 1 + generator.random.below(rest.count)
                let part = RowMerge.merge(Array(rest.prefix(size)))
                rest.removeFirst(size)
                rest.insert(part, at: generator.random.below(rest.count + 1))
                if size == 1 { rest = [RowMerge.merge(rest)] }
            }
            #expect(RowMerge.merge(rest) == expected, "round \(round)")
        }
    }

    @Test func `nothing merges to the empty row`() throws {
        #expect(RowMerge.merge([[UInt8]]()) == RowMerge.emptyRow)
        #expect(try Row(decoding: RowMerge.emptyRow) == Row())
        #expect(Row().encoded() == RowMerge.emptyRow)
    }

    @Test func `a thousand elements written one by one end in one row`() throws {
        var operands: [[UInt8]] = []
        for index in 0..<1000 {
            var write = RowBuilder(timestamp: at(Int64(index)))
            write.set(column(5), element: [UInt8(index >> 8), UInt8(index & 0xFF)], to: [])
            operands.append(write.encoded())
        }
        var generator = SeededGenerator(seed: 3)
        let merged = try Row(decoding: RowMerge.merge(operands.shuffled(using: &generator)))
        #expect(merged.cells.count == 1000)
        #expect(merged.cells.map(\.timestamp.microseconds) == Array(0..<1000))
    }
}
