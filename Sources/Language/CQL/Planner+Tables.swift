internal import CQLSyntax
internal import Catalog
internal import ClusterLog
internal import TokenPlacement

extension Planner {
    /// The most columns of a table.
    static let columnCountMax = 2000
    /// The most bytes of a column's name.
    static let columnNameByteCountMax = 255

    mutating func createTable(_ statement: CreateTableStatement) throws(CQLError) -> SchemaPlan {
        let keyspace = try keyspace(of: statement.table)
        let name = statement.table.name.name
        try checkNotProtected(keyspace)
        try Self.checkName(name, of: "Table")
        guard state.keyspaces[keyspace] != nil else {
            throw .invalid("Keyspace '\(keyspace)' doesn't exist")
        }
        let qualifiedName = "\(keyspace).\(name)"
        guard statement.clusteringKey.isEmpty, statement.clusteringOrder.isEmpty else {
            let columns = statement.clusteringKey.map(\.name).joined(separator: ", ")
            throw .unsupported(
                "a clustering key (\(columns)) of \(qualifiedName)",
                "put the columns into the partition key, or one row per entity"
            )
        }
        let columns = try columns(of: statement, qualifiedName)
        let options = try tableOptions(statement.properties)
        if !statement.ifNotExists, state.table(keyspace, name) != nil {
            throw .alreadyExists(keyspace: keyspace, table: name)
        }
        let table = TableDefinition(
            id: TableID(0),
            uuid: NodeID(high: 0, low: 0),
            keyspace: keyspace,
            name: name,
            columns: columns,
            options: options.applied(to: TableOptions())
        )
        return SchemaPlan(change: .createTable(table), isConditional: statement.ifNotExists)
    }

    private func columns(
        of statement: CreateTableStatement,
        _ table: String
    ) throws(CQLError) -> [Catalog.ColumnDefinition] {
        guard !statement.partitionKey.isEmpty else {
            throw .invalid("No PRIMARY KEY specified for table \(table) (exactly one required)")
        }
        guard statement.columns.count <= Self.columnCountMax else {
            throw .invalid(
                "table \(table) has \(statement.columns.count) columns, the limit is "
                    + "\(Self.columnCountMax): use vector<float, n> for features of one kind"
            )
        }
        var positions: [String: Int] = [:]
        for (position, name) in statement.partitionKey.enumerated() {
            guard positions.updateValue(position, forKey: name.name) == nil else {
                throw .invalid("Duplicate definition of key column '\(name.name)' of \(table)")
            }
        }
        var columns: [Catalog.ColumnDefinition] = []
        var seen: Set<String> = []
        for (index, column) in statement.columns.enumerated() {
            let name = column.name.name
            guard (1...Self.columnNameByteCountMax).contains(name.utf8.count) else {
                throw .invalid(
                    "a column's name has 1 to \(Self.columnNameByteCountMax) bytes, one of "
                        + "\(table) has \(name.utf8.count)"
                )
            }
            guard seen.insert(name).inserted else {
                throw .invalid("Duplicate column '\(name)' declaration for table \(table)")
            }
            guard !column.isStatic else {
                throw .unsupported(
                    "STATIC (column \(name) of \(table))",
                    "each partition has one row; leave STATIC out"
                )
            }
            let type = try CQLTypeNames.resolve(column.type, subject: "column \(name) of \(table)")
            let position = positions[name]
            columns.append(
                Catalog.ColumnDefinition(
                    id: ColumnID(UInt32(index + 1)),
                    name: name,
                    type: type,
                    kind: position == nil ? .regular : .partitionKey,
                    position: position ?? 0
                )
            )
        }
        for name in statement.partitionKey where !seen.contains(name.name) {
            throw .invalid("Unknown column '\(name.name)' in the PRIMARY KEY of table \(table)")
        }
        return columns
    }

