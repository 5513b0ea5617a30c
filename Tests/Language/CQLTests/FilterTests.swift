import CQL
import Catalog
import PeerMessages
import Storage
import Testing
import TokenPlacement

struct FilterTests {
    /// Whether a row of ml.types with this literal in a column meets a condition.
    private func accepts(
        _ condition: String,
        _ column: String,
        _ literal: String,
        _ values: [MarkerValue] = []
    ) throws -> Bool {
        let world = try World.movies()
        let mutation = try world.write(
            "INSERT INTO ml.types (k, \(column)) VALUES ('key', \(literal))"
        )
        .bind(defaultTimestampMicros: 1, nowSeconds: 1)
        let select = try world.select(
            "SELECT k FROM ml.types WHERE \(condition) ALLOW FILTERING"
        )
        let filter = try #require(try select.bind(values).filter)
        var ranges: [Range<Int>?] = []
        _ = try RowView(validating: mutation.operand)
            .locate(columns: select.readColumns, nowSeconds: 1, into: &ranges)
        return filter.accepts(row: mutation.operand, ranges: ranges, key: utf8("key"))
    }

    /// A column, and values that stand in this order.
    static let ordered: [(String, [String])] = [
        ("a", ["''", "'a'", "'ab'", "'b'"]), ("t", ["'Z'", "'a'", "'ä'", "'ä1'"]),
        ("bl", ["0x", "0x00", "0x7f", "0x80", "0xff01"]), ("bo", ["false", "true"]),
        ("ti", ["-128", "-1", "0", "127"]), ("si", ["-32768", "-1", "0", "256"]),
        ("i", ["-2147483648", "-1", "0", "1", "2147483647"]),
        ("bi", ["-9223372036854775808", "-1", "0", "4294967296"]),
        ("f", ["-Infinity", "-1.5", "-0.0", "0.0", "1e-9", "3.5", "Infinity", "NaN"]),
        ("d", ["-Infinity", "-1.5", "-0.0", "0.0", "1e-300", "3.5", "Infinity", "NaN"]),
        ("ts", ["'1969-12-31'", "0", "'2026-01-01T00:00:00Z'"]),
        ("ip", ["'1.2.3.4'", "'128.0.0.1'"]),
        // By time, whose low bits stand first, then by signed bytes.
        (
            "tu",
            [
                "ffffffff-0000-1000-8000-000000000000", "00000000-0001-1000-8000-000000000000",
                "00000000-0001-1000-8000-000000000001", "00000000-0000-1001-8000-000000000000",
                "00000000-0000-1001-0000-000000000000",
            ]
        ),
    ]

