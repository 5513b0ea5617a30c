/// What an INSERT leaves beside its cells, so that the row exists even if all of them are null.
///
/// An UPDATE writes none: its row exists as long as one of its cells does.
package struct RowMarker: Hashable, Comparable, Sendable {
    /// When the INSERT was written.
    package var timestamp: WriteTimestamp
    /// When the marker expires; nil: never.
    package var expiry: Expiry?

    /// A marker with both its parts.
    package init(timestamp: WriteTimestamp, expiry: Expiry? = nil) {
        self.timestamp = timestamp
        self.expiry = expiry
    }

    /// Whether it keeps its row alive.
    package func isLive(nowSeconds: Int64) -> Bool {
        expiry.map { !$0.isReached(nowSeconds: nowSeconds) } ?? true
    }

    /// The order of merging: timestamp, expiring before permanent, the later expiry, then the
    /// shorter time to live (it was written later).
    package static func < (left: Self, right: Self) -> Bool {
        guard left.timestamp == right.timestamp else { return left.timestamp < right.timestamp }
        switch (left.expiry, right.expiry) {
        case (_, nil): return false
        case (nil, _): return true
        case (let left?, let right?):
            guard left.atSeconds == right.atSeconds else { return left.atSeconds < right.atSeconds }
            return left.timeToLiveSeconds > right.timeToLiveSeconds
        }
    }
}
