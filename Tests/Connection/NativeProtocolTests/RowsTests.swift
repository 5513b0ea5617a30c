import Catalog
import NativeProtocol
import Testing

struct RowsTests {
    private func rows(_ bytes: [UInt8]) throws -> RowsResult {
        guard case .rows(let rows) = try response(bytes).response else {
            throw ProtocolError("not rows")
        }
        return rows
    }

    @Test func `rows have the bytes of the specification`() {
        let columns = [
            ColumnSpecification(keyspace: "k", table: "t", name: "i", type: .int),
            ColumnSpecification(keyspace: "k", table: "t", name: "s", type: .text),
        ]
        let metadata = RowsMetadata(columns: columns, pagingState: [0x50])
        #expect(
            Samples.rows(metadata)
                == hex(
                    """
                    84 00 000C 08 0000003D 00000002 00000003 00000002 00000001 50
                    0001 6B 0001 74 0001 69 0009 0001 73 000D 00000002
                    00000004 0000002A FFFFFFFF 00000000 00000004 74657874
                    """
                )
        )
        #expect(
            Samples.rows(metadata.withoutColumns)
                == hex(
                    """
                    84 00 000C 08 0000002D 00000002 00000006 00000002 00000001 50 00000002
                    00000004 0000002A FFFFFFFF 00000000 00000004 74657874
                    """
                )
        )
    }

    @Test func `a client finds every cell where it lies`() throws {
        for metadata in [
            RowsMetadata(columns: Samples.mixedColumns), RowsMetadata(columnCount: 2),
            RowsMetadata(columns: Array(Samples.columns[..<2]), pagingState: []),
        ] {
            let bytes = Samples.rows(metadata, extras: Samples.extras)
            let rows = try rows(bytes)
            #expect(rows.metadata == metadata)
            #expect(rows.rowCount == 2)
            #expect(rows[row: 0, column: 0].map { Array($0) } == [0, 0, 0, 42])
            #expect(rows[row: 0, column: 1] == nil && rows.isNull(row: 0, column: 1))
            #expect(rows[row: 1, column: 0]?.isEmpty == true && !rows.isNull(row: 1, column: 0))
            #expect(rows.withCell(row: 1, column: 1) { $0.map { Array($0) } } == Array("text".utf8))
            #expect(rows.withCell(row: 0, column: 1) { $0 == nil })
            let again = Response.rows(rows).encode(stream: 12, extras: Samples.extras)
            #expect(again == bytes)
        }
    }

    @Test func `a writer keeps no cell behind its limit, and says so`() {
        func writer(_ byteCountMax: Int) -> RowsWriter {
            RowsWriter(
                stream: 1,
                metadata: RowsMetadata(columnCount: 1),
                rowsByteCapacity: 1 << 40,
                byteCountMax: byteCountMax
            )
        }
        let empty = writer(1000).byteCount
        var exact = writer(empty + 4 + 100 + 4)
        exact.appendCell([UInt8](repeating: 7, count: 100))
        exact.appendNull()
        #expect(!exact.isOverLimit)
        #expect(exact.rowCount == 2)
        #expect(exact.byteCount == empty + 108)
        exact.appendNull()
        #expect(exact.isOverLimit)
        var small = writer(empty + 4 + 99)
        for _ in 0..<1000 { small.appendCell([UInt8](repeating: 7, count: 100)) }
        small.appendNull()
        #expect(small.isOverLimit)
        #expect(small.byteCount == empty, "not even a small cell behind one that was left out")
    }

    @Test func `every type survives both ways`() throws {
        let metadata = RowsMetadata(columns: Samples.columns)
        let bytes = RowsWriter(stream: 1, metadata: metadata).finish()
        let rows = try rows(bytes)
        #expect(rows.metadata == metadata && rows.rowCount == 0)
    }

    @Test func `the writer counts rows and bytes`() {
        var writer = RowsWriter(stream: 1, metadata: RowsMetadata(columnCount: 2))
        let empty = writer.byteCount
        writer.appendCell([1])
        #expect(writer.rowCount == 0)
        writer.appendNull()
        #expect(writer.rowCount == 1 && writer.byteCount == empty + 9)
        #expect(writer.finish().count == empty + 9)
    }

    @Test func `a paging state that is known at the end stands where it would have stood`() throws {
        for metadata in [
            RowsMetadata(columns: Samples.mixedColumns), RowsMetadata(columnCount: 2),
        ] {
            for state: [UInt8] in [[], [0x50], Array(repeating: 7, count: 300)] {
                var told = metadata
                told.pagingState = state
                var writer = RowsWriter(stream: 12, metadata: metadata, extras: Samples.extras)
                for cell: [UInt8] in [[0, 0, 0, 42], [1], [], [2]] { writer.appendCell(cell) }
                let late = writer.finish(pagingState: state)
                var early = RowsWriter(stream: 12, metadata: told, extras: Samples.extras)
                for cell: [UInt8] in [[0, 0, 0, 42], [1], [], [2]] { early.appendCell(cell) }
                #expect(late == early.finish())
                let rows = try rows(late)
                #expect(rows.metadata == told && rows.rowCount == 2)
            }
        }
    }

    @Test func `a page of many rows is read back whole`() throws {
        var writer = RowsWriter(
            stream: 1,
            metadata: RowsMetadata(columnCount: 3),
            rowsByteCapacity: 15 * 10_000
        )
        for row in 0..<10_000 {
            writer.appendCell([UInt8(row & 0xFF)])
            writer.appendNull()
            writer.appendCell([UInt8(row >> 8), 7])
        }
        let rows = try rows(writer.finish())
        #expect(rows.rowCount == 10_000)
        for row in 0..<10_000 {
            #expect(rows[row: row, column: 0]?.first == UInt8(row & 0xFF))
            #expect(rows[row: row, column: 2]?.first == UInt8(row >> 8))
        }
    }

    @Test func `rows cut at any byte are an error`() throws {
        let bytes = Samples.rows(RowsMetadata(columns: Samples.mixedColumns, pagingState: [1]))
        var whole = try #require(frame(bytes, role: .client))
        let body = whole.body
        for end in body.indices {
            whole.body = Array(body[..<end])
            #expect(throws: ProtocolError.self) { try ResponseMessage(decoding: whole) }
        }
    }

    @Test func `rows with damaged bytes never trap`() throws {
        let bytes = Samples.rows(RowsMetadata(columns: Samples.mixedColumns, pagingState: [1]))
        var damaged = try #require(frame(bytes, role: .client))
        let body = damaged.body
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<5000 {
            damaged.body = body
            let index = Int.random(in: body.indices, using: &generator)
            damaged.body[index] = UInt8.random(in: 0...255, using: &generator)
            guard let decoded = try? ResponseMessage(decoding: damaged),
                case .rows(let rows) = decoded.response
            else { continue }
            for row in 0..<rows.rowCount {
                for column in 0..<rows.metadata.columnCount { _ = rows[row: row, column: column] }
            }
        }
    }

    @Test(arguments: [
        ("00000004 00000001 7FFFFFFF", "number of cells"),
        ("00000004 0000FFFF 7FFFFFFF", "number of cells"),
        ("00000004 00000000 00000001", "without columns"),
        ("00000004 00000001 FFFFFFFF", "number of rows: -1"),
        ("00000004 FFFFFFFF 00000000", "number of columns: -1"),
        ("00000004 00010000 00000000", "65536, the limit is 65535"),
        ("00000000 0000FFFF 00000000", "number of columns"),
        ("00000010 00000001 00000000", "flags of the metadata: 0x00000010"),
        ("00000004 00000001 00000001 7FFFFFFF", "truncated cell"),
        ("00000000 00000001 0000 0000 0000 0099", "0x0099"),
        ("00000001 00000001 0000 0000 0000 \(String(repeating: "0020", count: 18))", "depth"),
    ]) func `hostile metadata and counts are refused`(body: String, expected: String) {
        let frame = Frame(stream: 1, opcode: .result, body: hex("00000002" + body))
        let error = #expect(throws: ProtocolError.self) { try ResponseMessage(decoding: frame) }
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
    }

    @Test func `types of other servers are named and their cells readable`() throws {
        let columns = [
            ("0006", "decimal"), ("0020 0005", "list<counter>"),
            ("0031 0002 0009 000E", "tuple<int, varint>"),
            ("0021 000D 0011", "map<text, date>"), ("0000 0001 58", "X"),
            ("0030 0001 6B 0001 75 0001 0001 66 0009", "k.u"),
        ]
        for (type, name) in columns {
            let text = "00000002 00000001 00000001 0000 0000 0000 \(type) 00000001 00000001 07"
            let frame = Frame(stream: 1, opcode: .result, body: hex(text))
            guard case .rows(let rows) = try ResponseMessage(decoding: frame).response else {
                Issue.record("not rows")
                continue
            }
            #expect(rows.metadata.columns?[0].type == .foreign(name))
            #expect(rows[row: 0, column: 0].map { Array($0) } == [7])
        }
    }

    @Test func `a vector's class may have other spaces, and a bad one is foreign`() throws {
        let head = "org.apache.cassandra.db.marshal.VectorType("
        let float = "org.apache.cassandra.db.marshal.FloatType"
        for (name, expected) in [
            (head + float + ",3)", ColumnType.cql(.vector(dimension: 3))),
            (head + float + " , 3)", .cql(.vector(dimension: 3))),
            (head + float + ", 0)", .foreign(head + float + ", 0)")),
            (head + float + ", 99999)", .foreign(head + float + ", 99999)")),
            (head + float + ", x)", .foreign(head + float + ", x)")),
            (head + "Int, 3)", .foreign(head + "Int, 3)")),
        ] {
            let column = ColumnSpecification(
                keyspace: "",
                table: "",
                name: "v",
                columnType: .foreign(name)
            )
            let bytes = RowsWriter(stream: 1, metadata: RowsMetadata(columns: [column])).finish()
            #expect(try rows(bytes).metadata.columns?[0].type == expected)
        }
    }
}
