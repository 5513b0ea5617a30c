import Catalog
import SystemTables
import Testing
import TokenPlacement

/// `system_schema` and `system_virtual_schema`.
@Suite struct SchemaTablesTests {
    @Test func `keyspaces show their replication`() throws {
        let rows = try DecodedRow.all(of: "system_schema.keyspaces")
        #expect(rows.map { $0["keyspace_name"] } == ["Simple", "ml", "system", "system_schema"])
        #expect(
            rows.map { $0["replication"] } == [
                "{class: org.apache.cassandra.locator.SimpleStrategy, replication_factor: 2}",
                "{class: org.apache.cassandra.locator.NetworkTopologyStrategy, dc1: 3}",
                "{class: org.apache.cassandra.locator.LocalStrategy}",
                "{class: org.apache.cassandra.locator.LocalStrategy}",
            ]
        )
        #expect(rows.map { $0["durable_writes"] } == ["false", "true", "true", "true"])
    }

    @Test func `tables show their options and Cassandra's defaults`() throws {
        let rows = try DecodedRow.all(of: "system_schema.tables")
        let movies = try #require(rows.first { $0["table_name"] == "movies" })
        #expect(movies["keyspace_name"] == "ml")
        #expect(movies["id"] == "7-8")
        #expect(movies["comment"] == "films")
        #expect(movies["default_time_to_live"] == "60")
        #expect(movies["gc_grace_seconds"] == "5")
        #expect(movies["caching"] == "{keys: ALL, rows_per_partition: NONE}")
        #expect(movies["extensions"] == "{}")
        #expect(movies["read_repair"] == "BLOCKING")
        for row in rows { #expect(row["flags"] == "[compound]") }
        let names = rows.map { "\($0["keyspace_name"] ?? "").\($0["table_name"] ?? "")" }
        #expect(names == names.sorted())
        #expect(names.contains("system.local") && names.contains("system_schema.columns"))
        #expect(
            !names.contains { $0.hasPrefix("system_martlet") || $0.hasPrefix("system_virtual") }
        )
    }

    @Test func `a table that is not synced says so among its extensions`() throws {
        var state = Fixture.state()
        state.tables["ml"]?["movies"]?.options.durability = .periodic
        let rows = try DecodedRow.all(of: "system_schema.tables", in: Fixture.snapshot(state))
        let movies = try #require(rows.first { $0["table_name"] == "movies" })
        let periodic = Array("periodic".utf8)
        #expect(movies["extensions"] == "{martlet.durability: \(periodic)}")
    }

    @Test func `columns show type, kind and position`() throws {
        let rows = try DecodedRow.all(of: "system_schema.columns")
            .filter { $0["keyspace_name"] == "ml" }
        let shown = rows.map { row in
            ["column_name", "kind", "position", "clustering_order", "type"].map {
                row[$0] ?? "null"
            }
        }
        #expect(
            shown == [
                ["embedding", "regular", "-1", "none", "vector<float, 3>"],
                ["movie_id", "partition_key", "0", "none", "int"],
                ["tags", "regular", "-1", "none", "set<text>"],
                ["title", "regular", "-1", "none", "text"],
            ]
        )
    }

    @Test func `the schema tables describe themselves`() throws {
        let rows = try DecodedRow.all(of: "system_schema.columns")
        let own = rows.filter { $0["table_name"] == "columns" }
        #expect(
            own.map { [$0["column_name"], $0["kind"], $0["position"], $0["clustering_order"]] } == [
                ["clustering_order", "regular", "-1", "none"],
                ["column_name", "clustering", "1", "asc"],
                ["column_name_bytes", "regular", "-1", "none"],
                ["keyspace_name", "partition_key", "0", "none"],
                ["kind", "regular", "-1", "none"],
                ["position", "regular", "-1", "none"],
                ["table_name", "clustering", "0", "asc"],
                ["type", "regular", "-1", "none"],
            ]
        )
        let types = Dictionary(
            uniqueKeysWithValues: rows.map {
                ("\($0["keyspace_name"]!).\($0["table_name"]!).\($0["column_name"]!)", $0["type"])
            }
        )
        #expect(types["system_schema.keyspaces.replication"] == "frozen<map<text, text>>")
        #expect(types["system_schema.tables.flags"] == "frozen<set<text>>")
        #expect(types["system.local.tokens"] == "set<text>")
        #expect(types["system.peers_v2.peer"] == "inet")
    }

    @Test func `models are functions`() throws {
        let rows = try DecodedRow.all(of: "system_schema.functions")
        #expect(
            rows.map(\.values) == [
                [
                    "keyspace_name": "ml", "function_name": "ranker",
                    "argument_types": "[vector<float, 4>, float]",
                    "argument_names": "[user, popularity]",
                    "body": String(repeating: "22", count: 32), "called_on_null_input": "true",
                    "deterministic": "true", "language": "onnx", "return_type": "float",
                ]
            ]
        )
    }

    @Test(arguments: [
        "types", "aggregates", "triggers", "indexes", "views", "dropped_columns",
    ])
    func `what Martlet does not have is an empty table`(name: String) throws {
        #expect(try DecodedRow.all(of: "system_schema.\(name)").isEmpty)
    }

    @Test func `virtual keyspaces stand in the virtual schema only`() throws {
        #expect(
            try DecodedRow.all(of: "system_virtual_schema.keyspaces").map { $0["keyspace_name"] }
                == ["system_martlet", "system_virtual_schema"]
        )
        let tables = try DecodedRow.all(of: "system_virtual_schema.tables")
        #expect(
            tables.map { "\($0["keyspace_name"] ?? "").\($0["table_name"] ?? "")" } == [
                "system_martlet.caches", "system_martlet.cluster", "system_martlet.hints",
                "system_martlet.memory", "system_martlet.models", "system_martlet.nodes",
                "system_martlet.repair_runs", "system_martlet.ring",
                "system_martlet.slice_repairs", "system_virtual_schema.columns",
                "system_virtual_schema.keyspaces", "system_virtual_schema.tables",
            ]
        )
        let columns = try DecodedRow.all(of: "system_virtual_schema.columns")
        let ring = columns.filter { $0["table_name"] == "ring" }
        #expect(
            ring.map { $0["column_name"] } == ["address", "data_center", "node", "rack", "token"]
        )
        #expect(ring.last?["kind"] == "partition_key")
    }
}
