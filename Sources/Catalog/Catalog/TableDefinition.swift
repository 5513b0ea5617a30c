package import TokenPlacement

/// The number by which keys on disk and messages name a table.
///
/// It is never used again.
package struct TableID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number itself; 0 is no table.
    package var value: UInt32

    /// The id with a number.
    package init(_ value: UInt32) { self.value = value }

    package var description: String { String(value) }

    package static func < (left: TableID, right: TableID) -> Bool { left.value < right.value }
}

/// The number by which cells on disk name a column of their table.
///
/// It is never used again.
package struct ColumnID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number itself, unique within the table.
    package var value: UInt32

    /// The id with a number.
    package init(_ value: UInt32) { self.value = value }

    package var description: String { String(value) }

    package static func < (left: ColumnID, right: ColumnID) -> Bool { left.value < right.value }
}

/// What part a column has in its table's rows.
package enum ColumnKind: UInt8, Hashable, Sendable {
    case partitionKey = 0
    case clustering = 1
    case `static` = 2
    case regular = 3

    /// The kind as `system_schema.columns` writes it.
    package var cassandraName: String {
        switch self {
        case .partitionKey: "partition_key"
        case .clustering: "clustering"
        case .static: "static"
        case .regular: "regular"
        }
    }
}

/// A column of a table.
package struct ColumnDefinition: Hashable, Sendable {
    /// The column's number on disk.
    package var id: ColumnID
    /// Its name, folded to lower case unless it was quoted.
    package var name: String
    /// The type of its values.
    package var type: CQLType
    /// Its part in the rows.
    package var kind: ColumnKind
    /// Its place in the partition or clustering key, from 0; 0 for other kinds.
    package var position: Int

    /// A column with all its parts.
    package init(id: ColumnID, name: String, type: CQLType, kind: ColumnKind, position: Int = 0) {
        self.id = id
        self.name = name
        self.type = type
        self.kind = kind
        self.position = position
    }
}

/// What an acknowledged write of a table survives.
package enum TableDurability: UInt8, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// The end of the process at once, the loss of power only after the next periodic sync.
    case periodic = 0
    /// The loss of power: replicas sync before they answer.
    case synced = 1

    /// The durability that a table option names, or nil.
    package init?(optionValue: String) {
        guard let found = Self.allCases.first(where: { $0.description == optionValue }) else {
            return nil
        }
        self = found
    }

    /// The value of the table option `durability`.
    package var description: String {
        switch self {
        case .periodic: "periodic"
        case .synced: "synced"
        }
    }
}

/// A table's settings beyond its columns.
package struct TableOptions: Hashable, Sendable {
    /// Free text.
    package var comment: String
    /// The time to live of cells that are written without one, in seconds; 0: for ever.
    package var defaultTimeToLiveSeconds: Int32
    /// How long a tombstone is kept at the least, in seconds (Cassandra's default is ten days).
    package var gcGraceSeconds: Int32
    /// What its acknowledged writes survive (Martlet's own).
    package var durability: TableDurability

    /// Options, Cassandra's defaults where not given.
    package init(
        comment: String = "",
        defaultTimeToLiveSeconds: Int32 = 0,
        gcGraceSeconds: Int32 = 864_000,
        durability: TableDurability = .synced
    ) {
        self.comment = comment
        self.defaultTimeToLiveSeconds = defaultTimeToLiveSeconds
        self.gcGraceSeconds = gcGraceSeconds
        self.durability = durability
    }
}

/// A table: its columns and settings.
package struct TableDefinition: Hashable, Sendable {
    /// The table's number on disk and between nodes.
    package var id: TableID
    /// The id that drivers see (`system_schema.tables.id`).
    package var uuid: NodeID
    /// The keyspace it belongs to.
    package var keyspace: String
    /// Its name.
    package var name: String
    /// Its columns: partition key, then clustering key, each by position, then the rest by name.
    package let columns: [ColumnDefinition]
    /// Its settings.
    package var options: TableOptions

    private let indexByName: [String: Int]
    private let indexByID: [ColumnID: Int]

    /// How many of the first columns are the partition key.
    package let partitionKeyCount: Int

    /// A table of the given columns, which are put in their order here.
    package init(
        id: TableID,
        uuid: NodeID,
        keyspace: String,
        name: String,
        columns: [ColumnDefinition],
        options: TableOptions = TableOptions()
    ) {
        self.id = id
        self.uuid = uuid
        self.keyspace = keyspace
        self.name = name
        self.options = options
        self.columns = columns.sorted { left, right in
            func rank(_ column: ColumnDefinition) -> (Int, Int, String) {
                switch column.kind {
                case .partitionKey: (0, column.position, "")
                case .clustering: (1, column.position, "")
                case .static, .regular: (2, 0, column.name)
                }
            }
            return rank(left) < rank(right)
        }
        var byName: [String: Int] = [:]
        var byID: [ColumnID: Int] = [:]
        for (index, column) in self.columns.enumerated() {
            byName[column.name] = index
            byID[column.id] = index
        }
        indexByName = byName
        indexByID = byID
        partitionKeyCount = self.columns.count { $0.kind == .partitionKey }
    }

    /// The columns of the partition key, in their order.
    package var partitionKey: ArraySlice<ColumnDefinition> { columns[..<partitionKeyCount] }

    /// The place in `columns` of the column with a name.
    package func index(ofColumn name: String) -> Int? { indexByName[name] }

    /// The column with a name.
    package func column(_ name: String) -> ColumnDefinition? {
        indexByName[name].map { columns[$0] }
    }

    /// The place in `columns` of the column with an id.
    package func index(of id: ColumnID) -> Int? { indexByID[id] }

    /// `keyspace.name`.
    package var qualifiedName: String { "\(keyspace).\(name)" }
}

/// A keyspace: tables and models that are replicated alike.
package struct KeyspaceDefinition: Hashable, Sendable {
    /// Its name.
    package var name: String
    /// Where its rows are kept.
    package var replication: ReplicationStrategy
    /// Cassandra's option; kept, and always honoured as true.
    package var durableWrites: Bool

    /// A keyspace with all its parts.
    package init(name: String, replication: ReplicationStrategy, durableWrites: Bool = true) {
        self.name = name
        self.replication = replication
        self.durableWrites = durableWrites
    }
}
