package import Catalog
package import PeerMessages
package import TokenPlacement

/// What repair and sweeping know of a table.
package struct ReplicatedTable: Sendable {
    /// The table.
    package var id: TableID
    /// Its keyspace.
    package var keyspace: String
    /// Its name.
    package var name: String
    /// How long its deletions are kept at the least.
    package var gcGraceSeconds: Int32
    /// Where its rows are.
    package var placement: ReplicaTable

    /// A table with all its parts.
    package init(
        id: TableID,
        keyspace: String,
        name: String,
        gcGraceSeconds: Int32,
        placement: ReplicaTable
    ) {
        self.id = id
        self.keyspace = keyspace
        self.name = name
        self.gcGraceSeconds = gcGraceSeconds
        self.placement = placement
    }

    /// The number of slices of its ring.
    package var sliceCount: Int { placement.slices.sliceCount }

    /// The replicas of a slice, in the ring's order.
    package func replicas(ofSlice slice: Int) -> [NodeID] {
        placement.sets[placement.setIndex(ofSlice: slice)]
    }

    /// Whether a mark that somebody made is of a slice of this table and of one of its replicas.
    package func mayLack(_ mark: DirtyMark) -> Bool {
        mark.table == id && (0..<sliceCount).contains(mark.slice)
            && replicas(ofSlice: mark.slice).contains(mark.target)
    }

    /// The tokens of a slice.
    package func tokens(ofSlice slice: Int) -> ClosedRange<Token> {
        SliceID.tokens(ofSlice: slice, sliceCount: sliceCount)
    }
}
