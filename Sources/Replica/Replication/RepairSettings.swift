/// When and how much is repaired and swept.
package struct RepairSettings: Hashable, Sendable {
    /// How often every slice is repaired; nil: after half its table's grace period, at the latest
    /// after seven days; 0: never by itself.
    package var intervalSeconds: Int64?
    /// The least interval that follows from a grace period.
    package var intervalSecondsMin: Int64 = 600
    /// The pause before a slice is tried again that could not be repaired whole.
    package var retrySeconds: Int64 = 300
    /// The pause before a slice is tried again that could not be rebuilt.
    package var rebuildRetrySeconds: Int64 = 10
    /// The pause between two repairs that nobody asked for.
    package var pause = Duration.milliseconds(500)
    /// The bytes per second of pages and writes; 0: without bound.
    package var bytesPerSecond = 16 << 20
    /// The most rows of a page.
    package var pageRowsMax = 512
    /// The bytes behind which a page ends.
    package var pageBytesMax = 256 << 10
    /// The most rows that are written back at once.
    package var writeRowsMax = 256
    /// The bytes behind which no more rows are written back at once.
    package var writeBytesMax = 256 << 10
    /// The most dirty marks that are told in one message, or written anew at once.
    package var marksMax = 1000
    /// How often every slice is swept; 0: never.
    package var sweepIntervalSeconds: Int64 = 86_400
    /// The pause before a slice is swept again whose sweep failed.
    package var sweepRetrySeconds: Int64 = 300
    /// The bytes per second that a sweep reads; 0: without bound.
    package var sweepBytesPerSecond = 8 << 20
    /// How long hints are kept, see ``HintSettings/windowSeconds``.
    package var hintWindowSeconds: Int64 = 10_800
    /// See ``HintSettings/skewMarginSeconds``.
    package var skewMarginSeconds: Int64 = 30
    /// See ``HintSettings/markCoverSeconds``.
    package var markCoverSeconds: Int64 = 30

    /// The defaults.
    package init() {}

    /// How old the last repair of a table's slices may become; nil: nothing is repaired by itself.
    package func interval(gcGraceSeconds: Int32) -> Int64? {
        if let intervalSeconds { return intervalSeconds > 0 ? intervalSeconds : nil }
        return min(604_800, max(intervalSecondsMin, Int64(gcGraceSeconds) / 2))
    }
}
