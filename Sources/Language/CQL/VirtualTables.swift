package import Catalog

/// The tables whose rows a node makes up itself: `system.local`, `system_schema.tables` and so on.
package struct VirtualTables: Sendable {
    private var byName: [String: [String: TableDefinition]] = [:]

    /// No such tables.
    package static let none = VirtualTables([])

    /// The tables with these definitions.
    package init(_ tables: [TableDefinition]) {
        for table in tables { byName[table.keyspace, default: [:]][table.name] = table }
    }

    /// The virtual keyspaces, sorted.
    package var keyspaces: [String] { byName.keys.sorted() }

    /// Whether a keyspace has virtual tables.
    package func contains(keyspace: String) -> Bool { byName[keyspace] != nil }

    /// The table with a name.
    package func table(_ keyspace: String, _ name: String) -> TableDefinition? {
        byName[keyspace]?[name]
    }

    /// Whether a keyspace belongs to the system, so that no statement may change it.
    func isProtected(_ keyspace: String) -> Bool {
        contains(keyspace: keyspace) || Self.reserved.contains(keyspace)
    }

    private static let reserved: Set<String> = [
        "system", "system_auth", "system_distributed", "system_martlet", "system_schema",
        "system_traces", "system_views", "system_virtual_schema",
    ]
}
