import Catalog
import TokenPlacement

/// A virtual table: its definition, and how its rows follow from a snapshot.
struct SystemTable: Sendable {
    /// The table as the catalog describes tables.
    let definition: TableDefinition
    /// Appends the table's rows.
    let render: @Sendable (SystemSnapshot, inout SystemRows) -> Void

    /// The ids of virtual tables start here, far above those that the cluster log gives.
    private static let firstID: UInt32 = 0xFFFF_FF00

    /// A table of the named columns.
    ///
    /// Its number tells it from the other virtual ones, is below 256 and never used again. A table
    /// without `render` is empty.
    init(
        _ keyspace: String,
        _ name: String,
        number: UInt32,
        comment: String,
        partitionKey: KeyValuePairs<String, CQLType>,
        clusteringKey: KeyValuePairs<String, CQLType> = [:],
        columns: KeyValuePairs<String, CQLType>,
        render: @escaping @Sendable (SystemSnapshot, inout SystemRows) -> Void = { _, _ in }
    ) {
        var definitions: [ColumnDefinition] = []
        for (kind, part) in [
            (ColumnKind.partitionKey, partitionKey), (.clustering, clusteringKey),
            (.regular, columns),
        ] {
            for (position, column) in part.enumerated() {
                definitions.append(
                    ColumnDefinition(
                        id: ColumnID(UInt32(definitions.count + 1)),
                        name: column.key,
                        type: column.value,
                        kind: kind,
                        position: kind == .regular ? 0 : position
                    )
                )
            }
        }
        definition = TableDefinition(
            id: TableID(Self.firstID + number),
            uuid: Self.uuid(of: "\(keyspace).\(name)"),
            keyspace: keyspace,
            name: name,
            columns: definitions,
            options: TableOptions(comment: comment, gcGraceSeconds: 0)
        )
        self.render = render
    }

    /// The UUID that every node derives alike from a name (version 8, RFC 9562 section 5.8).
    private static func uuid(of name: String) -> NodeID {
        let (high, low) = Array(name.utf8).withUnsafeBytes { Murmur3.hash128($0) }
        return NodeID(
            high: high & 0xFFFF_FFFF_FFFF_0FFF | 0x8000,
            low: low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        )
    }
}
