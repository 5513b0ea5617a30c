import CQL
import Catalog
import PeerMessages
import Testing
import TokenPlacement

struct SelectTests {
    @Test func `a star selects all columns, the key from the key`() throws {
        let world = try World.movies()
        let plan = try world.plan("SELECT * FROM ml.users WHERE user_id = ?")
        let select = try world.select("SELECT * FROM ml.users WHERE user_id = ?")
        #expect(plan.resultColumns.map(\.name) == ["user_id", "embedding", "mean_rating"])
        #expect(plan.resultColumns.map(\.type) == [.int, .vector(dimension: 64), .float])
        #expect(
            select.outputs.map(\.source)
                == [.partitionKey(component: 0), .column(place: 0), .column(place: 1)]
        )
        #expect(
            select.readColumns
                == [world.id("embedding", of: "users"), world.id("mean_rating", of: "users")]
        )
        #expect(plan.markers.map(\.name) == ["user_id"])
        #expect(plan.markers.map(\.type) == [.int])
        #expect(plan.partitionKeyMarkers == [0])
        #expect(plan.table?.keyspace == "ml")
        #expect(plan.table?.name == "users")
        #expect(plan.schemaVersion == world.state.schemaVersion)
    }

    @Test func `columns are read once, in the order of their ids`() throws {
        let world = try World.movies()
        let plan = try world.select(
            "SELECT w, v AS first, a, w AS again, token(a, b), writetime(v), ttl(w) AS left "
                + "FROM ml.pairs WHERE b = 'x' AND a = 1"
        )
        #expect(plan.readColumns == [world.id("v", of: "pairs"), world.id("w", of: "pairs")])
        #expect(
            plan.outputs.map(\.source) == [
                .column(place: 1), .column(place: 0), .partitionKey(component: 0),
                .column(place: 1), .token, .writetime(world.id("v", of: "pairs")),
                .ttl(world.id("w", of: "pairs")),
            ]
        )
        #expect(
            plan.outputs.map(\.column.name)
                == ["w", "first", "a", "again", "system.token(a, b)", "writetime(v)", "left"]
        )
        #expect(
            plan.outputs.map(\.column.type)
                == [.float, .float, .int, .float, .bigint, .bigint, .int]
        )
        #expect(plan.readsCells)
        #expect(!plan.isCount)
    }

    @Test func `count is one bigint`() throws {
        let world = try World.movies()
        for text in ["count(*)", "COUNT(1)"] {
            let plan = try world.select("SELECT \(text) FROM ml.users WHERE user_id IN (1, 2)")
            #expect(plan.isCount)
            #expect(plan.outputs.map(\.column) == [ResultColumn(name: "count", type: .bigint)])
        }
        let named = try world.plan("SELECT count(*) AS n FROM ml.users WHERE user_id = 1")
        #expect(named.resultColumns == [ResultColumn(name: "n", type: .bigint)])
    }

    @Test func `markers bear Cassandra's names and types`() throws {
        var world = try World.movies()
        world.keyspace = "ml"
        let plan = try world.plan("SELECT v FROM pairs WHERE a IN ? AND b = :name LIMIT ?")
        #expect(plan.markers.map(\.name) == ["in(a)", "name", "[limit]"])
        #expect(plan.markers.map(\.type) == [.list(.int), .text, .int])
        #expect(plan.partitionKeyMarkers == nil)
        let composite = try world.plan("SELECT v FROM pairs WHERE b = ? AND a = ?")
        #expect(composite.partitionKeyMarkers == [1, 0])
        #expect(
            try world.plan("SELECT v FROM pairs WHERE b = ? AND a = 1").partitionKeyMarkers == nil
        )
    }

    @Test func `keys are bound, each once, in the order of first appearance`() throws {
        let world = try World.movies()
        let plan = try world.select("SELECT title FROM ml.movies WHERE movie_id IN ?")
        let bound = try plan.bind([.value(list([3, 1, 3, 2, 1].map { int($0) }))])
        #expect(bound.partitions == [3, 1, 2].map { PartitionRef(key: int($0)) })
        #expect(bound.limit == nil)
        #expect(bound.score == nil)
        #expect(try plan.bind([.value(list([]))]).partitions.isEmpty)
        let texts = try world.select(
            "SELECT title FROM ml.movies WHERE movie_id IN (7, ?, 7) LIMIT 2 ALLOW FILTERING"
        )
        let second = try texts.bind([.value(int(8))])
        #expect(second.partitions.map(\.key) == [int(7), int(8)])
        #expect(second.limit == 2)
    }

    @Test func `IN on several components names their product`() throws {
        let world = try World.movies()
        let plan = try world.select("SELECT v, a, b FROM ml.pairs WHERE a IN (1, 2) AND b IN ?")
        let bound = try plan.bind([.value(list([utf8("x"), utf8("yy")]))])
        let keys = bound.partitions.map(\.key)
        #expect(
            keys.first == [0, 4, 0, 0, 0, 1, 0, 0, 1, UInt8(ascii: "x"), 0]
        )
        let values = keys.map { key in
            (0..<2).map { plan.keyRange(component: $0, of: key).map { Array(key[$0]) } }
        }
        #expect(
            values == [
                [int(1), utf8("x")], [int(1), utf8("yy")], [int(2), utf8("x")],
                [int(2), utf8("yy")],
            ]
        )
        #expect(plan.keyRange(component: 2, of: keys[0]) == nil)
        #expect(plan.keyRange(component: 0, of: [0, 9, 1]) == nil)
    }

    @Test func `too many keys are refused before they are made`() throws {
        let world = try World.movies()
        let plan = try world.select("SELECT title FROM ml.movies WHERE movie_id IN ?")
        let most = list((0..<10_000).map { int($0) })
        #expect(try plan.bind([.value(most)]).partitions.count == 10_000)
        let over = list((0..<10_001).map { int($0) })
        expectRefusal(
            refusal { try plan.bind([.value(over)]) },
            "invalid",
            ["10001", "10000"],
            "10,001 keys"
        )
        let product = try world.select("SELECT v FROM ml.pairs WHERE a IN ? AND b IN ?")
        let hundred = (0..<101).map { int($0) }
        expectRefusal(
            refusal {
                try product.bind([
                    .value(list(hundred)), .value(list((0..<100).map { utf8("\($0)") })),
                ])
            },
            "invalid",
            ["10100", "10000"],
            "101 x 100 keys"
        )
        expectRefusal(
            refusal { try plan.bind([.value(list([int(1), int(2)]))], keyCountMax: 1) },
            "invalid",
            ["names 2 keys", "limit is 1"],
            "own bound"
        )
        // A list that claims two thousand million elements.
        expectRefusal(
            refusal { try plan.bind([.value([0x7F, 0xFF, 0xFF, 0xFF])]) },
            "invalid",
            ["2147483647"],
            "huge count"
        )
    }

    static let badValues: [(String, [MarkerValue], [String])] = [
        ("movie_id = ?", [], ["1 bind markers, 0 values"]),
        ("movie_id = ?", [.value(int(1)), .value(int(1))], ["1 bind markers, 2 values"]),
        ("movie_id = ?", [.null], ["null", "movie_id"]),
        ("movie_id = ?", [.unset], ["unset", "movie_id"]),
        ("movie_id = ?", [.value([1, 2])], ["movie_id", "int", "4 bytes expected, 2 given"]),
        ("movie_id = null", [], ["null", "movie_id"]),
        ("movie_id IN ?", [.null], ["null", "IN"]),
        ("movie_id IN ?", [.value([0, 0])], ["malformed"]),
        ("movie_id IN ?", [.value([0, 0, 0, 1])], ["malformed"]),
        ("movie_id IN ?", [.value([0, 0, 0, 1, 0, 0, 0, 9, 1])], ["malformed"]),
        ("movie_id IN ?", [.value([0, 0, 0, 0, 1])], ["malformed"]),
        ("movie_id IN ?", [.value([255, 255, 255, 255])], ["malformed"]),
        ("movie_id IN ?", [.value([0, 0, 0, 1, 255, 255, 255, 255])], ["null", "IN"]),
        ("movie_id IN ?", [.value(list([[1]]))], ["each element", "movie_id", "1 given"]),
        ("movie_id = 1 LIMIT ?", [.value(int(0))], ["LIMIT", "strictly positive", "0"]),
        ("movie_id = 1 LIMIT ?", [.value(int(-5))], ["LIMIT", "-5"]),
        ("movie_id = 1 LIMIT ?", [.null], ["null", "limit"]),
        ("movie_id = 1 LIMIT 0", [], ["LIMIT"]),
    ]

    @Test(arguments: badValues)
    func `a wrong value is refused by name`(
        _ clause: String,
        _ values: [MarkerValue],
        _ words: [String]
    ) throws {
        let world = try World.movies()
        let plan = try world.select("SELECT title FROM ml.movies WHERE \(clause)")
        expectRefusal(refusal { try plan.bind(values) }, "invalid", words, clause)
    }

    @Test func `an unset limit is none`() throws {
        let world = try World.movies()
        let plan = try world.select("SELECT title FROM ml.movies WHERE movie_id = 1 LIMIT ?")
        #expect(try plan.bind([.unset]).limit == nil)
    }

    @Test func `empty keys and keys that are too long are refused`() throws {
        let world = try World.movies()
        let plan = try world.select("SELECT i FROM ml.types WHERE k = ?")
        expectRefusal(
            refusal { try plan.bind([.value([])]) },
            "invalid",
            ["empty", "k of"],
            "empty"
        )
        expectRefusal(
            refusal { try plan.bind([.value(Array(repeating: 97, count: 65_536))]) },
            "invalid",
            ["65535", "65536"],
            "long"
        )
        #expect(
            try plan.bind([.value(Array(repeating: 97, count: 65_535))]).partitions.count == 1
        )
        let pairs = try world.select("SELECT v FROM ml.pairs WHERE a = 1 AND b IN ('x', '')")
        expectRefusal(refusal { try pairs.bind() }, "invalid", ["empty", "b of"], "component")
    }

    static let refused: [(String, [String])] = [
        (
            "SELECT * FROM ml.pairs WHERE a = 1",
            ["full partition key", "WHERE k = ? or k IN ?", "token(a, b) > ?", "lacks b"]
        ),
        ("SELECT * FROM movies WHERE movie_id = 1", ["No keyspace"]),
        ("SELECT * FROM no.movies WHERE movie_id = 1", ["keyspace no does not exist"]),
        ("SELECT * FROM ml.no WHERE movie_id = 1", ["table ml.no does not exist"]),
        ("SELECT no FROM ml.movies WHERE movie_id = 1", ["Undefined column name no"]),
        ("SELECT title FROM ml.movies WHERE no = 1", ["Undefined column name no"]),
        ("SELECT title FROM ml.movies WHERE title = 'x'", ["title", "partition key"]),
        (
            "SELECT title FROM ml.movies WHERE movie_id = 1 AND popularity = 1.0",
            ["popularity", "ALLOW FILTERING", "filter in the client"]
        ),
        ("SELECT title FROM ml.movies WHERE movie_id = 1 AND movie_id = 2", ["more than one"]),
        ("SELECT title FROM ml.movies WHERE movie_id != 1", ["!=", "not supported"]),
        (
            "SELECT title FROM ml.movies WHERE movie_id > 1",
            ["range movie_id >", "ALLOW FILTERING", "token(movie_id) >"]
        ),
        (
            "SELECT title FROM ml.movies WHERE movie_id = 1 AND movie_id > 0 ALLOW FILTERING",
            ["movie_id", "more than one"]
        ),
        ("SELECT title FROM ml.movies WHERE title CONTAINS 'x'", ["CONTAINS"]),
        ("SELECT title FROM ml.movies WHERE title LIKE 'x'", ["LIKE"]),
        ("SELECT title FROM ml.movies WHERE title IS NOT NULL", ["IS NOT NULL"]),
        ("SELECT title FROM ml.movies WHERE title['x'] = 'x'", ["part of column title"]),
        ("SELECT v FROM ml.pairs WHERE (a, b) = (1, 'x')", ["tuple"]),
        ("SELECT v FROM ml.pairs WHERE (a, b) IN ((1, 'x'))", ["tuple"]),
        ("SELECT title FROM ml.movies WHERE movie_id = 'x'", ["movie_id", "int", "'x'"]),
        ("SELECT title FROM ml.movies WHERE movie_id = 3000000000", ["3000000000", "2147483647"]),
        ("SELECT title FROM ml.movies WHERE movie_id = 1.5", ["movie_id", "1.5"]),
        (
            "SELECT title FROM ml.movies WHERE movie_id = (SELECT user_id FROM ml.users WHERE "
                + "user_id = 1)",
            ["subquery"]
        ),
        ("SELECT title FROM ml.movies WHERE movie_id = 1 + 1", ["arithmetic"]),
        ("SELECT title FROM ml.movies WHERE movie_id = title", ["title is a column's name"]),
        ("SELECT DISTINCT movie_id FROM ml.movies WHERE movie_id = 1", ["DISTINCT"]),
        ("SELECT title FROM ml.movies WHERE movie_id IN ? ORDER BY title", ["ORDER BY", "score"]),
        (
            "SELECT title FROM ml.movies WHERE movie_id IN ? ORDER BY embedding ANN OF ?",
            ["ANN OF", "later"]
        ),
        ("SELECT now() FROM ml.movies WHERE movie_id = 1", ["now()", "client"]),
        ("SELECT uuid() FROM ml.movies WHERE movie_id = 1", ["uuid()"]),
        ("SELECT toTimestamp(now()) FROM ml.movies WHERE movie_id = 1", ["totimestamp()"]),
        (
            "SELECT similarity_cosine(embedding, ?) FROM ml.movies WHERE movie_id = 1",
            ["similarity_cosine", "later"]
        ),
        ("SELECT max(popularity) FROM ml.movies WHERE movie_id = 1", ["max()", "count(*)"]),
        ("SELECT count(title) FROM ml.movies WHERE movie_id = 1", ["count()", "count(*)"]),
        ("SELECT count(*), title FROM ml.movies WHERE movie_id = 1", ["count(*) beside"]),
        ("SELECT 1 FROM ml.movies WHERE movie_id = 1", ["literal"]),
        ("SELECT ? FROM ml.movies WHERE movie_id = 1", ["bind marker in the select list"]),
        ("SELECT popularity + 1 FROM ml.movies WHERE movie_id = 1", ["arithmetic"]),
        ("SELECT cast(popularity AS int) FROM ml.movies WHERE movie_id = 1", ["CAST"]),
        ("SELECT title[1] FROM ml.movies WHERE movie_id = 1", ["part of a column"]),
        (
            "SELECT (SELECT title FROM ml.movies WHERE movie_id = 1) FROM ml.movies WHERE "
                + "movie_id = 1",
            ["subquery in the select list"]
        ),
        ("SELECT writetime(movie_id) FROM ml.movies WHERE movie_id = 1", ["PRIMARY KEY part"]),
        ("SELECT ttl(title, popularity) FROM ml.movies WHERE movie_id = 1", ["one column", "2"]),
        ("SELECT token(title) FROM ml.movies WHERE movie_id = 1", ["token()", "movie_id"]),
        ("SELECT token(b, a) FROM ml.pairs WHERE a = 1 AND b = 'x'", ["a, b"]),
        ("SELECT system.nope(title) FROM ml.movies WHERE movie_id = 1", ["system.nope"]),
    ]

    @Test(arguments: refused)
    func `what is not supported is refused by name`(_ cql: String, _ words: [String]) throws {
        let world = try World.movies()
        expectRefusal(refusal { try world.plan(cql) }, "invalid", words, cql)
    }

    @Test func `a text that is not CQL is a syntax error`() throws {
        let world = try World.movies()
        for cql in ["", "SELEC 1", "SELECT a FROM t GROUP BY a", "SELECT JSON * FROM ml.movies"] {
            expectRefusal(refusal { try world.plan(cql) }, "syntax", ["line 1:"], cql)
        }
    }

    @Test func `a plan outlives what does not concern it`() throws {
        var world = try World.movies()
        let plan = try world.plan("SELECT title FROM ml.movies WHERE movie_id = ?")
        #expect(plan.isCurrent(in: world.state))
        world.push("other", plain)
        #expect(plan.schemaVersion != world.state.schemaVersion)
        #expect(plan.isCurrent(in: world.state))
        try world.run("DROP TABLE ml.movies")
        #expect(!plan.isCurrent(in: world.state))
        try world.run("CREATE TABLE ml.movies (movie_id int PRIMARY KEY, title text)")
        #expect(!plan.isCurrent(in: world.state))
    }

    @Test func `values given by name find their markers`() throws {
        let world = try World.movies()
        let plan = try world.plan(
            "SELECT v FROM ml.pairs WHERE a = :first AND b = :second LIMIT :first"
        )
        #expect(try plan.positions(ofNames: ["second", "first"]) == [1, 0, 1])
        expectRefusal(
            refusal { try plan.positions(ofNames: ["first"]) },
            "invalid",
            ["second"],
            "missing"
        )
        expectRefusal(
            refusal { try plan.positions(ofNames: ["first", "second", "third"]) },
            "invalid",
            ["third", "first"],
            "unknown"
        )
    }
}
