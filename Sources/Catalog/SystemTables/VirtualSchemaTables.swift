import Catalog

/// The keyspace `system_virtual_schema`: the schema of the keyspaces that Cassandra's drivers take
/// for virtual, itself included.
enum VirtualSchemaTables {
    static let all = [keyspaces, tables, columns]

    private static let keyspaces = SystemTable(
        "system_virtual_schema",
        "keyspaces",
        number: 32,
        comment: "virtual keyspace definitions",
        partitionKey: ["keyspace_name": .text],
        columns: [:]
    ) { _, rows in
        for name in SystemTables.virtualKeyspaces { rows.append(["keyspace_name": .text(name)]) }
    }

    private static let tables = SystemTable(
        "system_virtual_schema",
        "tables",
        number: 33,
        comment: "virtual table definitions",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["table_name": .text],
        columns: ["comment": .text]
    ) { _, rows in
        for table in listedTables {
            rows.append([
                "keyspace_name": .text(table.keyspace),
                "table_name": .text(table.name),
                "comment": .text(table.options.comment),
            ])
        }
    }

    private static let columns = SystemTable(
        "system_virtual_schema",
        "columns",
        number: 34,
        comment: "virtual column definitions",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["table_name": .text, "column_name": .text],
        columns: [
            "clustering_order": .text, "column_name_bytes": .blob, "kind": .text,
            "position": .int, "type": .text,
        ]
    ) { _, rows in
        for table in listedTables { rows.appendColumns(of: table) }
    }

    private static var listedTables: [TableDefinition] {
        SystemTables.tables.filter { SystemTables.virtualKeyspaces.contains($0.keyspace) }
    }
}
