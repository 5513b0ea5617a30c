package import HistoryChecking

/// The clocks of a node: both run a little fast or slow, and the wall clock is wrong besides.
package struct NodeClock: Sendable {
    /// The true second since 1970 at which every run begins.
    package static let epochSeconds: Int64 = 1_800_000_000

    /// How much faster than true time both clocks run, in millionths.
    package var driftPartsPerMillion: Int64 = 0
    /// How far the wall clock is ahead.
    package var skew: Nanoseconds = 0
    /// Where the monotonic clock began.
    package var origin: Nanoseconds = 0

    /// A clock that is right.
    package init() {}

    /// What the monotonic clock shows at a true time.
    package func monotonic(at time: Nanoseconds) -> Nanoseconds { origin + time + drift(time) }

    /// What the wall clock shows at a true time, in microseconds since 1970.
    package func wallMicros(at time: Nanoseconds) -> Int64 {
        Self.epochSeconds * 1_000_000 + (time + drift(time) + skew) / 1000
    }

    /// The true span in which the node's clock counts a span.
    package func trueSpan(of span: Nanoseconds) -> Nanoseconds {
        guard driftPartsPerMillion != 0 else { return span }
        return span - span / 1_000_000 * driftPartsPerMillion
    }

    /// The true second since 1970 at a time of the kernel.
    package static func trueSeconds(at time: Nanoseconds) -> Int64 {
        epochSeconds + time / 1_000_000_000
    }

    private func drift(_ time: Nanoseconds) -> Nanoseconds {
        time / 1_000_000 * driftPartsPerMillion
    }
}
