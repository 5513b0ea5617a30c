/// Bounds a rate of bytes: whoever takes some is in debt until the rate has paid for them.
///
/// One may take whenever there is no debt, and then any number: what a page will hold is known only
/// once it is there. On average, and but for the burst, the rate is kept.
package struct TokenBucket: Hashable, Sendable {
    /// The rate; 0 or less: without bound.
    package let bytesPerSecond: Int
    /// The bytes that may be taken at once behind a pause.
    package let burstBytes: Int
    /// When all that was taken is paid for.
    private var paidAt = Duration.zero

    /// A bucket without debt.
    package init(bytesPerSecond: Int, burstBytes: Int = 0) {
        self.bytesPerSecond = bytesPerSecond
        self.burstBytes = max(0, burstBytes)
    }

    /// A bucket for work that nobody waits for: its burst is what a second allows, 1 MiB at most.
    package static func paced(bytesPerSecond: Int) -> TokenBucket {
        TokenBucket(
            bytesPerSecond: bytesPerSecond,
            burstBytes: min(1 << 20, max(0, bytesPerSecond))
        )
    }

    /// Takes some bytes.
    package mutating func take(_ bytes: Int, now: Duration) {
        guard bytesPerSecond > 0, bytes > 0 else { return }
        paidAt = max(paidAt, now - cost(burstBytes)) + cost(bytes)
    }

    /// When bytes may be taken again: now, or later.
    package func ready(now: Duration) -> Duration { max(now, paidAt) }

    /// Whether bytes may be taken.
    package func isReady(now: Duration) -> Bool { paidAt <= now }

    private func cost(_ bytes: Int) -> Duration {
        guard bytesPerSecond > 0 else { return .zero }
        return Duration.seconds(1) * bytes / bytesPerSecond
    }
}
