import AdminCommands
import Foundation
import Martlet
import Testing

/// How the rows of a file become rows of a table.
struct ImportPlanTests {
    private let columns: [ImportPlan.TableColumn] = [
        .init("id", "int", isKey: true), .init("title", "text"), .init("v", "vector<float, 2>"),
    ]

    private func record(_ fields: CSVRecord.Field...) -> CSVRecord {
        CSVRecord(fields: fields, line: 7, nextLine: 8, endOffset: 100)
    }

    @Test func `the header decides which columns are written`() throws {
        let plan = try ImportPlan(table: "ml.t", header: ["v", "id"], columns: columns)
        #expect(plan.insert == "INSERT INTO ml.t (v, id) VALUES (?, ?)")
        let row = try plan.row(record(.init("[1, -0.5]", isQuoted: true), .init("3")))
        #expect(row.values == [.vector([1, -0.5]), .integer(3)])
        #expect(row.timestamp == nil)
    }

    @Test func `names that need quotes get them`() throws {
        let plan = try ImportPlan(
            table: "ml.t",
            header: ["Id"],
            columns: [.init("Id", "int", isKey: true)]
        )
        #expect(plan.insert == "INSERT INTO ml.t (\"Id\") VALUES (?)")
    }

    @Test func `the timestamp column need not be in the table`() throws {
        for (unit, expected) in [
            (TimestampUnit.seconds, 5_000_000), (.milliseconds, 5000), (.microseconds, 5),
        ] {
            let plan = try ImportPlan(
                table: "ml.t",
                header: ["id", "at"],
                columns: columns,
                timestampColumn: "at",
                timestampUnit: unit
            )
            let row = try plan.row(record(.init("3"), .init("5")))
            #expect(row.values == [.integer(3)])
            #expect(row.timestamp == Int64(expected))
        }
    }

    @Test func `an empty field is null, a quoted one is an empty text`() throws {
        let plan = try ImportPlan(table: "ml.t", header: ["id", "title"], columns: columns)
        #expect(try plan.row(record(.init("1"), .init(""))).values == [.integer(1), .null])
        let quoted = try plan.row(record(.init("1"), .init("", isQuoted: true)))
        #expect(quoted.values == [.integer(1), .text("")])
        let named = try ImportPlan(
            table: "ml.t",
            header: ["id", "title"],
            columns: columns,
            null: "NULL"
        )
        #expect(try named.row(record(.init("1"), .init("NULL"))).values[1] == .null)
        #expect(try named.row(record(.init("1"), .init(""))).values[1] == .text(""))
    }

    @Test(arguments: [
        (["id", "other"], nil, "no column 'other'"),
        (["title"], nil, "'id', which is in the table's key"),
        (["id", "id"], nil, "named twice"),
        (["id"], "at", "no column 'at' for the timestamps"),
    ])
    func `a header that does not fit is refused`(
        _ header: [String],
        _ timestampColumn: String?,
        _ part: String
    ) throws {
        let error = #expect(throws: RowRejection.self) {
            try ImportPlan(
                table: "ml.t",
                header: header,
                columns: columns,
                timestampColumn: timestampColumn
            )
        }
        #expect(error?.line == 1)
        #expect(error?.problem.contains(part) == true)
    }

    @Test(arguments: [
        (["x", "a", "[1, 2]"], "'x' is no int"),
        (["99999999999", "a", "[1, 2]"], "2147483647"),
        (["1", "a", "[1]"], "2 numbers are needed, 1 are given"),
        (["1", "a", "1, 2"], "JSON array"),
        (["1", "a", "[1, z]"], "'z' is no number"),
        (["", "a", "[1, 2]"], "key column 'id' is null"),
        (["1", "a"], "2 fields, the header has 3"),
    ])
    func `a bad row is told with its line`(_ fields: [String], _ part: String) throws {
        let plan = try ImportPlan(table: "ml.t", header: ["id", "title", "v"], columns: columns)
        var bad = record()
        bad.fields = fields.map { CSVRecord.Field($0) }
        let error = #expect(throws: RowRejection.self) { try plan.row(bad) }
        #expect(error?.line == 7)
        #expect(error?.problem.contains(part) == true, "\(error?.problem ?? "none")")
    }

    @Test func `a timestamp over the range is refused`() throws {
        let plan = try ImportPlan(
            table: "ml.t",
            header: ["id", "at"],
            columns: columns,
            timestampColumn: "at",
            timestampUnit: .seconds
        )
        for text in ["9223372036854775", "soon", ""] where text != "9223372036854775" {
            #expect(throws: RowRejection.self) { try plan.row(record(.init("1"), .init(text))) }
        }
        let error = #expect(throws: RowRejection.self) {
            try plan.row(record(.init("1"), .init("9223372036854775")))
        }
        #expect(error?.problem.contains("unit") == true)
    }

    @Test(arguments: [
        ("boolean", "true", CQLValue.boolean(true)),
        ("tinyint", "-128", .integer(-128)),
        ("bigint", "9223372036854775807", .integer(.max)),
        ("float", "0.25", .float(0.25)),
        ("double", "1e-3", .double(0.001)),
        ("text", " as it is ", .text(" as it is ")),
        ("blob", "0x00ff", .blob([0, 255])),
        ("timestamp", "1700000000123", .integer(1_700_000_000_123)),
        ("timestamp", "1970-01-01T00:00:01Z", .timestamp(Date(timeIntervalSince1970: 1))),
        ("list<int>", "[1, 2]", .list([.integer(1), .integer(2)])),
        ("set<text>", "[\"a,b\", \"c\"]", .list([.text("a,b"), .text("c")])),
        ("vector<float, 1>", "[ 1e2 ]", .vector([100])),
        ("list<int>", "[]", .list([])),
    ])
    func `texts become values of their type`(
        _ type: String,
        _ text: String,
        _ value: CQLValue
    ) throws {
        let parser = try #require(TextValueParser(type: type))
        #expect(try parser.value(text) == value)
    }

    @Test func `types that no text is read for are refused by name`() throws {
        let error = #expect(throws: RowRejection.self) {
            try ImportPlan(
                table: "ml.t",
                header: ["m"],
                columns: [.init("m", "map<int, int>", isKey: true)]
            )
        }
        #expect(error?.problem.contains("map<int, int>") == true)
    }
}
