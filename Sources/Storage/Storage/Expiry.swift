/// When a cell or a row marker stops being seen.
///
/// The absolute second is fixed when the write is coordinated, so that all replicas agree on it.
package struct Expiry: Hashable, Sendable {
    /// The first second since 1970 at which it counts as deleted.
    package let atSeconds: Int64
    /// The time to live that the write asked for, in seconds; never negative.
    package let timeToLiveSeconds: Int32

    /// An expiry with both its parts; a negative time to live is kept as 0.
    package init(atSeconds: Int64, timeToLiveSeconds: Int32) {
        self.atSeconds = atSeconds
        self.timeToLiveSeconds = max(0, timeToLiveSeconds)
    }

    /// The expiry of a write that is coordinated now, or nil where its time to live is 0 or less,
    /// which means for ever.
    package init?(timeToLiveSeconds: Int32, nowSeconds: Int64) {
        guard timeToLiveSeconds > 0 else { return nil }
        let (sum, isOver) = nowSeconds.addingReportingOverflow(Int64(timeToLiveSeconds))
        self.init(atSeconds: isOver ? .max : sum, timeToLiveSeconds: timeToLiveSeconds)
    }

    /// Whether it lies in the past or the present.
    package func isReached(nowSeconds: Int64) -> Bool { atSeconds <= nowSeconds }
}
