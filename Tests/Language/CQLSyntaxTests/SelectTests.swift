import CQLSyntax
import Testing

struct SelectTests {
    @Test func `a select of everything has no clauses`() throws {
        let select = try parseSelect("SELECT * FROM movies")
        #expect(select.selection == .all)
        #expect(select.table.keyspace == nil)
        #expect(select.table.name.name == "movies")
        #expect(select.relations.isEmpty)
        #expect(select.orderings.isEmpty)
        #expect(select.limit == nil)
        #expect(select.perPartitionLimit == nil)
        #expect(!select.isDistinct)
        #expect(!select.allowsFiltering)
        #expect(select.position == SourcePosition(line: 1, column: 0))
    }

    @Test func `every clause of a select is kept`() throws {
        let select = try parseSelect(
            """
            select distinct a, b as "B" from ks.t where a = 1 and c > ? order by b desc, c asc, d
            per partition limit 3 limit :n allow filtering;
            """
        )
        #expect(select.isDistinct)
        #expect(
            select.description
                == "SELECT DISTINCT a, b AS \"B\" FROM ks.t WHERE a = 1 AND c > ?"
                + " ORDER BY b DESC, c, d PER PARTITION LIMIT 3 LIMIT :n ALLOW FILTERING"
        )
        #expect(select.limit?.kind.marker?.index == 1)
        #expect(select.limit?.kind.marker?.name == "n")
        #expect(select.orderings.map(\.isDescending) == [true, false, false])
        #expect(select.position == SourcePosition(line: 1, column: 0))
        #expect(select.limit?.position == SourcePosition(line: 2, column: 28))
    }

    @Test func `the ranking statement of the design parses`() throws {
        let statement = try CQLParser.parse(
            """
            SELECT movie_id, title, ranker(user_vec => (SELECT embedding FROM ml.users
              WHERE user_id = ?), movie_vec => embedding, genres => genres,
              popularity => popularity) AS score
              FROM ml.movies WHERE movie_id IN ? ORDER BY score DESC LIMIT 10;
            """
        )
        #expect(statement.markers.map(\.index) == [0, 1])
        guard case .select(let select) = statement.kind,
            case .items(let items) = select.selection,
            case .call(let call) = items[2].expression.kind,
            case .subquery(let subquery) = call.arguments[0].value.kind
        else {
            Issue.record("\(statement)")
            return
        }
        #expect(items.count == 3)
        #expect(items[2].alias?.name == "score")
        #expect(call.name.name.name == "ranker")
        #expect(
            call.arguments.map { $0.name?.name }
                == ["user_vec", "movie_vec", "genres", "popularity"]
        )
        #expect(subquery.description == "SELECT embedding FROM ml.users WHERE user_id = ?")
        #expect(select.relations.map(\.kind.inMarker?.index) == [1])
        #expect(select.orderings.map(\.isDescending) == [true])
    }

    @Test func `nearest neighbours are an ordering of their own`() throws {
        let select = try parseSelect(
            """
            SELECT movie_id, similarity_dot_product(embedding, ?) FROM ml.movies
            ORDER BY embedding ANN OF ? LIMIT 500
            """
        )
        guard case .nearest(let column, let query) = select.orderings[0].key else {
            Issue.record("\(select)")
            return
        }
        #expect(column.name == "embedding")
        #expect(query.kind.marker?.index == 1)
        #expect(try parseSelect("SELECT a FROM t ORDER BY ann").orderings.count == 1)
        #expect(
            try text("SELECT a FROM t ORDER BY v ANN OF [0.5, -1e-3] LIMIT 2")
                == "SELECT a FROM t ORDER BY v ANN OF [0.5, -1e-3] LIMIT 2"
        )
    }

    @Test func `an ordering may be computed`() throws {
        #expect(
            try text("SELECT a FROM t ORDER BY ml.\"ranker@3\"(a) DESC, b")
                == "SELECT a FROM t ORDER BY ml.\"ranker@3\"(a) DESC, b"
        )
    }

    @Test(
        arguments: [
            "SELECT count(*) FROM t",
            "SELECT a, 1 AS one, 'x', true, null, [1, 2], {1, 2}, {'a': 1}, {}, (1, 2) FROM t",
            "SELECT writetime(a), ttl(a), token(a, b), now() FROM t",
            "SELECT f(g(a, ?), x => :named) AS y FROM t",
            "SELECT system.f(a), cast(a as text), m['k'], u.street, -a, -f(a) FROM t",
            "SELECT a FROM t WHERE a IN (1, ?, 'x')",
            "SELECT a FROM t WHERE a IN ()",
            "SELECT a FROM t WHERE a IN ?",
            "SELECT a FROM t WHERE a IN :ids AND b < 1 AND c <= 2 AND d > 3 AND e >= 4 AND f != 5",
            "SELECT a FROM t WHERE token(a, b) > -9223372036854775808 AND token(a, b) <= token(1, 2)",
            "SELECT a FROM t WHERE a CONTAINS 1 AND b CONTAINS KEY 'x' AND c LIKE 'x%'",
            "SELECT a FROM t WHERE (a, b) > (1, 2) AND (c, d) IN ((1, 2), (3, 4)) AND (e) IN ?",
            "SELECT a FROM t WHERE a IS NOT NULL AND m['k'] = 1 AND u.f = 2",
            "SELECT a FROM t WHERE a = (SELECT b FROM u WHERE c = 1 LIMIT 1)",
            "SELECT a FROM t WHERE contains = 1 AND like = 2 AND key CONTAINS key",
        ])
    func `a select reads back as its own text`(_ cql: String) throws {
        #expect(try text(cql) == cql)
    }

    @Test func `count of one is count of rows`() throws {
        #expect(try text("SELECT COUNT(1) FROM t") == "SELECT count(*) FROM t")
        #expect(try text("SELECT count(2) FROM t") == "SELECT count(2) FROM t")
        #expect(try text("SELECT count(a) FROM t") == "SELECT count(a) FROM t")
        #expect(try text("SELECT count FROM t") == "SELECT count FROM t")
    }

    @Test func `contains key is told from a column named key`() throws {
        let relations = try parseSelect(
            "SELECT a FROM t WHERE a CONTAINS KEY ? AND a CONTAINS key AND b CONTAINS KEY key"
        ).relations
        guard case .containsKey(_, let first) = relations[0].kind,
            case .contains(_, let second) = relations[1].kind,
            case .containsKey(_, let third) = relations[2].kind
        else {
            Issue.record("\(relations)")
            return
        }
        #expect(first.kind.marker?.index == 0)
        #expect(second.description == "key")
        #expect(third.description == "key")
    }

    @Test func `distinct, json and as may be columns`() throws {
        #expect(try text("SELECT distinct FROM t") == "SELECT distinct FROM t")
        #expect(try text("SELECT distinct, json FROM t") == "SELECT distinct, json FROM t")
        #expect(try text("SELECT json AS j FROM t") == "SELECT json AS j FROM t")
        #expect(try parseSelect("SELECT DISTINCT json FROM t").isDistinct)
        #expect(try text("SELECT as AS as FROM t") == "SELECT as AS as FROM t")
    }

    @Test func `every query that drivers send at connect parses`() throws {
        for table in [
            "keyspaces", "tables", "columns", "types", "functions", "aggregates", "triggers",
            "indexes", "views",
        ] {
            #expect(
                try text("SELECT * FROM system_schema.\(table)")
                    == "SELECT * FROM system_schema.\(table)"
            )
        }
        for query in [
            "SELECT * FROM system.peers_v2", "SELECT * FROM system.peers",
            "SELECT * FROM system.local WHERE key='local'", "SELECT * FROM system.local",
            "SELECT * FROM system_virtual_schema.keyspaces",
            "SELECT * FROM system_virtual_schema.tables",
            "SELECT * FROM system_virtual_schema.columns",
            """
            SELECT host_id, peer, peer_port, native_address, native_port, schema_version
            FROM system.peers_v2
            """,
            "SELECT schema_version FROM system.local WHERE key='local'",
            "SELECT * FROM system_schema.keyspaces WHERE keyspace_name = 'x'",
            "SELECT * FROM system_schema.tables WHERE keyspace_name = 'x' AND table_name = 't'",
            "SELECT * FROM system_schema.views WHERE keyspace_name = 'x' AND view_name = 't'",
            "SELECT * FROM system.prepared_statements",
            "SELECT tokens, rack, data_center FROM system.local",
            "SELECT feature_name, value, event_ts FROM \"ks\".\"proj_fv\" WHERE entity_key = ?;",
            """
            SELECT entity_key, similarity_cosine(vector_value, ?) AS score, event_ts FROM t
            WHERE feature_name = ? ORDER BY vector_value ANN OF ? LIMIT ? ALLOW FILTERING
            """,
        ] {
            _ = try parseSelect(query)
        }
    }
}