    /// Cassandra's options that have no counterpart here, and do no harm where they are ignored.
    private static let ignoredOptions: Set<String> = [
        "additional_write_policy", "allow_auto_snapshot", "bloom_filter_fp_chance", "caching",
        "cdc", "compaction", "compression", "crc_check_chance", "dclocal_read_repair_chance",
        "extensions", "id", "incremental_backups", "max_index_interval", "memtable",
        "memtable_flush_period_in_ms", "min_index_interval", "populate_io_cache_on_flush",
        "read_repair", "read_repair_chance", "speculative_retry",
    ]

    /// Plans an ALTER TABLE, which changes options only.
    mutating func alterTable(_ statement: AlterTableStatement) throws(CQLError) -> SchemaPlan {
        let keyspace = try keyspace(of: statement.table)
        let name = statement.table.name.name
        try checkNotProtected(keyspace)
        let properties: [Property]
        switch statement.action {
        case .set(let given): properties = given
        case .add: throw Self.laterAlteration("ADD")
        case .drop: throw Self.laterAlteration("DROP")
        case .rename: throw Self.laterAlteration("RENAME")
        }
        guard statement.ifExists || state.table(keyspace, name) != nil else {
            throw .invalid("Table '\(keyspace).\(name)' doesn't exist")
        }
        return SchemaPlan(
            change: .alterTable(
                keyspace: keyspace,
                name: name,
                try tableOptions(properties)
            ),
            isConditional: statement.ifExists
        )
    }

    private static func laterAlteration(_ action: String) -> CQLError {
        .unsupported(
            "ALTER TABLE ... \(action)",
            "changing columns comes later; create a new table and import it (ALTER TABLE ... WITH "
                + "changes options)"
        )
    }

    private mutating func tableOptions(
        _ properties: [Property]
    ) throws(CQLError) -> TableOptionsChange {
        var options = TableOptionsChange()
        var ignored: [String] = []
        for (name, value) in try Self.byName(properties) {
            switch name {
            case "comment":
                guard case .literal(.string(let text)) = value.kind else {
                    throw .configuration("comment must be a text, it is \(value)")
                }
                options.comment = text
            case "default_time_to_live":
                options.defaultTimeToLiveSeconds = try Self.seconds(
                    value,
                    of: name,
                    maximum: WritePlan.timeToLiveSecondsMax
                )
            case "gc_grace_seconds":
                options.gcGraceSeconds = try Self.seconds(value, of: name, maximum: .max)
            case "durability":
                guard case .literal(.string(let text)) = value.kind,
                    let durability = TableDurability(optionValue: text)
                else {
                    throw .configuration(
                        "durability must be 'synced' (an acknowledged write survives the loss of "
                            + "power) or 'periodic' (it survives the end of the process), it is "
                            + "\(value)"
                    )
                }
                options.durability = durability
            default:
                guard Self.ignoredOptions.contains(name) else {
                    throw .syntax(
                        "Unknown property '\(name)': a table has comment, default_time_to_live, "
                            + "gc_grace_seconds and durability"
                    )
                }
                ignored.append(name)
            }
        }
        if !ignored.isEmpty {
            warnings.append(
                "Ignored table options of Cassandra's: \(ignored.joined(separator: ", "))"
            )
        }
        return options
    }

    private static func seconds(
        _ value: Expression,
        of option: String,
        maximum: Int32
    ) throws(CQLError) -> Int32 {
        let number: Int32? =
            switch value.kind {
            case .literal(.integer(let digits)), .literal(.string(let digits)): Int32(digits)
            default: nil
            }
        guard let number, (0...maximum).contains(number) else {
            throw .configuration("\(option) must be 0 to \(maximum) seconds, it is \(value)")
        }
        return number
    }

    func dropTable(_ statement: DropTableStatement) throws(CQLError) -> SchemaPlan {
        let keyspace = try keyspace(of: statement.table)
        let name = statement.table.name.name
        try checkNotProtected(keyspace)
        guard statement.ifExists || state.table(keyspace, name) != nil else {
            throw .invalid("Table '\(keyspace).\(name)' doesn't exist")
        }
        return SchemaPlan(
            change: .dropTable(keyspace: keyspace, name: name),
            isConditional: statement.ifExists
        )
    }
}
