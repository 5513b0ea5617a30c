package import Catalog
import TokenPlacement

/// The virtual tables that drivers and people read the cluster by.
///
/// They are rendered from the state on every read, and nothing of them is stored. Those of
/// Cassandra have Cassandra 5.0's columns; the keyspace `system_martlet` is Martlet's own.
package enum SystemTables {
    /// The keyspaces that stand in `system_schema` with Cassandra's LocalStrategy: drivers and
    /// cqlsh take them for regular ones.
    static let localKeyspaces = ["system", "system_schema"]
    /// The keyspaces that stand in `system_virtual_schema`.
    static let virtualKeyspaces = ["system_martlet", "system_virtual_schema"]

    private static let all: [SystemTable] =
        NodeTables.all + SchemaTables.all + VirtualSchemaTables.all + MartletTables.all
        + ActivityTables.all

    private static let byID: [TableID: SystemTable] = Dictionary(
        uniqueKeysWithValues: all.map { ($0.definition.id, $0) }
    )

    private static let byName: [String: [String: TableDefinition]] = all.reduce(into: [:]) {
        $0[$1.definition.keyspace, default: [:]][$1.definition.name] = $1.definition
    }

    /// All virtual tables, by keyspace and name.
    ///
    /// Their ids are the same on every node, for ever.
    package static let tables: [TableDefinition] = all.map(\.definition).sorted {
        ($0.keyspace, $0.name) < ($1.keyspace, $1.name)
    }

    /// The keyspaces of the virtual tables, by name.
    ///
    /// Every node answers for them by itself, for which `everywhere` stands here.
    package static let keyspaces: [KeyspaceDefinition] = (localKeyspaces + virtualKeyspaces)
        .sorted()
        .map { KeyspaceDefinition(name: $0, replication: .everywhere) }

    /// The virtual table with a name, or nil if there is none.
    package static func table(keyspace: String, name: String) -> TableDefinition? {
        byName[keyspace]?[name]
    }

    /// Whether a keyspace is one of the virtual ones, which no statement changes.
    package static func isSystemKeyspace(_ name: String) -> Bool { byName[name] != nil }

    /// The rows of a virtual table.
    ///
    /// Each has its values in the order of `table.columns` and in the native protocol's encoding;
    /// nil is null. A table that is not virtual has no rows here.
    package static func rows(
        of table: TableDefinition,
        in snapshot: SystemSnapshot
    ) -> [[[UInt8]?]] {
        guard let virtual = byID[table.id] else { return [] }
        var rows = SystemRows(of: virtual.definition)
        virtual.render(snapshot, &rows)
        return rows.rows
    }
}
