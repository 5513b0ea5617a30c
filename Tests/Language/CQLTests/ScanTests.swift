import CQL
import Catalog
import PeerMessages
import Storage
import Testing
import TokenPlacement

struct ScanTests {
    private static let ring = Token.minimum...Token(.max)

    private func bind(_ cql: String, _ values: [MarkerValue] = []) throws -> BoundSelect {
        let select = try World.movies().select(cql)
        #expect(select.isScan)
        #expect(select.keys.isEmpty)
        let bound = try select.bind(values)
        #expect(bound.partitions.isEmpty)
        return bound
    }

    @Test func `without WHERE the whole ring is read`() throws {
        let world = try World.movies()
        let bound = try bind("SELECT * FROM ml.movies")
        #expect(bound.ranges == [Self.ring])
        #expect(bound.rows == .ranges([Self.ring]))
        #expect(bound.limit == nil && bound.filter == nil && bound.score == nil)
        #expect(try bind("SELECT title FROM ml.movies LIMIT 7 ALLOW FILTERING").limit == 7)
        let plan = try world.plan("SELECT title FROM ml.movies PER PARTITION LIMIT ? LIMIT ?")
        #expect(plan.partitionKeyMarkers == nil)
        #expect(plan.markers.map(\.name) == ["[per_partition_limit]", "[limit]"])
        #expect(plan.markers.map(\.type) == [.int, .int])
        let keys = try world.select("SELECT title FROM ml.movies WHERE movie_id = 1")
        #expect(!keys.isScan)
        #expect(try keys.bind().ranges.isEmpty)
    }

    @Test func `a count is not limited, since it is one row`() throws {
        let bound = try bind("SELECT count(*) FROM ml.movies LIMIT 3")
        #expect(bound.limit == nil)
        #expect(bound.ranges == [Self.ring])
    }

    @Test func `PER PARTITION LIMIT takes a number from 1 and changes nothing`() throws {
        let world = try World.movies()
        for source in ["", "WHERE movie_id IN (1, 2)"] {
            let select = try world.select(
                "SELECT title FROM ml.movies \(source) PER PARTITION LIMIT ?"
            )
            #expect(try select.bind([.value(int(1))]).limit == nil)
            expectRefusal(
                refusal { try select.bind([.value(int(0))]) },
                "invalid",
                ["PER PARTITION LIMIT", "strictly positive"],
                source
            )
            expectRefusal(refusal { try select.bind([.null]) }, "invalid", ["null"], source)
        }
        expectRefusal(
            refusal { try world.plan("SELECT * FROM system.local PER PARTITION LIMIT 1") },
            "invalid",
            ["PER PARTITION LIMIT"],
            "system"
        )
    }

    static let max = Int64.max
    static let min = Int64.min
    static let bounds: [(String, ClosedRange<Int64>?)] = [
        ("token(movie_id) > 5", 6...max), ("token(movie_id) >= 5", 5...max),
        ("token(movie_id) < 5", min...4), ("token(movie_id) <= -5", min ... -5),
        ("token(movie_id) > -5 AND token(movie_id) <= 5", -4...5),
        ("token(movie_id) >= 5 AND token(movie_id) <= 5", 5...5),
        ("token(movie_id) = 5", 5...5),
        // Nothing lies between.
        ("token(movie_id) > 5 AND token(movie_id) <= 5", nil),
        ("token(movie_id) > 5 AND token(movie_id) < 6", nil),
        ("token(movie_id) >= 6 AND token(movie_id) <= 5", nil),
        ("token(movie_id) > \(max)", nil), ("token(movie_id) >= \(max)", max...max),
        // The least token: the start of the ring below, its end above, and no key's.
        ("token(movie_id) > \(min)", min + 1...max), ("token(movie_id) >= \(min)", min...max),
        ("token(movie_id) > 5 AND token(movie_id) <= \(min)", 6...max),
        ("token(movie_id) > 5 AND token(movie_id) < \(min)", 6...max),
        ("token(movie_id) > \(min) AND token(movie_id) <= \(min)", min + 1...max),
        ("token(movie_id) = \(min)", nil),
    ]

    @Test(arguments: bounds)
    func `bounds of token() are a range of the ring`(
        _ relation: String,
        _ expected: ClosedRange<Int64>?
    ) throws {
        let bound = try bind("SELECT title FROM ml.movies WHERE \(relation)")
        let ranges = expected.map { [Token($0.lowerBound)...Token($0.upperBound)] } ?? []
        #expect(bound.ranges == ranges)
    }