    @Test(arguments: ordered)
    func `values are compared by their type`(_ column: String, _ literals: [String]) throws {
        for (left, value) in literals.enumerated() {
            for (right, bound) in literals.enumerated() {
                for (sign, expected) in [
                    ("=", left == right), ("<", left < right), ("<=", left <= right),
                    (">", left > right), (">=", left >= right),
                ] {
                    #expect(
                        try accepts("\(column) \(sign) \(bound)", column, value) == expected,
                        "\(value) \(sign) \(bound)"
                    )
                }
            }
        }
    }

    @Test func `IN and = compare any type`() throws {
        #expect(try accepts("i IN (1, 2)", "i", "2"))
        #expect(try !accepts("i IN (1, 3)", "i", "2"))
        #expect(try !accepts("i IN ()", "i", "2"))
        #expect(try accepts("i IN ?", "i", "2", [.value(list([int(9), int(2)]))]))
        #expect(try !accepts("i IN ?", "i", "2", [.value(list([]))]))
        #expect(try accepts("v = [1, 2, 3]", "v", "[1, 2, 3]"))
        #expect(try !accepts("v = [1, 2, 4]", "v", "[1, 2, 3]"))
        let uuid = "123e4567-e89b-12d3-a456-426614174000"
        #expect(try accepts("u = \(uuid)", "u", uuid))
        #expect(try accepts("i > ?", "i", "2", [.value(int(1))]))
    }

    @Test func `null meets no condition`() throws {
        for condition in ["i = 0", "i < 1", "i >= 0", "i IN (0)"] {
            #expect(try !accepts(condition, "t", "'x'"), "\(condition)")
            #expect(try !accepts(condition, "i", "null"), "\(condition)")
        }
    }

    @Test func `all conditions must hold, those on keys too`() throws {
        #expect(try accepts("i > 1 AND i < 3 AND k >= 'ke'", "i", "2"))
        #expect(try !accepts("i > 1 AND i < 3 AND k >= 'kez'", "i", "2"))
        #expect(try !accepts("i > 1 AND i < 2", "i", "2"))
        let world = try World.movies()
        let select = try world.select(
            "SELECT v FROM ml.pairs WHERE b = ? AND w > 1.5 AND token(a, b) > 0 ALLOW FILTERING"
        )
        #expect(select.markers.map(\.name) == ["b"])
        #expect(select.readColumns == [world.id("v", of: "pairs"), world.id("w", of: "pairs")])
        #expect(select.outputs.map(\.source) == [.column(place: 0)])
        let bound = try select.bind([.value(utf8("x"))])
        #expect(bound.ranges == [Token(1)...Token(.max)])
        let filter = try #require(bound.filter)
        let row = float(2)
        func key(_ text: String) throws -> [UInt8] {
            try PartitionKeyCoding.encode([int(1), utf8(text)])
        }
        #expect(try filter.accepts(row: row, ranges: [nil, 0..<4], key: key("x")))
        #expect(try !filter.accepts(row: row, ranges: [nil, 0..<4], key: key("y")))
        #expect(try !filter.accepts(row: row, ranges: [0..<4, nil], key: key("x")))
        // What is no row or key of the table is not accepted, and never traps.
        #expect(try !filter.accepts(row: row, ranges: [nil, 0..<5], key: key("x")))
        #expect(try !filter.accepts(row: row, ranges: [nil, 0..<3], key: key("x")))
        #expect(try !filter.accepts(row: row, ranges: [], key: key("x")))
        #expect(!filter.accepts(row: row, ranges: [nil, 0..<4], key: [0]))
    }

    @Test func `a SELECT by keys is filtered too`() throws {
        let world = try World.movies()
        let select = try world.select(
            "SELECT title FROM ml.movies WHERE movie_id IN ? AND popularity > 1 ALLOW FILTERING"
        )
        #expect(!select.isScan)
        let bound = try select.bind([.value(list([int(1), int(2)]))])
        #expect(bound.partitions.count == 2)
        #expect(bound.filter != nil)
        let none = try world.select(
            "SELECT title FROM ml.movies WHERE movie_id = 1 ALLOW FILTERING"
        )
        #expect(try none.bind().filter == nil)
    }

    static let refused: [(String, [String])] = [
        ("title = 'x'", ["title", "ALLOW FILTERING"]),
        ("movie_id > 1", ["range movie_id", "ALLOW FILTERING"]),
        ("genres > [1] ALLOW FILTERING", ["> on column genres", "= or IN"]),
        ("title CONTAINS 'x' ALLOW FILTERING", ["CONTAINS"]),
        ("title LIKE 'x' ALLOW FILTERING", ["LIKE"]),
        ("title != 'x' ALLOW FILTERING", ["!="]),
        ("title = 1 ALLOW FILTERING", ["title", "text"]),
        ("nope = 1 ALLOW FILTERING", ["Undefined column name nope"]),
    ]

    @Test(arguments: refused)
    func `a condition that cannot be is refused by name`(
        _ relation: String,
        _ words: [String]
    ) throws {
        let cql = "SELECT title FROM ml.movies WHERE \(relation)"
        let world = try World.movies()
        expectRefusal(refusal { try world.plan(cql) }, "invalid", words, cql)
    }

    @Test func `wrong values of conditions are refused`() throws {
        let world = try World.movies()
        let cases: [(String, MarkerValue, String)] = [
            ("i > ?", .null, "null"), ("i > ?", .unset, "unset"), ("i = ?", .null, "null"),
            ("i IN ?", .null, "null"), ("i IN (1, ?)", .unset, "unset"),
            ("i IN ?", .value([0, 0, 0, 9]), "list<int>"),
            ("i IN ?", .value(list([[1]])), "4 bytes expected"), ("i > ?", .value([1]), "int"),
        ]
        for (condition, value, word) in cases {
            let select = try world.select(
                "SELECT k FROM ml.types WHERE \(condition) ALLOW FILTERING"
            )
            expectRefusal(refusal { try select.bind([value]) }, "invalid", [word], condition)
        }
    }
}
