import CQL
import Catalog
import ClusterLog
import PeerMessages
import Testing

struct ScoreTests {
    /// The statement of the quickstart, word for word.
    static let rankerQuery = """
        SELECT movie_id, title, ranker(user_vec => (SELECT embedding FROM ml.users WHERE user_id = ?),
        movie_vec => embedding, genres => genres, popularity => popularity) AS score FROM ml.movies WHERE movie_id IN ? ORDER BY score DESC LIMIT 10
        """

    @Test func `the ranker of the quickstart is planned`() throws {
        let world = try World.movies()
        let plan = try world.plan(Self.rankerQuery)
        #expect(plan.markers.map(\.name) == ["user_id", "in(movie_id)"])
        #expect(plan.markers.map(\.type) == [.int, .list(.int)])
        #expect(plan.partitionKeyMarkers == nil)
        #expect(
            plan.resultColumns == [
                ResultColumn(name: "movie_id", type: .int),
                ResultColumn(name: "title", type: .text),
                ResultColumn(name: "score", type: .float),
            ]
        )
        let select = try world.select(Self.rankerQuery)
        #expect(
            select.outputs.map(\.source)
                == [.partitionKey(component: 0), .column(place: 0), .score]
        )
        #expect(select.readColumns == [world.id("title", of: "movies")])
        #expect(select.order == .descending)
        let call = try #require(select.score)
        #expect(call.model == ModelName(keyspace: "ml", name: "ranker"))
        #expect(call.pinnedVersion == nil)
        #expect(
            call.arguments == [
                .subquery(0), .column(world.id("embedding", of: "movies")),
                .column(world.id("genres", of: "movies")),
                .column(world.id("popularity", of: "movies")),
            ]
        )
        let keys = (0..<500).map { int($0) }
        let bound = try select.bind([.value(int(42)), .value(list(keys))])
        #expect(bound.partitions.count == 500)
        #expect(bound.limit == 10)
        let score = try #require(bound.score)
        #expect(score.model == call.model)
        #expect(score.subqueries.count == 1)
        #expect(score.subqueries[0].table.name == "users")
        #expect(score.subqueries[0].partitions == [PartitionRef(key: int(42))])
        #expect(score.subqueryColumns == [world.id("embedding", of: "users")])
        #expect(
            score.arguments(subqueryValues: [floats(64)]) == [
                .value(floats(64)), .column(world.id("embedding", of: "movies")),
                .column(world.id("genres", of: "movies")),
                .column(world.id("popularity", of: "movies")),
            ]
        )
        #expect(score.arguments(subqueryValues: [nil])[0] == .value(nil))
    }

    @Test func `a limit beyond the keys, or none, is their number`() throws {
        let world = try World.movies()
        let text = Self.rankerQuery.replacing("LIMIT 10", with: "")
        let keys = MarkerValue.value(list([int(1), int(2), int(1)]))
        #expect(try world.select(text).bind([.value(int(1)), keys]).limit == 2)
        #expect(try world.select(Self.rankerQuery).bind([.value(int(1)), keys]).limit == 2)
        #expect(
            try world.select(Self.rankerQuery).bind([.value(int(1)), .value(list([]))]).limit == 0
        )
    }

    @Test func `without ORDER BY the rows keep their order`() throws {
        let world = try World.movies()
        let plan = try world.select(
            "SELECT plain(popularity, 3) FROM ml.movies WHERE movie_id IN (1, 2) LIMIT 1"
        )
        #expect(plan.order == .none)
        #expect(try plan.bind().limit == 1)
        #expect(plan.outputs[0].column.name == "plain(popularity, 3)")
        #expect(
            plan.score?.arguments == [
                .column(world.id("popularity", of: "movies")), .value(.constant(int(3))),
            ]
        )
    }

    static func call(_ arguments: String, _ name: String = "ranker", _ tail: String = "") -> String
    {
        "SELECT movie_id, \(name)(\(arguments)) AS score FROM ml.movies WHERE movie_id IN ?\(tail)"
    }

    @Test func `a component of the partition key may be an argument`() throws {
        let world = try World.movies()
        let cql = Self.call("popularity => popularity, age => movie_id", "plain")
        let select = try world.select(cql)
        #expect(select.score?.arguments[1] == .column(world.id("movie_id", of: "movies")))
    }

    @Test func `markers and literals take the parameter's type and name`() throws {
        let world = try World.movies()
        let cql = Self.call("user_vec => ?, movie_vec => embedding, genres => :g, popularity => 1")
        let plan = try world.plan(cql)
        #expect(plan.markers.map(\.name) == ["user_vec", "g", "in(movie_id)"])
        #expect(plan.markers[0].type == .vector(dimension: 64))
        #expect(plan.markers[1].type == .vector(dimension: 20))
        let select = try world.select(cql)
        #expect(select.score?.arguments[3] == .value(.constant(float(1))))
        let keys = MarkerValue.value(list([int(1)]))
        let bound = try select.bind([.value(floats(64)), .null, keys])
        let arguments = bound.score?.arguments(subqueryValues: [])
        #expect(arguments?[0] == .value(floats(64)))
        #expect(arguments?[2] == .value(nil))
        expectRefusal(
            refusal { try select.bind([.value(floats(63)), .null, keys]) },
            "invalid",
            ["parameter user_vec of ml.ranker takes vector<float, 64>, given 63 floats"],
            "width"
        )
        expectRefusal(
            refusal { try select.bind([.value([1, 2, 3]), .null, keys]) },
            "invalid",
            ["user_vec", "given 3 bytes"],
            "bytes"
        )
        expectRefusal(
            refusal { try select.bind([.unset, .null, keys]) },
            "invalid",
            ["unset", "user_vec", "ml.ranker"],
            "unset"
        )
    }

    @Test func `a parameter with a DEFAULT may be left out`() throws {
        let world = try World.movies()
        let plan = try world.select(
            Self.call("user_vec => ?, movie_vec => embedding, genres => genres")
        )
        #expect(plan.score?.arguments[3] == .value(.constant(nil)))
    }

    @Test func `a version is pinned, and the bare name follows pushes`() throws {
        var world = try World.movies()
        let arguments = "user_vec => ?, movie_vec => embedding, genres => genres"
        let bare = try world.plan(Self.call(arguments))
        let newest = try #require(try world.select(Self.call(arguments)).score)
        let pinned = try #require(try world.select(Self.call(arguments, "\"ranker@1\"")).score)
        let qualified = try #require(
            try world.select(Self.call(arguments, "ml.\"ranker@2\"")).score
        )
        #expect(pinned.pinnedVersion == 1)
        #expect(qualified.pinnedVersion == 2)
        #expect(try newest.resolve(world.state).version.number == 2)
        world.push("ranker", ranker, hash: 9)
        #expect(bare.isCurrent(in: world.state))
        #expect(try newest.resolve(world.state).version.number == 3)
        #expect(try newest.resolve(world.state).model.name.name == "ranker")
        #expect(try pinned.resolve(world.state).version.number == 1)
        world.apply(.dropModel(ModelName(keyspace: "ml", name: "ranker")))
        #expect(!bare.isCurrent(in: world.state))
        expectRefusal(
            refusal { try newest.resolve(world.state) },
            "invalid",
            ["ml.ranker", "not exist"],
            "dropped"
        )
        world.push("ranker", ranker)
        expectRefusal(
            refusal { try qualified.resolve(world.state) },
            "invalid",
            ["no version 2", "versions are 1"],
            "gone"
        )
        world.apply(.dropModel(ModelName(keyspace: "ml", name: "ranker")))
        world.push("ranker", plain)
        #expect(!bare.isCurrent(in: world.state))
        expectRefusal(
            refusal { try newest.resolve(world.state) },
            "invalid",
            ["signature of ml.ranker has changed"],
            "another signature"
        )
    }

    @Test func `the order may repeat the call`() throws {
        let world = try World.movies()
        let cql = """
            SELECT movie_id, plain(popularity, :age) FROM ml.movies WHERE movie_id IN ?
            ORDER BY plain(popularity, :age) ASC LIMIT 2
            """
        let plan = try world.plan(cql)
        #expect(plan.markers.map(\.name) == ["age", "in(movie_id)", "age"])
        #expect(try world.select(cql).order == .ascending)
        expectRefusal(
            refusal { try world.plan(cql.replacing(":age", with: "?")) },
            "invalid",
            ["bound twice", "alias"],
            "positional"
        )
    }

    static let refused: [(String, [String])] = [
        (call("?, embedding, genres, popularity"), ["user_vec", "movie_vec", "name them"]),
        (
            call("user_vec => ?, embedding, genres => genres"),
            ["argument 2", "ml.ranker", "name it"]
        ),
        (
            call("user_vec => ?, user_vec => ?, genres => genres"), ["user_vec", "twice"]
        ),
        (call("user_vec => ?, nope => 1"), ["no parameter nope", "user_vec vector<float, 64>"]),
        (call("user_vec => ?, movie_vec => embedding"), ["genres", "no DEFAULT"]),
        (call("1, 2, 3", "plain"), ["takes 2 arguments, given 3"]),
        (
            call("user_vec => genres, movie_vec => embedding, genres => genres"),
            ["user_vec", "ml.ranker", "vector<float, 64>", "genres", "vector<float, 20>"]
        ),
        (call("popularity => popularity, age => 1.5", "plain"), ["parameter age", "int", "1.5"]),
        (call("popularity => title, age => 1", "plain"), ["popularity", "float", "text"]),
        (call("popularity => nope, age => 1", "plain"), ["Undefined column name nope"]),
        (call("popularity => now(), age => 1", "plain"), ["now()"]),
        (call("popularity => plain(1, 2), age => 1", "plain"), ["cannot stand here"]),
        (call("popularity => popularity * 2, age => 1", "plain"), ["arithmetic"]),
        (
            call("user_vec => [1, 2], movie_vec => embedding, genres => genres"),
            ["user_vec", "vector<float, 64>", "2 floats"]
        ),
        (
            call("user_vec => [?], movie_vec => embedding, genres => genres"),
            ["2 floats".replacing("2", with: "1")]
        ),
        (call("1", "nope"), ["Unknown function nope", "no model ml.nope", "plain, ranker"]),
        (call("1", "no.ranker"), ["no.ranker", "no models"]),
        (call("1", "\"ranker@9\""), ["no version 9", "1, 2"]),
        (call("1", "\"ranker@x\""), ["version", "number"]),
        (call("1", "\"ranker@0\""), ["number from 1"]),
        (
            "SELECT plain(1, 2), plain(2, 3) FROM ml.movies WHERE movie_id = 1",
            ["more than one model call"]
        ),
        ("SELECT title FROM ml.movies WHERE movie_id = plain(1, 2)", ["plain", "cannot stand"]),
        (
            "SELECT plain(1, 2) AS score FROM ml.movies WHERE score = 1",
            ["Undefined column name score", "alias"]
        ),
        ("SELECT plain(1, 2), count(*) FROM ml.movies WHERE movie_id = 1", ["count(*)"]),
        ("SELECT plain(1, 2), ttl(title) FROM ml.movies WHERE movie_id = 1", ["ttl()", "model"]),
        (call("1, 2", "plain", " ORDER BY movie_id"), ["ORDER BY", "score"]),
        (call("1, 2", "plain", " ORDER BY score, movie_id"), ["more than the score"]),
        (call("1, 2", "plain", " ORDER BY plain(1, 3)"), ["ORDER BY", "plain(1, 3)"]),
        (
            "SELECT title FROM ml.movies WHERE movie_id IN ? ORDER BY plain(1, 2)",
            ["ORDER BY", "selected"]
        ),
    ]

    @Test(arguments: refused)
    func `a wrong call is refused by name`(_ cql: String, _ words: [String]) throws {
        let world = try World.movies()
        expectRefusal(refusal { try world.plan(cql) }, "invalid", words, cql)
    }

    static let badSubqueries: [(String, [String])] = [
        ("SELECT genres FROM ml.movies WHERE movie_id = 1", ["user_vec", "vector<float, 20>"]),
        ("SELECT embedding FROM ml.users WHERE user_id IN ?", ["IN in a subquery", "user_vec"]),
        ("SELECT embedding FROM ml.users WHERE user_id IN (1)", ["IN in a subquery"]),
        ("SELECT embedding FROM ml.users", ["full partition key"]),
        ("SELECT embedding, mean_rating FROM ml.users WHERE user_id = 1", ["one column"]),
        ("SELECT user_id FROM ml.users WHERE user_id = 1", ["one column"]),
        ("SELECT count(*) FROM ml.users WHERE user_id = 1", ["one column"]),
        ("SELECT plain(1, 2) FROM ml.users WHERE user_id = 1", ["a model in a subquery"]),
        ("SELECT embedding FROM ml.users WHERE user_id = 1 LIMIT 1", ["LIMIT in a subquery"]),
        ("SELECT cluster_name FROM system.local", ["system table"]),
        ("SELECT embedding FROM ml.nope WHERE user_id = 1", ["ml.nope does not exist"]),
    ]

    @Test(arguments: badSubqueries)
    func `a subquery gives one value of one row`(_ subquery: String, _ words: [String]) throws {
        let world = try World.movies()
        let cql = Self.call("user_vec => (\(subquery)), movie_vec => embedding, genres => genres")
        expectRefusal(refusal { try world.plan(cql) }, "invalid", words, cql)
    }

    @Test func `a subquery's table is looked up in the session's keyspace, then the table's`()
        throws
    {
        var world = try World.movies()
        let cql = Self.call(
            "user_vec => (SELECT embedding FROM users WHERE user_id = 5), "
                + "movie_vec => embedding, genres => genres"
        )
        #expect(try world.select(cql).score?.subqueries.first?.plan.table.keyspace == "ml")
        try world.run(
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', "
                + "'replication_factor': '1'}"
        )
        world.keyspace = "k"
        expectRefusal(refusal { try world.plan(cql) }, "invalid", ["k.users"], cql)
    }
}
