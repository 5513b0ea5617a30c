import CQL
import CQLSyntax
import Catalog
import ClusterLog
import Testing
import TokenPlacement

struct SchemaTests {
    @Test func `a keyspace is created`() throws {
        let world = World()
        let plan = try world.plan(
            "CREATE KEYSPACE IF NOT EXISTS k WITH replication = {'class': 'SimpleStrategy', "
                + "'replication_factor': 1} AND durable_writes = true"
        )
        guard case .schema(let schema) = plan.action else { throw Unexpected(cql: "k") }
        #expect(schema.isConditional)
        #expect(
            schema.change
                == .createKeyspace(KeyspaceDefinition(name: "k", replication: .simple(factor: 1)))
        )
        #expect(plan.warnings.isEmpty)
    }

    @Test func `more replicas than nodes are warned of`() throws {
        let world = World()
        let simple = try world.plan(
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', "
                + "'replication_factor': '3'} AND durable_writes = false"
        )
        #expect(simple.warnings.count == 2)
        #expect(
            simple.warnings.contains {
                $0.contains("replication factor 3") && $0.contains("number of nodes 1")
            }
        )
        let topology = try world.plan(
            "CREATE KEYSPACE k WITH replication = {'class': 'NetworkTopologyStrategy', "
                + "'replication_factor': 2}"
        )
        #expect(topology.warnings.count == 1)
        #expect(topology.warnings.first?.contains("datacenter1") == true)
    }

    @Test func `a table is created with its key, types and options`() throws {
        let world = try World.movies()
        let plan = try world.plan(
            """
            CREATE TABLE ml."New" (b text, "A" INT, v vector<float, 3>, s varchar,
            PRIMARY KEY (("A", b))) WITH comment = 'it''s' AND default_time_to_live = 5
            AND gc_grace_seconds = 6 AND compaction = {'class': 'x'} AND caching = {'keys': 'ALL'}
            """
        )
        guard case .schema(let schema) = plan.action, case .createTable(let table) = schema.change
        else { throw Unexpected(cql: "New") }
        #expect(table.name == "New")
        #expect(table.columns.map(\.name) == ["A", "b", "s", "v"])
        #expect(table.partitionKey.map(\.name) == ["A", "b"])
        #expect(table.columns.map(\.type) == [.int, .text, .text, .vector(dimension: 3)])
        #expect(Set(table.columns.map(\.id)).count == 4)
        #expect(
            table.options
                == TableOptions(
                    comment: "it's",
                    defaultTimeToLiveSeconds: 5,
                    gcGraceSeconds: 6
                )
        )
        #expect(!schema.isConditional)
        #expect(plan.warnings.count == 1)
        #expect(plan.warnings.first?.contains("compaction, caching") == true)
    }

    @Test func `a table's durability is an option`() throws {
        var world = try World.movies()
        for (text, durability) in [("synced", TableDurability.synced), ("periodic", .periodic)] {
            let cql = "CREATE TABLE ml.\(text) (k int PRIMARY KEY) WITH durability = '\(text)'"
            #expect(try world.plan(cql).warnings.isEmpty)
            try world.run(cql)
            #expect(world.state.table("ml", text)?.options == TableOptions(durability: durability))
        }
        let table = try #require(world.state.table("ml", "periodic"))
        let described = DescribeText.createStatement(of: table)
        #expect(described.hasSuffix("\n    AND durability = 'periodic';"))
        try world.run("DROP TABLE ml.periodic")
        try world.run(described)
        #expect(world.state.table("ml", "periodic")?.options == table.options)
    }

    @Test func `ALTER TABLE changes the options that it names`() throws {
        var world = try World.movies()
        let plan = try world.plan(
            "ALTER TABLE IF EXISTS ml.pairs WITH gc_grace_seconds = 7 AND durability = 'periodic' "
                + "AND compaction = {'class': 'x'}"
        )
        guard case .schema(let schema) = plan.action else { throw Unexpected(cql: "ALTER") }
        let change = TableOptionsChange(gcGraceSeconds: 7, durability: .periodic)
        #expect(
            schema
                == SchemaPlan(
                    change: .alterTable(keyspace: "ml", name: "pairs", change),
                    isConditional: true
                )
        )
        #expect(plan.warnings.first?.contains("compaction") == true)
        let write = try world.plan("INSERT INTO ml.pairs (a, b) VALUES (1, 'x')")
        world.apply(schema.change)
        #expect(
            world.state.table("ml", "pairs")?.options
                == TableOptions(
                    defaultTimeToLiveSeconds: 100,
                    gcGraceSeconds: 7,
                    durability: .periodic
                )
        )
        #expect(!write.isCurrent(in: world.state))
        try world.run("ALTER TABLE ml.pairs WITH comment = 'c' AND default_time_to_live = 0")
        #expect(
            world.state.table("ml", "pairs")?.options
                == TableOptions(comment: "c", gcGraceSeconds: 7, durability: .periodic)
        )
    }

    @Test func `REPAIR names all, a keyspace or a table`() throws {
        let world = try World.movies()
        let cases: [(String, String?, String?)] = [
            ("REPAIR", nil, nil), ("repair ml;", "ml", nil), ("REPAIR ml.movies", "ml", "movies"),
        ]
        for (cql, keyspace, table) in cases {
            let plan = try world.plan(cql)
            guard case .repair(keyspace, table) = plan.action else { throw Unexpected(cql: cql) }
            #expect(plan.markers.isEmpty && plan.resultColumns.isEmpty)
        }
    }

    @Test func `drops and USE name what is there`() throws {
        var world = try World.movies()
        let cases: [(String, ClusterChange, Bool)] = [
            ("DROP KEYSPACE ml", .dropKeyspace("ml"), false),
            ("DROP KEYSPACE IF EXISTS nope", .dropKeyspace("nope"), true),
            ("DROP TABLE ml.movies", .dropTable(keyspace: "ml", name: "movies"), false),
            ("DROP TABLE IF EXISTS ml.no", .dropTable(keyspace: "ml", name: "no"), true),
        ]
        for (cql, change, isConditional) in cases {
            guard case .schema(let schema) = try world.plan(cql).action else {
                throw Unexpected(cql: cql)
            }
            #expect(schema == SchemaPlan(change: change, isConditional: isConditional))
        }
        for keyspace in ["ml", "system"] {
            guard case .use(keyspace) = try world.plan("USE \"\(keyspace)\"").action else {
                throw Unexpected(cql: keyspace)
            }
        }
        world.keyspace = "ml"
        #expect(
            try world.select("SELECT title FROM movies WHERE movie_id = 1").table.name == "movies"
        )
        guard case .describe(let statement) = try world.plan("DESCRIBE KEYSPACE ml").action else {
            throw Unexpected(cql: "DESCRIBE")
        }
        #expect(statement.withInternals == false)
    }

    static let simple = "WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
    static let refused: [(String, String, [String])] = [
        ("CREATE KEYSPACE ml \(simple)", "alreadyExists", ["ml"]),
        ("CREATE KEYSPACE system \(simple)", "invalid", ["system is not user-modifiable"]),
        ("CREATE KEYSPACE system_traces \(simple)", "invalid", ["not user-modifiable"]),
        ("CREATE KEYSPACE \"a-b\" \(simple)", "invalid", ["Keyspace name 'a-b'"]),
        ("CREATE KEYSPACE \"ä\" \(simple)", "invalid", ["Keyspace name"]),
        ("CREATE KEYSPACE \(String(repeating: "k", count: 49)) \(simple)", "invalid", ["48"]),
        ("CREATE KEYSPACE k WITH durable_writes = true", "configuration", ["replication"]),
        ("CREATE KEYSPACE k WITH replication = 3", "configuration", ["map", "3"]),
        ("CREATE KEYSPACE k WITH replication = {}", "configuration", ["map"]),
        (
            "CREATE KEYSPACE k WITH replication = {'replication_factor': 1}", "configuration",
            ["class"]
        ),
        (
            "CREATE KEYSPACE k WITH replication = {'class': 'NopeStrategy'}", "configuration",
            ["NopeStrategy"]
        ),
        (
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy'}", "configuration",
            ["replication_factor"]
        ),
        (
            "CREATE KEYSPACE k WITH replication = {'class': 'NetworkTopologyStrategy', 'dc9': 1}",
            "configuration", ["dc9", "datacenter1"]
        ),
        (
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', "
                + "'replication_factor': 0}",
            "configuration", ["0"]
        ),
        (
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', "
                + "'replication_factor': [1]}",
            "configuration", ["replication_factor", "[1]"]
        ),
        ("CREATE KEYSPACE k \(simple) AND nope = 1", "syntax", ["Unknown property 'nope'"]),
        ("CREATE KEYSPACE k \(simple) AND durable_writes = 1", "configuration", ["durable_writes"]),
        ("CREATE TABLE ml.movies (k int PRIMARY KEY)", "alreadyExists", ["ml", "movies"]),
        ("CREATE TABLE no.t (k int PRIMARY KEY)", "invalid", ["Keyspace 'no'"]),
        ("CREATE TABLE t (k int PRIMARY KEY)", "invalid", ["No keyspace"]),
        ("CREATE TABLE system.t (k int PRIMARY KEY)", "invalid", ["not user-modifiable"]),
        ("CREATE TABLE ml.\"a b\" (k int PRIMARY KEY)", "invalid", ["Table name 'a b'"]),
        ("CREATE TABLE ml.t (k int)", "invalid", ["No PRIMARY KEY"]),
        ("CREATE TABLE ml.t (k int, PRIMARY KEY (z))", "invalid", ["Unknown column 'z'"]),
        ("CREATE TABLE ml.t (k int, PRIMARY KEY ((k, k)))", "invalid", ["key column 'k'"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, k text)", "invalid", ["Duplicate column 'k'"]),
        (
            "CREATE TABLE ml.t (k int, c int, PRIMARY KEY (k, c))", "invalid",
            ["clustering key (c)", "partition key", "one row per entity"]
        ),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s int STATIC)", "invalid", ["STATIC", "s of"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s set<int>)", "invalid", ["set<int>", "column s"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s map<int, int>)", "invalid", ["map<int, int>"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s list<int>)", "invalid", ["list<int>"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s tuple<int>)", "invalid", ["tuple<int>"]),
        (
            "CREATE TABLE ml.t (k int PRIMARY KEY, s frozen<set<int>>)", "invalid",
            ["frozen<set<int>>"]
        ),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s counter)", "invalid", ["counter", "bigint"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s date)", "invalid", ["date", "timestamp"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s time)", "invalid", ["type time"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s decimal)", "invalid", ["decimal"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s varint)", "invalid", ["varint"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s duration)", "invalid", ["duration"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s address)", "invalid", ["unknown type address"]),
        ("CREATE TABLE ml.t (k int PRIMARY KEY, s 'x.Y')", "invalid", ["'x.Y'"]),
        (
            "CREATE TABLE ml.t (k int PRIMARY KEY, s vector<double, 3>)", "invalid",
            ["vector<double, 3>", "float"]
        ),
        (
            "CREATE TABLE ml.t (k int PRIMARY KEY, s vector<float, 8193>)", "invalid",
            ["8192", "8193"]
        ),
        ("CREATE TABLE ml.t (k int PRIMARY KEY) WITH nope = 1", "syntax", ["'nope'"]),
        (
            "CREATE TABLE ml.t (k int PRIMARY KEY) WITH comment = 'a' AND comment = 'b'", "syntax",
            ["Multiple definition", "comment"]
        ),
        ("CREATE TABLE ml.t (k int PRIMARY KEY) WITH comment = 1", "configuration", ["comment"]),
        (
            "CREATE TABLE ml.t (k int PRIMARY KEY) WITH default_time_to_live = 630720001",
            "configuration", ["default_time_to_live", "630720000", "630720001"]
        ),
        (
            "CREATE TABLE ml.t (k int PRIMARY KEY) WITH gc_grace_seconds = -1", "configuration",
            ["gc_grace_seconds", "-1"]
        ),
        ("DROP KEYSPACE nope", "invalid", ["nope"]),
        ("DROP KEYSPACE system_schema", "invalid", ["not user-modifiable"]),
        ("DROP TABLE ml.nope", "invalid", ["ml.nope"]),
        ("DROP TABLE system.local", "invalid", ["not user-modifiable"]),
        ("USE nope", "invalid", ["'nope'"]),
        ("ALTER TABLE ml.movies ADD x int", "invalid", ["ALTER TABLE ... ADD", "later"]),
        ("ALTER TABLE ml.movies DROP title", "invalid", ["ALTER TABLE ... DROP", "later"]),
        ("ALTER TABLE ml.movies RENAME title TO t", "invalid", ["ALTER TABLE ... RENAME"]),
        ("ALTER TABLE ml.nope WITH comment = 'x'", "invalid", ["ml.nope"]),
        ("ALTER TABLE system.local WITH comment = 'x'", "invalid", ["not user-modifiable"]),
        ("ALTER TABLE ml.movies WITH nope = 1", "syntax", ["'nope'", "durability"]),
        (
            "ALTER TABLE ml.movies WITH durability = 'never'", "configuration",
            ["durability", "'synced'", "'periodic'", "'never'"]
        ),
        (
            "CREATE TABLE ml.t (k int PRIMARY KEY) WITH durability = 1", "configuration",
            ["durability", "it is 1"]
        ),
        ("TRUNCATE ml.movies", "invalid", ["TRUNCATE", "later"]),
        ("REPAIR nope", "invalid", ["keyspace nope does not exist"]),
        ("REPAIR ml.nope", "invalid", ["table ml.nope does not exist"]),
        ("REPAIR system.local", "invalid", ["system", "not replicated"]),
        ("ALTER KEYSPACE ml \(simple)", "invalid", ["ALTER KEYSPACE", "later"]),
        ("CREATE INDEX ON ml.movies (title)", "invalid", ["CREATE INDEX is not supported"]),
        (
            "CREATE CUSTOM INDEX ON ml.movies (embedding) USING 'vector_index'", "invalid",
            ["CREATE CUSTOM INDEX"]
        ),
        ("CREATE MATERIALIZED VIEW v AS SELECT", "invalid", ["MATERIALIZED VIEW"]),
        ("CREATE TYPE ml.t (a int)", "invalid", ["CREATE TYPE", "column"]),
        ("CREATE FUNCTION f", "invalid", ["CREATE FUNCTION", "MODEL"]),
        ("CREATE ROLE x", "invalid", ["CREATE ROLE", "later"]),
        ("GRANT ALL ON ml TO x", "invalid", ["GRANT", "later"]),
    ]

    @Test(arguments: refused)
    func `a wrong definition is refused`(
        _ cql: String,
        _ kind: String,
        _ words: [String]
    ) throws {
        let world = try World.movies()
        expectRefusal(refusal { try world.plan(cql) }, kind, words, cql)
    }

    @Test func `a table with too many columns is refused`() throws {
        let world = try World.movies()
        let columns = (0...2000).map { "c\($0) int" }.joined(separator: ", ")
        let cql = "CREATE TABLE ml.wide (\(columns), PRIMARY KEY (c0))"
        expectRefusal(refusal { try world.plan(cql) }, "invalid", ["2001", "2000"], "wide")
    }

    @Test func `DESCRIBE's text makes the same keyspace and table again`() throws {
        var world = try World.movies()
        try world.run("DROP KEYSPACE ml")
        let first = try World.movies()
        for keyspace in first.state.keyspaces.values {
            let text = DescribeText.createStatement(of: keyspace)
            try world.run(text)
            #expect(world.state.keyspaces[keyspace.name] == keyspace, "\(text)")
        }
        try world.run(
            "CREATE TABLE ml.\"Odd\" (\"A\" int PRIMARY KEY, \"select\" text) "
                + "WITH comment = 'it''s'"
        )
        let odd = try #require(world.state.table("ml", "Odd"))
        try world.run("DROP TABLE ml.\"Odd\"")
        for table in (first.state.tables["ml"] ?? [:]).values.map({ $0 }) + [odd] {
            let text = DescribeText.createStatement(of: table)
            try world.run(text)
            let again = try #require(world.state.table("ml", table.name), "\(text)")
            #expect(again.columns.map(\.name) == table.columns.map(\.name))
            #expect(again.columns.map(\.type) == table.columns.map(\.type))
            #expect(again.columns.map(\.kind) == table.columns.map(\.kind))
            #expect(again.options == table.options)
        }
    }

    @Test func `DESCRIBE's text is readable`() throws {
        let world = try World.movies()
        let pairs = try #require(world.state.table("ml", "pairs"))
        #expect(
            DescribeText.createStatement(of: pairs) == """
                CREATE TABLE ml.pairs (
                    a int,
                    b text,
                    v float,
                    w float,
                    PRIMARY KEY ((a, b))
                ) WITH comment = ''
                    AND default_time_to_live = 100
                    AND gc_grace_seconds = 864000;
                """
        )
        let keyspace = try #require(world.state.keyspaces["ml"])
        #expect(
            DescribeText.createStatement(of: keyspace)
                == "CREATE KEYSPACE ml WITH replication = {'class': 'NetworkTopologyStrategy', "
                + "'datacenter1': '3'} AND durable_writes = true;"
        )
        let model = try #require(world.state.models[ModelName(keyspace: "ml", name: "plain")])
        let text = DescribeText.createStatement(of: model)
        #expect(text.contains("CREATE MODEL ml.plain FROM ?"))
        #expect(text.split(separator: "\n").allSatisfy { $0.hasPrefix("-- ") })
        #expect(
            DescribeText.createStatement(of: schemaTables).contains(
                "PRIMARY KEY (keyspace_name, table_name)"
            )
        )
    }
}
