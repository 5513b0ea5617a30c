import Catalog
import SystemTables
import Testing
import TokenPlacement

/// Martlet's own tables, and what holds for all virtual tables.
@Suite struct SystemTablesTests {
    @Test func `nodes shows who is up and what they own`() throws {
        let snapshot = Fixture.snapshot(Fixture.state(nodes: 4))
        let rows = try DecodedRow.all(of: "system_martlet.nodes", in: snapshot)
        #expect(
            rows.first?.values == [
                "node": "171-1", "address": "127.0.0.1", "native_port": "9042",
                "internode_port": "7001", "data_center": "dc1", "rack": "rack1", "status": "UN",
                "owns": "0.5", "slices": "4", "tokens": "3", "is_founder": "true", "epoch": "9",
                "load_bytes": "4096",
            ]
        )
        #expect(rows.map { $0["status"] } == ["UN", "UN", "DN", "DJ"])
        #expect(rows.map { $0["slices"] } == ["4", "3", "1", "0"])
        #expect(rows.map { $0["owns"] } == ["0.5", "0.375", "0.125", "0.0"])
        #expect(rows.map { $0["tokens"] } == ["3", "2", "1", "0"])
        #expect(rows.map { $0["epoch"] } == ["9", "8", nil, nil])
        #expect(rows.map { $0["is_founder"] } == ["true", "false", "false", "false"])
    }

    @Test func `the ring goes upwards and ends with the greatest token`() throws {
        let rows = try DecodedRow.all(of: "system_martlet.ring")
        let tokens = rows.compactMap { $0["token"] }.compactMap(Int64.init)
        #expect(tokens.count == 6)
        #expect(tokens == tokens.sorted())
        #expect(tokens.first == Int64.min / 2 - 1)
        #expect(tokens.last == .max)
        #expect(rows.map { $0["node"] } == ["171-1", "171-2", "171-3", "171-1", "171-2", "171-1"])
        #expect(rows[1]["rack"] == "rack2")
        let without = Fixture.snapshot(Fixture.state(hasOwners: false))
        #expect(try DecodedRow.all(of: "system_martlet.ring", in: without).isEmpty)
    }

    @Test func `models shows every version and which is current`() throws {
        let rows = try DecodedRow.all(of: "system_martlet.models")
        let signature = "user vector<float, 4>, popularity float DEFAULT 0.0 => p"
        #expect(
            rows.map(\.values)
                == [(1, "11", "false"), (2, "22", "true")].map {
                    [
                        "keyspace_name": "ml", "name": "ranker", "version": "\($0.0)",
                        "bytes": "\($0.0)000", "current": $0.2,
                        "sha256": String(repeating: $0.1, count: 32), "signature": signature,
                    ]
                }
        )
    }

    @Test func `cluster is one row`() throws {
        let rows = try DecodedRow.all(of: "system_martlet.cluster")
        #expect(
            rows.map(\.values) == [
                [
                    "name": "Test Cluster", "cluster_id": "1-2", "epoch": "9",
                    "expected_nodes": "3",
                    "founder": "171-1", "has_owners": "true", "martlet_version": "0.1.0",
                    "schema_version": "5-6", "slice_count": "8",
                ]
            ]
        )
    }

    @Test func `tables are found by name and have ids of their own`() {
        let tables = SystemTables.tables
        for table in tables {
            #expect(SystemTables.table(keyspace: table.keyspace, name: table.name) == table)
            #expect(SystemTables.isSystemKeyspace(table.keyspace))
            #expect(table.id.value >= 0xFFFF_FF00)
            #expect(table.partitionKeyCount > 0)
            #expect(Set(table.columns.map(\.id)).count == table.columns.count)
        }
        #expect(Set(tables.map(\.id)).count == tables.count)
        #expect(Set(tables.map(\.uuid)).count == tables.count)
        #expect(SystemTables.table(keyspace: "system", name: "nobody") == nil)
        #expect(SystemTables.table(keyspace: "ml", name: "movies") == nil)
        #expect(!SystemTables.isSystemKeyspace("ml"))
        #expect(
            SystemTables.keyspaces.map(\.name)
                == ["system", "system_martlet", "system_schema", "system_virtual_schema"]
        )
    }

    @Test func `every table renders, its keys unique and never null`() throws {
        for table in SystemTables.tables {
            let rows = SystemTables.rows(of: table, in: Fixture.snapshot())
            let keyCount = table.columns.count {
                $0.kind == .partitionKey || $0.kind == .clustering
            }
            for row in rows {
                try #require(row.count == table.columns.count)
                #expect(!row[..<keyCount].contains(nil), "\(table.qualifiedName)")
                for (column, value) in zip(table.columns, row) {
                    if let value { try column.type.validate(value) }
                }
            }
            #expect(Set(rows.map { Array($0[..<keyCount]) }).count == rows.count)
        }
    }

    @Test func `a table of the users is not rendered`() {
        #expect(SystemTables.rows(of: Fixture.movies, in: Fixture.snapshot()).isEmpty)
    }
}
