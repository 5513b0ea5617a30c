import CQL
import Catalog
import Testing

struct SystemSelectTests {
    /// keyspace_name, table_name, comment.
    static let rows: [[[UInt8]?]] = [
        [utf8("ml"), utf8("movies"), utf8("m")], [utf8("ml"), utf8("users"), nil],
        [utf8("k"), utf8("movies"), utf8("")],
    ]

    private func texts(_ rows: [[[UInt8]?]]) -> [[String?]] {
        rows.map { $0.map { $0.map { String(decoding: $0, as: UTF8.self) } } }
    }

    static let cases: [(String, [MarkerValue], [[String?]])] = [
        (
            "SELECT * FROM system_schema.tables", [],
            [["ml", "movies", "m"], ["ml", "users", nil], ["k", "movies", ""]]
        ),
        (
            "SELECT table_name AS t FROM system_schema.tables WHERE keyspace_name = 'ml'", [],
            [["movies"], ["users"]]
        ),
        (
            "SELECT comment FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?",
            [.value(utf8("k")), .value(utf8("movies"))], [[""]]
        ),
        (
            "SELECT keyspace_name FROM system_schema.tables WHERE table_name IN ('movies', 'x') "
                + "ALLOW FILTERING",
            [], [["ml"], ["k"]]
        ),
        (
            "SELECT keyspace_name, comment, comment FROM system_schema.tables WHERE table_name IN ?",
            [.value(list([utf8("users")]))], [["ml", nil, nil]]
        ),
        ("SELECT table_name FROM system_schema.tables WHERE comment = 'm'", [], [["movies"]]),
        (
            "SELECT table_name FROM system_schema.tables LIMIT ?", [.value(int(2))],
            [["movies"], ["users"]]
        ),
        ("SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'no'", [], []),
    ]

    @Test(arguments: cases)
    func `conditions, columns and limits are evaluated`(
        _ cql: String,
        _ values: [MarkerValue],
        _ expected: [[String?]]
    ) throws {
        let world = try World.movies()
        let plan = try world.system(cql)
        #expect(texts(try plan.evaluate(rows: Self.rows, values: values)) == expected)
    }

    @Test func `count counts what the conditions leave`() throws {
        let world = World()
        let plan = try world.system(
            "SELECT count(*) FROM system_schema.tables WHERE keyspace_name = 'ml'"
        )
        #expect(try plan.evaluate(rows: Self.rows) == [[bigint(2)]])
        #expect(plan.resultColumns == [ResultColumn(name: "count", type: .bigint)])
        #expect(try plan.evaluate(rows: []) == [[bigint(0)]])
    }

    @Test func `the statements of drivers and cqlsh are planned`() throws {
        var world = World()
        for cql in [
            "SELECT * FROM system.local WHERE key='local'", "SELECT * FROM system.local",
            "select * from system.local where key = 'local'", "SELECT * FROM system_schema.tables",
            "SELECT * FROM system_schema.tables WHERE keyspace_name = 'x' AND table_name = 't'",
        ] {
            let plan = try world.plan(cql)
            #expect(plan.markers.isEmpty)
            #expect(!plan.resultColumns.isEmpty)
            #expect(plan.partitionKeyMarkers == nil)
        }
        world.keyspace = "system"
        let plan = try world.plan("SELECT host_id, tokens FROM local WHERE key = ?")
        #expect(
            plan.markers == [
                Marker(name: "key", type: .text, subject: "column key of system.local")
            ]
        )
        #expect(plan.resultColumns.map(\.type) == [.uuid, .set(.text)])
        #expect(plan.table?.keyspace == "system")
    }

    @Test func `a set is compared as a whole`() throws {
        let world = World()
        let plan = try world.system("SELECT key FROM system.local WHERE tokens = {'2', '1'}")
        let tokens = list([utf8("1"), utf8("2")])
        let row = [utf8("local"), nil, nil, tokens]
        #expect(try plan.evaluate(rows: [row]) == [[utf8("local")]])
        #expect(try plan.evaluate(rows: [[utf8("local")]]).isEmpty)
    }

    static let refused: [(String, [String])] = [
        ("SELECT * FROM system.nope", ["system.nope does not exist"]),
        ("SELECT nope FROM system.local", ["Undefined column name nope"]),
        ("SELECT * FROM system.local WHERE nope = 1", ["Undefined column name nope"]),
        ("SELECT * FROM system.local WHERE key > 'a'", ["range key"]),
        ("SELECT * FROM system.local WHERE key = 1", ["key of system.local", "text"]),
        ("SELECT * FROM system.local WHERE tokens CONTAINS 'a'", ["CONTAINS"]),
        ("SELECT token(key) FROM system.local", ["token(key)"]),
        ("SELECT ml.ranker(1) FROM system.local", ["ml.ranker(1)"]),
        ("SELECT count(*), key FROM system.local", ["count(*) beside"]),
        ("SELECT DISTINCT key FROM system.local", ["DISTINCT"]),
        ("SELECT * FROM system.local ORDER BY key", ["ORDER BY"]),
    ]

    @Test(arguments: refused)
    func `what system tables cannot answer is refused`(_ cql: String, _ words: [String]) throws {
        let world = World()
        expectRefusal(refusal { try world.plan(cql) }, "invalid", words, cql)
    }

    @Test func `wrong values are refused`() throws {
        let world = World()
        let plan = try world.system(
            "SELECT * FROM system.local WHERE key = ? AND host_id IN ? LIMIT ?"
        )
        let id = MarkerValue.value(list([Array(repeating: 1, count: 16)]))
        let cases: [([MarkerValue], String)] = [
            ([], "3 bind markers"), ([.null, id, .value(int(1))], "null"),
            ([.value([0xFF]), id, .value(int(1))], "UTF-8"),
            ([.value([1]), .value(list([[1]])), .value(int(1))], "uuid"),
            ([.value([1]), .null, .value(int(1))], "null"),
            ([.value([1]), id, .value(int(0))], "strictly positive"),
        ]
        for (values, word) in cases {
            expectRefusal(
                refusal { try plan.evaluate(rows: [], values: values) },
                "invalid",
                [word],
                word
            )
        }
    }
}
