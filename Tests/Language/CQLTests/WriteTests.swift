import CQL
import Catalog
import PeerMessages
import Storage
import Testing

struct WriteTests {
    @Test func `INSERT writes a marker and cells, null deletes, unset leaves alone`() throws {
        let world = try World.movies()
        let cql =
            "INSERT INTO ml.movies (title, movie_id, popularity, genres) VALUES (?, ?, ?, null)"
        let plan = try world.plan(cql)
        #expect(plan.markers.map(\.name) == ["title", "movie_id", "popularity"])
        #expect(plan.markers.map(\.type) == [.text, .int, .float])
        #expect(plan.partitionKeyMarkers == [1])
        #expect(plan.resultColumns.isEmpty)
        let write = try world.write(cql)
        let mutation = try write.bind(
            [.value(utf8("Heat")), .value(int(6)), .unset],
            defaultTimestampMicros: 1000,
            nowSeconds: 50
        )
        #expect(mutation.table == world.state.table("ml", "movies")?.id)
        #expect(mutation.partition == PartitionRef(key: int(6)))
        let row = try Row(decoding: mutation.operand)
        #expect(row.marker == RowMarker(timestamp: WriteTimestamp(1000)))
        #expect(row.deletion == nil)
        #expect(
            Set(row.cells) == [
                Cell(
                    column: world.id("title", of: "movies"),
                    timestamp: WriteTimestamp(1000),
                    content: .live(utf8("Heat"))
                ),
                Cell(
                    column: world.id("genres", of: "movies"),
                    timestamp: WriteTimestamp(1000),
                    content: .deleted(deletionSeconds: 50)
                ),
            ]
        )
    }

    @Test func `UPDATE writes cells and no marker`() throws {
        let world = try World.movies()
        let cql = "UPDATE ml.pairs USING TTL 0 SET v = ?, w = null WHERE a = ? AND b = ?"
        let plan = try world.plan(cql)
        #expect(plan.markers.map(\.name) == ["v", "a", "b"])
        #expect(plan.partitionKeyMarkers == [1, 2])
        let row = try world.row(cql, [.value(float(2)), .value(int(1)), .value(utf8("x"))])
        #expect(row.marker == nil)
        #expect(row.cells.map(\.content) == [.live(float(2)), .deleted(deletionSeconds: 50)])
    }

    @Test func `DELETE deletes a row or columns`() throws {
        let world = try World.movies()
        let row = try world.row("DELETE FROM ml.pairs WHERE a = 1 AND b = 'x'")
        #expect(
            row
                == Row(
                    deletion: Deletion(timestamp: WriteTimestamp(1000), deletionSeconds: 50)
                )
        )
        let columns = try world.row(
            "DELETE w, v FROM ml.pairs USING TIMESTAMP 7 WHERE a = 1 AND b = 'x'"
        )
        #expect(columns.deletion == nil)
        #expect(columns.cells.map(\.timestamp.microseconds) == [7, 7])
        #expect(
            columns.cells.map(\.content) == [
                .deleted(deletionSeconds: 50), .deleted(deletionSeconds: 50),
            ]
        )
    }

    @Test func `times to live and timestamps come from the text, a marker, or the table`() throws {
        let world = try World.movies()
        let insert = "INSERT INTO ml.pairs (a, b, v) VALUES (1, 'x', 1)"
        let hundred = Expiry(atSeconds: 150, timeToLiveSeconds: 100)
        let seven = Expiry(atSeconds: 57, timeToLiveSeconds: 7)
        let cases: [(String, [MarkerValue], Int64, Expiry?)] = [
            (insert, [], 1000, hundred),
            (insert + " USING TTL 7", [], 1000, seven),
            (insert + " USING TTL 0", [], 1000, nil),
            (
                insert + " USING TTL ? AND TIMESTAMP ?", [.value(int(7)), .value(bigint(-9))], -9,
                seven
            ),
            (insert + " USING TIMESTAMP ? AND TTL ?", [.unset, .unset], 1000, hundred),
            (insert + " USING TTL ?", [.null], 1000, nil),
            (insert + " USING TIMESTAMP 5", [], 5, hundred),
            ("UPDATE ml.pairs SET v = 1 WHERE a = 1 AND b = 'x'", [], 1000, hundred),
            ("UPDATE ml.movies SET popularity = 1 WHERE movie_id = 1", [], 1000, nil),
        ]
        for (cql, values, timestamp, expiry) in cases {
            let row = try world.row(cql, values)
            let cell = try #require(row.cells.first)
            #expect(cell.timestamp.microseconds == timestamp, "\(cql)")
            let expected: Cell.Content = expiry.map { .expiring(float(1), $0) } ?? .live(float(1))
            #expect(cell.content == expected, "\(cql)")
            if cql.hasPrefix("INSERT") { #expect(row.marker?.expiry == expiry, "\(cql)") }
        }
        let plan = try world.plan(insert + " USING TTL ? AND TIMESTAMP ?")
        #expect(plan.markers.map(\.name) == ["[ttl]", "[timestamp]"])
        #expect(plan.markers.map(\.type) == [.int, .bigint])
        let longest = try world.row(insert + " USING TTL 630720000")
        #expect(longest.marker?.expiry?.atSeconds == 630_720_050)
    }

    static let badBindings: [(String, [MarkerValue], [String])] = [
        ("USING TTL -1", [], ["TTL", "-1"]),
        ("USING TTL 630720001", [], ["630720001", "630720000"]),
        ("USING TTL ?", [.value(int(-2))], ["TTL", "-2"]),
        ("USING TTL ?", [.value(bigint(1))], ["TTL takes int", "8 given"]),
        ("USING TIMESTAMP ?", [.null], ["null", "timestamp"]),
        ("USING TIMESTAMP -9223372036854775808", [], ["Out of bound timestamp"]),
        ("USING TIMESTAMP ?", [.value(int(1))], ["TIMESTAMP takes bigint"]),
        ("", [.null], ["0 bind markers, 1"]),
    ]

    @Test(arguments: badBindings)
    func `a wrong option is refused`(
        _ options: String,
        _ values: [MarkerValue],
        _ words: [String]
    ) throws {
        let world = try World.movies()
        let cql = "INSERT INTO ml.pairs (a, b, v) VALUES (1, 'x', 1) \(options)"
        expectRefusal(refusal { try world.row(cql, values) }, "invalid", words, cql)
    }

    @Test func `a key without a value is refused`() throws {
        let world = try World.movies()
        let cql = "INSERT INTO ml.types (k, i) VALUES (?, ?)"
        let cases: [([MarkerValue], [String])] = [
            ([.null, .null], ["null", "k of ml.types"]),
            ([.unset, .null], ["unset", "k of ml.types"]),
            ([.value([]), .null], ["empty", "k of ml.types"]),
            ([.value([0xFF]), .null], ["k of ml.types", "UTF-8"]),
            ([.value(Array(repeating: 97, count: 65_536)), .null], ["65536", "65535"]),
            ([.value([97]), .value([1, 2, 3])], ["column i of ml.types takes int", "3 given"]),
            ([.value([97])], ["2 bind markers, 1"]),
        ]
        for (values, words) in cases {
            expectRefusal(
                refusal { try world.row(cql, values) },
                "invalid",
                words,
                "\(values.count)"
            )
        }
        expectRefusal(
            refusal {
                try world.write("INSERT INTO ml.types (k) VALUES ('x')").bind(
                    defaultTimestampMicros: .min,
                    nowSeconds: 0
                )
            },
            "invalid",
            ["Out of bound timestamp"],
            "default timestamp"
        )
    }

    static let refused: [(String, [String])] = [
        ("INSERT INTO ml.movies (movie_id, title) VALUES (1)", ["2 columns, 1 values"]),
        ("INSERT INTO ml.movies (movie_id, movie_id) VALUES (1, 1)", ["duplicates", "movie_id"]),
        ("INSERT INTO ml.movies (movie_id, nope) VALUES (1, 1)", ["Undefined column name nope"]),
        ("INSERT INTO ml.pairs (a, v) VALUES (1, 1)", ["key parts are missing: b"]),
        ("INSERT INTO ml.nope (a) VALUES (1)", ["ml.nope does not exist"]),
        (
            "INSERT INTO ml.movies (movie_id) VALUES (1) IF NOT EXISTS",
            ["IF NOT EXISTS", "lightweight"]
        ),
        ("INSERT INTO ml.movies (movie_id, title) VALUES (1, now())", ["now()", "title"]),
        ("INSERT INTO ml.movies (movie_id, title) VALUES (uuid(), 'x')", ["uuid()", "movie_id"]),
        ("INSERT INTO ml.movies (movie_id, title) VALUES (1, 2)", ["title", "text", "2"]),
        (
            "INSERT INTO ml.movies (movie_id, genres) VALUES (1, [1, 2])",
            ["genres", "vector<float, 20>", "2 floats"]
        ),
        ("INSERT INTO ml.movies JSON '{}'", ["INSERT JSON is not supported"]),
        ("INSERT INTO system.local (key) VALUES ('x')", ["system is not user-modifiable"]),
        ("INSERT INTO system_auth.roles (key) VALUES ('x')", ["not user-modifiable"]),
        ("UPDATE ml.movies SET movie_id = 2 WHERE movie_id = 1", ["PRIMARY KEY part movie_id"]),
        (
            "UPDATE ml.movies SET title = 'a', title = 'b' WHERE movie_id = 1",
            ["Multiple assignments", "title"]
        ),
        (
            "UPDATE ml.movies SET popularity = popularity + 1 WHERE movie_id = 1",
            ["popularity", "relative"]
        ),
        ("UPDATE ml.movies SET title['x'] = 'y' WHERE movie_id = 1", ["title", "in part"]),
        ("UPDATE ml.movies SET title = 'x' WHERE movie_id IN (1, 2)", ["IN", "an UPDATE"]),
        ("UPDATE ml.movies SET title = 'x' WHERE movie_id IN ?", ["IN", "an UPDATE"]),
        ("UPDATE ml.movies SET title = 'x' WHERE title = 'y'", ["title", "partition key"]),
        ("UPDATE ml.pairs SET v = 1 WHERE a = 1", ["full partition key", "lacks b"]),
        ("UPDATE ml.movies SET title = 'x' WHERE movie_id = 1 IF EXISTS", ["IF EXISTS"]),
        (
            "UPDATE ml.movies SET title = 'x' WHERE movie_id = 1 IF title = 'y'",
            ["IF in a write", "lightweight"]
        ),
        ("DELETE movie_id FROM ml.movies WHERE movie_id = 1", ["PRIMARY KEY part"]),
        ("DELETE title['x'] FROM ml.movies WHERE movie_id = 1", ["element", "title"]),
        ("DELETE FROM ml.movies WHERE movie_id > 1", ["range"]),
        ("DELETE FROM ml.movies WHERE movie_id = 1 IF EXISTS", ["IF EXISTS"]),
        ("TRUNCATE ml.movies", ["TRUNCATE is not supported"]),
    ]

    @Test(arguments: refused)
    func `a write that is not supported is refused by name`(
        _ cql: String,
        _ words: [String]
    ) throws {
        let world = try World.movies()
        expectRefusal(refusal { try world.plan(cql) }, "invalid", words, cql)
    }

    @Test func `Feast's write needs a table without clustering`() throws {
        var world = try World.movies()
        let create = """
            CREATE TABLE IF NOT EXISTS "ml"."proj_fv" (entity_key TEXT, feature_name TEXT, value BLOB,
            event_ts TIMESTAMP, created_ts TIMESTAMP, PRIMARY KEY (%)) %;
            """
        let feast = create.replacing("(%)", with: "((entity_key), feature_name)")
            .replacing("%", with: "WITH CLUSTERING ORDER BY (feature_name ASC)")
        expectRefusal(
            refusal { try world.plan(feast) },
            "invalid",
            ["clustering key (feature_name)", "partition key", "one row per entity"],
            feast
        )
        try world.run(
            create.replacing("(%)", with: "((entity_key, feature_name))").replacing("%", with: "")
        )
        let insert = """
            INSERT INTO "ml"."proj_fv" (feature_name, value, entity_key, event_ts) VALUES (?, ?, ?, ?)
            """
        #expect(try world.plan(insert).partitionKeyMarkers == [2, 0])
        let row = try world.row(
            insert,
            [.value(utf8("f")), .value([1]), .value(utf8("e")), .value(bigint(1))]
        )
        #expect(row.cells.count == 2)
        try world.run("DROP TABLE IF EXISTS \"ml\".\"proj_fv\"")
    }
}
