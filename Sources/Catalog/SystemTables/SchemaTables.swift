import Catalog
import TokenPlacement

/// The keyspace `system_schema`: the schema as drivers and cqlsh read it, the keyspaces `system`
/// and `system_schema` included.
enum SchemaTables {
    static let all = [
        keyspaces, tables, columns, types, functions, aggregates, triggers, indexes, views,
        droppedColumns,
    ]

    private static let textMap = CQLType.map(.text, .text)

    private static let keyspaces = SystemTable(
        "system_schema",
        "keyspaces",
        number: 16,
        comment: "keyspace definitions",
        partitionKey: ["keyspace_name": .text],
        columns: ["durable_writes": .boolean, "replication": textMap]
    ) { snapshot, rows in
        let local = [("class", "org.apache.cassandra.locator.LocalStrategy")]
        let system = SystemTables.localKeyspaces.map { ($0, true, local) }
        let regular = snapshot.state.keyspaces.values.map {
            ($0.name, $0.durableWrites, $0.replication.cassandraOptions)
        }
        for (name, durableWrites, replication) in (system + regular).sorted(by: { $0.0 < $1.0 }) {
            rows.append([
                "keyspace_name": .text(name),
                "durable_writes": .boolean(durableWrites),
                "replication": .map(replication),
            ])
        }
    }

    private static let tables = SystemTable(
        "system_schema",
        "tables",
        number: 17,
        comment: "table definitions",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["table_name": .text],
        columns: [
            "additional_write_policy": .text, "allow_auto_snapshot": .boolean,
            "bloom_filter_fp_chance": .double, "caching": textMap, "cdc": .boolean,
            "comment": .text, "compaction": textMap, "compression": textMap,
            "crc_check_chance": .double, "dclocal_read_repair_chance": .double,
            "default_time_to_live": .int, "extensions": .map(.text, .blob), "flags": .set(.text),
            "gc_grace_seconds": .int, "id": .uuid, "incremental_backups": .boolean,
            "max_index_interval": .int, "memtable": .text, "memtable_flush_period_in_ms": .int,
            "min_index_interval": .int, "read_repair": .text, "read_repair_chance": .double,
            "speculative_retry": .text,
        ]
    ) { snapshot, rows in
        for table in listedTables(snapshot) {
            rows.append([
                "keyspace_name": .text(table.keyspace),
                "table_name": .text(table.name),
                "additional_write_policy": .text("99p"),
                "allow_auto_snapshot": .boolean(true),
                "bloom_filter_fp_chance": .double(0.01),
                "caching": .map([("keys", "ALL"), ("rows_per_partition", "NONE")]),
                "comment": .text(table.options.comment),
                "compaction": compaction,
                "compression": compression,
                "crc_check_chance": .double(1),
                "dclocal_read_repair_chance": .double(0),
                "default_time_to_live": .int(Int(table.options.defaultTimeToLiveSeconds)),
                "extensions": .map(extensions(of: table.options)),
                // Without it drivers assume COMPACT STORAGE.
                "flags": .set(["compound"]),
                "gc_grace_seconds": .int(Int(table.options.gcGraceSeconds)),
                "id": .uuid(table.uuid),
                "incremental_backups": .boolean(true),
                "max_index_interval": .int(2048),
                "memtable_flush_period_in_ms": .int(0),
                "min_index_interval": .int(128),
                "read_repair": .text("BLOCKING"),
                "read_repair_chance": .double(0),
                "speculative_retry": .text("99p"),
            ])
        }
    }

    private static let columns = SystemTable(
        "system_schema",
        "columns",
        number: 18,
        comment: "column definitions",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["table_name": .text, "column_name": .text],
        columns: [
            "clustering_order": .text, "column_name_bytes": .blob, "kind": .text,
            "position": .int, "type": .text,
        ]
    ) { snapshot, rows in
        for table in listedTables(snapshot) { rows.appendColumns(of: table) }
    }

    private static let types = SystemTable(
        "system_schema",
        "types",
        number: 19,
        comment: "user defined type definitions",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["type_name": .text],
        columns: ["field_names": .list(.text), "field_types": .list(.text)]
    )

    /// A model is a function here; its body is the sha256 of the version that its name stands for.
    private static let functions = SystemTable(
        "system_schema",
        "functions",
        number: 20,
        comment: "models, and what they take",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["function_name": .text, "argument_types": .list(.text)],
        columns: [
            "argument_names": .list(.text), "body": .text, "called_on_null_input": .boolean,
            "deterministic": .boolean, "language": .text, "return_type": .text,
        ]
    ) { snapshot, rows in
        for model in snapshot.state.models.values.sorted(by: { $0.name < $1.name }) {
            let parameters = model.signature.parameters
            rows.append([
                "keyspace_name": .text(model.name.keyspace),
                "function_name": .text(model.name.name),
                "argument_types": .list(parameters.map(\.type.cqlType.cqlText)),
                "argument_names": .list(parameters.map(\.name)),
                "body": .text(model.current.hash.description),
                "called_on_null_input": .boolean(true),
                "deterministic": .boolean(true),
                "language": .text("onnx"),
                "return_type": .text("float"),
            ])
        }
    }

