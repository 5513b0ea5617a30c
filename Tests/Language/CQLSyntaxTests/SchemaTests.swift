import CQLSyntax
import Testing

struct SchemaTests {
    @Test func `a keyspace is created, altered and dropped`() throws {
        guard
            case .createKeyspace(let created) = try CQLParser.parse(
                """
                CREATE KEYSPACE IF NOT EXISTS ml WITH replication =
                {'class': 'NetworkTopologyStrategy', 'datacenter1': 3} AND durable_writes = false
                """
            ).kind,
            case .alterKeyspace(let altered) = try CQLParser.parse(
                "ALTER SCHEMA ml WITH replication = {'class': 'SimpleStrategy'}"
            ).kind,
            case .dropKeyspace(let dropped) = try CQLParser.parse(
                "DROP KEYSPACE IF EXISTS \"ML\""
            ).kind
        else {
            Issue.record("not as expected")
            return
        }
        #expect(created.name.name == "ml")
        #expect(created.ifNotExists)
        #expect(created.properties.map(\.name.name) == ["replication", "durable_writes"])
        #expect(
            created.properties.map(\.value.description)
                == ["{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}", "false"]
        )
        #expect(altered.properties.count == 1)
        #expect(!altered.ifExists)
        #expect(dropped.name.name == "ML")
        #expect(dropped.ifExists)
    }

    @Test func `a table of the design parses`() throws {
        let table = try createTable(
            """
            CREATE TABLE ml.movies (movie_id int PRIMARY KEY, title text,
            genres vector<float, 20>, popularity float, embedding vector<float, 64>)
            """
        )
        #expect(table.table.description == "ml.movies")
        #expect(!table.ifNotExists)
        #expect(table.partitionKey.map(\.name) == ["movie_id"])
        #expect(table.clusteringKey.isEmpty)
        #expect(
            table.columns.map { "\($0.name) \($0.type)" } == [
                "movie_id int", "title text", "genres vector<float, 20>", "popularity float",
                "embedding vector<float, 64>",
            ]
        )
    }

    @Test func `a table keeps keys, statics, order and options`() throws {
        let table = try createTable(
            """
            CREATE TABLE IF NOT EXISTS t (a int, b text, c int, d frozen<list<int>> STATIC, key int,
            PRIMARY KEY ((a, b), c, key)) WITH CLUSTERING ORDER BY (c DESC, key ASC)
            AND comment = 'x' AND compression = {'class': 'LZ4Compressor'} AND gc_grace_seconds = 1
            """
        )
        #expect(table.ifNotExists)
        #expect(table.partitionKey.map(\.name) == ["a", "b"])
        #expect(table.clusteringKey.map(\.name) == ["c", "key"])
        #expect(table.columns.map(\.isStatic) == [false, false, false, true, false])
        #expect(table.clusteringOrder.map(\.isDescending) == [true, false])
        #expect(
            table.properties.map(\.name.name) == ["comment", "compression", "gc_grace_seconds"]
        )
        let simple = try createTable("CREATE COLUMNFAMILY t (a int, b int, PRIMARY KEY (a, b))")
        #expect(simple.partitionKey.map(\.name) == ["a"])
        #expect(simple.clusteringKey.map(\.name) == ["b"])
        #expect(try createTable("CREATE TABLE t (a int)").partitionKey.isEmpty)
    }

    @Test func `feast's table parses`() throws {
        let table = try createTable(
            """
            CREATE TABLE IF NOT EXISTS "ks"."proj_fv" ( entity_key TEXT, feature_name TEXT,
              value BLOB, event_ts TIMESTAMP, created_ts TIMESTAMP,
              PRIMARY KEY ((entity_key), feature_name) ) WITH CLUSTERING ORDER BY (feature_name ASC);
            """
        )
        #expect(table.partitionKey.map(\.name) == ["entity_key"])
        #expect(
            table.columns.map(\.type.description)
                == ["text", "text", "blob", "timestamp", "timestamp"]
        )
        #expect(parseError("DROP TABLE IF EXISTS \"ks\".\"proj_fv\";") == nil)
    }

    @Test func `REPAIR takes nothing, a keyspace or a table`() throws {
        let cases: [(String, String?, String?)] = [
            ("REPAIR", nil, nil), ("repair;", nil, nil), ("REPAIR Ml", "ml", nil),
            ("REPAIR \"Ml\".\"T\" ;", "Ml", "T"), ("REPAIR repair.repair", "repair", "repair"),
        ]
        for (cql, keyspace, table) in cases {
            guard case .repair(let first, let second) = try CQLParser.parse(cql).kind else {
                throw NotExpected(cql: cql)
            }
            #expect(first?.name == keyspace && second?.name == table, "\(cql)")
        }
        for cql in ["REPAIR ml.", "REPAIR ml t", "REPAIR ?", "REPAIR TABLE ml.t", "REPAIR ml.t.u"] {
            #expect(parseError(cql) != nil, "\(cql)")
        }
        let select = try parseSelect("SELECT repair FROM repair.repair WHERE repair = 1")
        #expect(select.table.description == "repair.repair")
        #expect(Identifier.quotedIfNeeded("repair") == "repair")
    }

    @Test func `a table has one primary key`() {
        #expect(
            parseError("CREATE TABLE t (a int PRIMARY KEY, b int, PRIMARY KEY (b))")?.message
                == "line 1:42 the table has more than one PRIMARY KEY; name all its columns in one"
        )
    }

    @Test func `a table is altered`() throws {
        let actions = try [
            "ALTER TABLE t ADD a int", "ALTER TABLE t ADD IF NOT EXISTS (a int, b text STATIC)",
            "ALTER TABLE t DROP a, b USING TIMESTAMP 5", "ALTER TABLE t DROP IF EXISTS (a)",
            "ALTER TABLE t RENAME a TO b AND c TO d", "ALTER TABLE IF EXISTS t WITH comment = 'x'",
        ].map { cql in
            guard case .alterTable(let altered) = try CQLParser.parse(cql).kind else {
                throw NotExpected(cql: cql)
            }
            return switch altered.action {
            case .add(let columns, let flag): "add \(columns.map(\.name.name)) \(flag)"
            case .drop(let columns, let flag, let time):
                "drop \(columns.map(\.name)) \(flag) \(time?.description ?? "-")"
            case .rename(let renamings, let flag):
                "rename \(renamings.map { "\($0.from) \($0.to)" }) \(flag)"
            case .set(let properties): "set \(properties.map(\.name.name)) \(altered.ifExists)"
            }
        }
        #expect(
            actions == [
                #"add ["a"] false"#, #"add ["a", "b"] true"#, #"drop ["a", "b"] false 5"#,
                #"drop ["a"] true -"#, #"rename ["a b", "c d"] false"#, #"set ["comment"] true"#,
            ]
        )
    }

    @Test func `truncate, use and drop table name their object`() throws {
        for cql in ["TRUNCATE ks.t", "TRUNCATE TABLE ks.t"] {
            guard case .truncate(let name) = try CQLParser.parse(cql).kind else {
                throw NotExpected(cql: cql)
            }
            #expect(name.description == "ks.t")
        }
        guard case .use(let keyspace) = try CQLParser.parse("USE \"Ks\";").kind,
            case .dropTable(let dropped) = try CQLParser.parse("DROP TABLE t").kind
        else {
            Issue.record("not as expected")
            return
        }
        #expect(keyspace.name == "Ks")
        #expect(!dropped.ifExists)
        #expect(dropped.table.name.name == "t")
    }

    @Test func `a model is created, replaced and dropped`() throws {
        let statement = try CQLParser.parse(
            """
            CREATE MODEL IF NOT EXISTS ml.ranker FROM ? WITH signature = 'a float'
            AND sha256 = 'ab' AND options = {'threads': 1}
            """
        )
        guard case .createModel(let created) = statement.kind,
            case .createModel(let replaced) = try CQLParser.parse(
                "CREATE OR REPLACE MODEL ranker FROM 0xCAFE"
            ).kind,
            case .dropModel(let dropped) = try CQLParser.parse("DROP MODEL IF EXISTS ml.r").kind
        else {
            Issue.record("not as expected")
            return
        }
        #expect(created.ifNotExists)
        #expect(!created.orReplace)
        #expect(created.name.description == "ml.ranker")
        #expect(created.source.kind.marker?.index == 0)
        #expect(created.properties.map(\.name.name) == ["signature", "sha256", "options"])
        #expect(replaced.orReplace)
        #expect(replaced.source.kind == .literal(.blob([0xCA, 0xFE])))
        #expect(replaced.properties.isEmpty)
        #expect(dropped.ifExists)
        #expect(dropped.name.description == "ml.r")
        #expect(parseError("CREATE OR REPLACE MODEL IF NOT EXISTS m FROM ?")?.column == 24)
    }

    @Test func `what is not built is refused by its name, whatever its body`() throws {
        let names = [
            ("CREATE INDEX ON t (a)", "CREATE INDEX"),
            (
                """
                CREATE CUSTOM INDEX IF NOT EXISTS i ON t (v) USING 'vector_index'
                WITH OPTIONS = {'similarity_function': 'COSINE'}
                """, "CREATE CUSTOM INDEX"
            ),
            ("DROP INDEX i", "DROP INDEX"), ("CREATE TYPE a (b int)", "CREATE TYPE"),
            ("ALTER TYPE a ADD b int", "ALTER TYPE"), ("DROP TYPE a", "DROP TYPE"),
            ("create materialized view v AS SELECT * FROM t", "CREATE MATERIALIZED VIEW"),
            ("DROP MATERIALIZED VIEW v", "DROP MATERIALIZED VIEW"),
            (
                "CREATE OR REPLACE FUNCTION f(a int) ... LANGUAGE java AS $$ return !a^1; $$",
                "CREATE FUNCTION"
            ),
            ("DROP FUNCTION f(int)", "DROP FUNCTION"),
            ("CREATE AGGREGATE a ~ !", "CREATE AGGREGATE"), ("DROP AGGREGATE a", "DROP AGGREGATE"),
            ("CREATE TRIGGER x ON t USING 'c'", "CREATE TRIGGER"),
            ("CREATE ROLE r WITH LOGIN = true", "CREATE ROLE"), ("ALTER USER u", "ALTER USER"),
            ("GRANT SELECT ON ALL KEYSPACES TO r", "GRANT"), ("REVOKE ALL ON t FROM r", "REVOKE"),
            ("LIST ROLES", "LIST ROLES"), ("LIST ALL PERMISSIONS", "LIST ALL"), ("LIST", "LIST"),
            ("ALTER MODEL m", "ALTER MODEL"),
            ("INSERT INTO t JSON '{}'", "INSERT JSON"),
            ("INSERT INTO ks.t JSON ? DEFAULT UNSET", "INSERT JSON"),
        ]
        for (cql, name) in names {
            #expect(try CQLParser.parse(cql).unsupportedName == name, "\(cql)")
        }
    }

    @Test func `a schema takes no bind markers`() {
        #expect(
            parseError("CREATE TABLE t (a int PRIMARY KEY) WITH comment = ?")?.message
                == "line 1:50 a bind marker cannot stand in a statement that changes the schema;"
                + " write the value"
        )
    }

    @Test func `every form of describe is told apart`() throws {
        let forms: [(String, String)] = [
            ("DESCRIBE CLUSTER", "cluster"), ("DESC KEYSPACES", "keyspaces"),
            ("DESCRIBE TABLES", "tables"), ("DESCRIBE TYPES", "types"),
            ("DESCRIBE FUNCTIONS", "functions"), ("DESCRIBE AGGREGATES", "aggregates"),
            ("DESCRIBE SCHEMA", "schema(isFull: false)"),
            ("DESCRIBE FULL SCHEMA", "schema(isFull: true)"),
            ("DESCRIBE SCHEMA FULL", "schema(isFull: true)"),
        ]
        for (cql, form) in forms {
            let described = try describe(cql)
            #expect("\(described.subject)" == form)
            #expect(!described.withInternals)
        }
        #expect(try describe("DESCRIBE KEYSPACE").subject == .keyspace(nil, isOnly: false))
        guard
            case .keyspace(let keyspace, let isOnly) = try describe(
                "DESCRIBE ONLY KEYSPACE \"Ks\";"
            ).subject
        else {
            Issue.record("no keyspace")
            return
        }
        #expect(keyspace?.name == "Ks")
        #expect(isOnly)
        let elements: [(String, DescribeStatement.Element)] = [
            ("TABLE", .table), ("INDEX", .index), ("MATERIALIZED VIEW", .view), ("TYPE", .type),
            ("FUNCTION", .function), ("AGGREGATE", .aggregate),
        ]
        for (word, expected) in elements {
            let described = try describe("DESCRIBE \(word) ks.t WITH INTERNALS")
            guard case .element(let element, let name) = described.subject else {
                Issue.record("\(described)")
                return
            }
            #expect(element == expected)
            #expect(name.description == "ks.t")
            #expect(described.withInternals)
        }
        for (cql, expected) in [
            ("DESCRIBE ks.t", "ks.t"), ("DESCRIBE ml", "ml"), ("DESC types.x", "types.x"),
            ("DESC type", "type"), ("DESCRIBE \"tables\"", "tables"),
        ] {
            guard case .name(let name) = try describe(cql).subject else {
                throw NotExpected(cql: cql)
            }
            #expect(name.description == expected)
        }
    }

    private func createTable(_ cql: String) throws -> CreateTableStatement {
        guard case .createTable(let table) = try CQLParser.parse(cql).kind else {
            throw NotExpected(cql: cql)
        }
        return table
    }

    private func describe(_ cql: String) throws -> DescribeStatement {
        guard case .describe(let described) = try CQLParser.parse(cql).kind else {
            throw NotExpected(cql: cql)
        }
        return described
    }
}
