/// A deletion of a row or of a whole collection: it covers what was written at or before its
/// timestamp.
///
/// The greater timestamp wins, then the later second, so that merging never shortens the time for
/// which a tombstone is kept.
package struct Deletion: Hashable, Comparable, Sendable {
    /// The write timestamp up to which (inclusive) it covers.
    package var timestamp: WriteTimestamp
    /// When the coordinator deleted, in seconds since 1970: the start of the grace period.
    package var deletionSeconds: Int64

    /// A deletion with both its parts.
    package init(timestamp: WriteTimestamp, deletionSeconds: Int64) {
        self.timestamp = timestamp
        self.deletionSeconds = deletionSeconds
    }

    /// Whether a write with a timestamp is deleted by it.
    package func covers(_ other: WriteTimestamp) -> Bool { other <= timestamp }

    package static func < (left: Self, right: Self) -> Bool {
        (left.timestamp, left.deletionSeconds) < (right.timestamp, right.deletionSeconds)
    }
}