    private static let aggregates = SystemTable(
        "system_schema",
        "aggregates",
        number: 21,
        comment: "user defined aggregate definitions",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["aggregate_name": .text, "argument_types": .list(.text)],
        columns: [
            "deterministic": .boolean, "final_func": .text, "initcond": .text,
            "return_type": .text, "state_func": .text, "state_type": .text,
        ]
    )

    private static let triggers = SystemTable(
        "system_schema",
        "triggers",
        number: 22,
        comment: "trigger definitions",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["table_name": .text, "trigger_name": .text],
        columns: ["options": textMap]
    )

    private static let indexes = SystemTable(
        "system_schema",
        "indexes",
        number: 23,
        comment: "secondary index definitions",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["table_name": .text, "index_name": .text],
        columns: ["kind": .text, "options": textMap]
    )

    private static let views = SystemTable(
        "system_schema",
        "views",
        number: 24,
        comment: "view definitions",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["view_name": .text],
        columns: [
            "additional_write_policy": .text, "allow_auto_snapshot": .boolean,
            "base_table_id": .uuid, "base_table_name": .text, "bloom_filter_fp_chance": .double,
            "caching": textMap, "cdc": .boolean, "comment": .text, "compaction": textMap,
            "compression": textMap, "crc_check_chance": .double,
            "dclocal_read_repair_chance": .double, "default_time_to_live": .int,
            "extensions": .map(.text, .blob), "gc_grace_seconds": .int, "id": .uuid,
            "include_all_columns": .boolean, "incremental_backups": .boolean,
            "max_index_interval": .int, "memtable": .text, "memtable_flush_period_in_ms": .int,
            "min_index_interval": .int, "read_repair": .text, "read_repair_chance": .double,
            "speculative_retry": .text, "where_clause": .text,
        ]
    )

    private static let droppedColumns = SystemTable(
        "system_schema",
        "dropped_columns",
        number: 25,
        comment: "dropped column registry",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["table_name": .text, "column_name": .text],
        columns: ["dropped_time": .timestamp, "kind": .text, "type": .text]
    )

    // Cassandra's defaults, in the form that drivers expect; RocksDB is set otherwise.
    private static var compaction: EncodedValue {
        .map([
            ("class", "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy"),
            ("max_threshold", "32"),
            ("min_threshold", "4"),
        ])
    }

    private static var compression: EncodedValue {
        .map([
            ("chunk_length_in_kb", "16"),
            ("class", "org.apache.cassandra.io.compress.LZ4Compressor"),
        ])
    }

    /// Martlet's own options where they are not the default; drivers pass over what they do not
    /// know here.
    private static func extensions(of options: TableOptions) -> [(String, String)] {
        options.durability == .synced
            ? [] : [("martlet.durability", options.durability.description)]
    }

    /// The tables of the local system keyspaces and of the users', by keyspace and name.
    private static func listedTables(_ snapshot: SystemSnapshot) -> [TableDefinition] {
        let system = SystemTables.tables.filter {
            SystemTables.localKeyspaces.contains($0.keyspace)
        }
        return (system + snapshot.state.tables.values.flatMap(\.values)).sorted {
            ($0.keyspace, $0.name) < ($1.keyspace, $1.name)
        }
    }
}

extension SystemRows {
    /// Appends a table's columns by name, as rows of `columns` in either schema keyspace.
    mutating func appendColumns(of described: TableDefinition) {
        for column in described.columns.sorted(by: { $0.name < $1.name }) {
            let isKey = column.kind == .partitionKey || column.kind == .clustering
            // Collections in Cassandra's schema tables are one value each.
            let isFrozen = described.keyspace == "system_schema" && column.type.isCollection
            append([
                "keyspace_name": .text(described.keyspace),
                "table_name": .text(described.name),
                "column_name": .text(column.name),
                "clustering_order": .text(column.kind == .clustering ? "asc" : "none"),
                "column_name_bytes": .blob(column.name.utf8),
                "kind": .text(column.kind.cassandraName),
                "position": .int(isKey ? column.position : -1),
                "type": .text(isFrozen ? "frozen<\(column.type.cqlText)>" : column.type.cqlText),
            ])
        }
    }
}
