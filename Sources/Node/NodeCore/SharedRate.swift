internal import Replication
internal import Synchronization

/// A bound on bytes per second that a node's loops keep together.
package final class SharedRate: Sendable {
    private let bucket: Mutex<TokenBucket>

    /// A rate; 0: without bound.
    package init(bytesPerSecond: Int) {
        bucket = Mutex(.paced(bytesPerSecond: bytesPerSecond))
    }

    /// When bytes may be taken again: now, or later.
    func ready(now: Duration) -> Duration { bucket.withLock { $0.ready(now: now) } }

    /// Takes some bytes.
    func take(_ bytes: Int, now: Duration) { bucket.withLock { $0.take(bytes, now: now) } }
}
