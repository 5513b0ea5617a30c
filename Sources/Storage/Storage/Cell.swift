package import Catalog

/// What a row holds for one column, or for one element of a collection.
package struct Cell: Hashable, Sendable {
    /// What a cell says.
    package enum Content: Hashable, Sendable {
        /// A value for ever.
        case live([UInt8])
        /// A value until a second.
        case expiring([UInt8], Expiry)
        /// What a sweep leaves of an expiring cell: that there was one, until when, not its value.
        ///
        /// It stays distinct from a deletion because a deletion wins over every value with the same
        /// timestamp, also over one that expires later. A sweep must not change who wins.
        case expired(atSeconds: Int64)
        /// A deletion at a second of the coordinator's clock.
        case deleted(deletionSeconds: Int64)
    }

    /// The column.
    package var column: ColumnID
    /// The element's key in its collection (its encoded value); nil for a cell of a plain column.
    package var path: [UInt8]?
    /// When it was written.
    package var timestamp: WriteTimestamp
    /// What it says.
    package var content: Content

    /// A cell with all its parts.
    package init(
        column: ColumnID,
        path: [UInt8]? = nil,
        timestamp: WriteTimestamp,
        content: Content
    ) {
        self.column = column
        self.path = path
        self.timestamp = timestamp
        self.content = content
    }
}

/// A deletion of all elements of a collection that were written at or before its timestamp.
package struct CollectionDeletion: Hashable, Sendable {
    /// The collection's column.
    package var column: ColumnID
    /// What covers the elements.
    package var deletion: Deletion

    /// A collection deletion with both its parts.
    package init(column: ColumnID, deletion: Deletion) {
        self.column = column
        self.deletion = deletion
    }
}
