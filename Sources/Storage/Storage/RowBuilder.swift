package import Catalog

/// Collects what one statement writes to one row, with one timestamp and one time to live.
package struct RowBuilder: Sendable {
    /// What was collected so far.
    package private(set) var row = Row()
    private let timestamp: WriteTimestamp
    private let expiry: Expiry?

    /// A builder of a write; `expiry` is that of its marker and values, nil for ever.
    package init(timestamp: WriteTimestamp, expiry: Expiry? = nil) {
        self.timestamp = timestamp
        self.expiry = expiry
    }

    /// Writes the row marker: INSERT does, UPDATE does not.
    package mutating func insertMarker() {
        row.marker = RowMarker(timestamp: timestamp, expiry: expiry)
    }

    /// Writes the value of a plain column, in the native protocol's encoding.
    package mutating func set(_ column: ColumnID, to value: [UInt8]) {
        append(column, nil, content(value))
    }

    /// Deletes the value of a plain column; writing null is this.
    package mutating func delete(_ column: ColumnID, deletionSeconds: Int64) {
        append(column, nil, .deleted(deletionSeconds: deletionSeconds))
    }

    /// Writes one element of a collection: of a set with an empty value.
    package mutating func set(_ column: ColumnID, element path: [UInt8], to value: [UInt8]) {
        append(column, path, content(value))
    }

    /// Deletes one element of a collection.
    package mutating func delete(
        _ column: ColumnID,
        element path: [UInt8],
        deletionSeconds: Int64
    ) {
        append(column, path, .deleted(deletionSeconds: deletionSeconds))
    }

    /// Deletes all elements of a collection, those with this very timestamp too.
    package mutating func deleteCollection(_ column: ColumnID, deletionSeconds: Int64) {
        append(column, coveringUpTo: timestamp, deletionSeconds)
    }

    /// Deletes the elements of a collection that were written before, so that elements which this
    /// write sets stay: assigning a whole collection is this and its elements.
    package mutating func clearCollection(_ column: ColumnID, deletionSeconds: Int64) {
        guard timestamp.microseconds > .min else { return }
        let before = WriteTimestamp(timestamp.microseconds - 1)
        append(column, coveringUpTo: before, deletionSeconds)
    }

    /// Deletes the whole row.
    package mutating func deleteRow(deletionSeconds: Int64) {
        row.deletion = Deletion(timestamp: timestamp, deletionSeconds: deletionSeconds)
    }

    /// The write as a merge operand.
    package func encoded() -> [UInt8] { row.encoded() }

    private func content(_ value: [UInt8]) -> Cell.Content {
        expiry.map { .expiring(value, $0) } ?? .live(value)
    }

    private mutating func append(_ column: ColumnID, _ path: [UInt8]?, _ content: Cell.Content) {
        row.cells.append(
            Cell(column: column, path: path, timestamp: timestamp, content: content)
        )
    }

    private mutating func append(
        _ column: ColumnID,
        coveringUpTo timestamp: WriteTimestamp,
        _ deletionSeconds: Int64
    ) {
        let deletion = Deletion(timestamp: timestamp, deletionSeconds: deletionSeconds)
        row.collectionDeletions.append(CollectionDeletion(column: column, deletion: deletion))
    }
}