    @Test func `tokens are bound as bigints, or as keys`() throws {
        let world = try World.movies()
        // As Spark's connector sends it.
        let cql = """
            SELECT a, b, v FROM ml.pairs WHERE token("a", "b") > ? AND token("a", "b") <= ? \
            LIMIT ? ALLOW FILTERING
            """
        let plan = try world.plan(cql)
        #expect(
            plan.markers.map(\.name)
                == ["partition key token", "partition key token", "[limit]"]
        )
        #expect(plan.markers.map(\.type) == [.bigint, .bigint, .int])
        #expect(
            try bind(cql, [.value(bigint(-9)), .value(bigint(9)), .unset]).ranges
                == [Token(-8)...Token(9)]
        )
        let keys = "SELECT a FROM ml.pairs WHERE token(a, b) >= token(?, 'x') AND token(a, b) <= ?"
        let mixed = try world.plan(keys)
        #expect(mixed.markers.map(\.name) == ["a", "partition key token"])
        #expect(mixed.markers.map(\.type) == [.int, .bigint])
        let token = Token(
            partitionKey: [0, 4, 0, 0, 0, 1, 0, 0, 1, UInt8(ascii: "x"), 0]
        )
        #expect(
            try bind(keys, [.value(int(1)), .value(bigint(.max))]).ranges
                == [token...Token(.max)]
        )
        #expect(
            try bind("SELECT title FROM ml.movies WHERE token(movie_id) = token(7)").ranges
                == [Token(partitionKey: int(7))...Token(partitionKey: int(7))]
        )
    }

    static let badTokens: [(String, [MarkerValue], [String])] = [
        ("token(movie_id) > ?", [.null], ["null", "token()"]),
        ("token(movie_id) > ?", [.unset], ["unset", "token()"]),
        ("token(movie_id) > ?", [.value(int(1))], ["bigint", "8 bytes expected, 4 given"]),
        ("token(movie_id) > token(?)", [.null], ["null", "movie_id"]),
        ("token(movie_id) > null", [], ["null", "token()"]),
    ]

    @Test(arguments: badTokens)
    func `a wrong token is refused by name`(
        _ relation: String,
        _ values: [MarkerValue],
        _ words: [String]
    ) throws {
        let plan = try World.movies().select("SELECT title FROM ml.movies WHERE \(relation)")
        expectRefusal(refusal { try plan.bind(values) }, "invalid", words, relation)
    }

    static let refused: [(String, [String])] = [
        ("SELECT a FROM ml.pairs WHERE token(a) > 1", ["partition key order: a, b"]),
        ("SELECT a FROM ml.pairs WHERE token(b, a) > 1", ["partition key order: a, b"]),
        ("SELECT a FROM ml.pairs WHERE token(a, nope) > 1", ["Undefined column name nope"]),
        ("SELECT a FROM ml.pairs WHERE token(a, b) > token(1)", ["token()", "a, b"]),
        ("SELECT a FROM ml.pairs WHERE token(a, b) > token(1, 2)", ["b", "text"]),
        ("SELECT a FROM ml.pairs WHERE token(a, b) > 'x'", ["token()", "bigint", "'x'"]),
        ("SELECT a FROM ml.pairs WHERE token(a, b) > now()", ["now()"]),
        ("SELECT a FROM ml.pairs WHERE token(a, b) != 1", ["token() !="]),
        (
            "SELECT a FROM ml.pairs WHERE token(a, b) > 1 AND token(a, b) >= 2",
            ["More than one restriction", "start bound"]
        ),
        (
            "SELECT a FROM ml.pairs WHERE token(a, b) < 1 AND token(a, b) <= 2",
            ["More than one restriction", "end bound"]
        ),
        (
            "SELECT a FROM ml.pairs WHERE token(a, b) = 1 AND token(a, b) <= 2",
            ["More than one restriction"]
        ),
        (
            "SELECT movie_id FROM ml.movies WHERE token(movie_id) > 1 AND movie_id = 1",
            ["movie_id = ... beside token()", "ALLOW FILTERING"]
        ),
        (
            "SELECT plain(popularity, 1) AS s FROM ml.movies",
            ["model call", "full partition key", "ml.movies"]
        ),
        (
            "SELECT plain(popularity, 1) AS s FROM ml.movies WHERE token(movie_id) > 1",
            ["model call", "full partition key"]
        ),
        (
            "SELECT plain(popularity, 1) AS s FROM ml.movies WHERE movie_id IN ? AND title = 'x' "
                + "ALLOW FILTERING",
            ["filter beside a model call"]
        ),
        ("SELECT movie_id FROM ml.movies ORDER BY movie_id", ["ORDER BY", "score"]),
        ("UPDATE ml.movies SET title = 'x' WHERE token(movie_id) > 1", ["token()"]),
        ("DELETE FROM ml.movies WHERE movie_id > 1", ["range movie_id >"]),
    ]

    @Test(arguments: refused)
    func `what a scan cannot do is refused by name`(_ cql: String, _ words: [String]) throws {
        let world = try World.movies()
        expectRefusal(refusal { try world.plan(cql) }, "invalid", words, cql)
    }
}
