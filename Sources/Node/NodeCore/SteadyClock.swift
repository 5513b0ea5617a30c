/// The wall clock as it was when the node started, carried on by the monotonic clock.
///
/// Ages of what a node keeps (hints, logged batches) are measured by it, so that a wall clock that
/// is set while the node runs makes nothing younger or older than it is. Across a restart it is as
/// right as the wall clock was at both starts; who gets a hint judges its age once more.
package struct SteadyClock: Sendable {
    private let startMicros: Int64
    private let start: Duration

    /// A clock that begins with a wall clock, in microseconds since 1970, at a monotonic time.
    package init(wallMicros: Int64, now: Duration) {
        startMicros = wallMicros
        start = now
    }

    /// Microseconds since 1970 at a monotonic time.
    package func micros(at now: Duration) -> Int64 {
        let (seconds, attoseconds) = (now - start).components
        return startMicros &+ seconds &* 1_000_000 &+ attoseconds / 1_000_000_000_000
    }
}
