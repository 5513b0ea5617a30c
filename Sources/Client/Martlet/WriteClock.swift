internal import Foundation
internal import NIOConcurrencyHelpers

/// Gives write timestamps: microseconds since 1970, each greater than the one before.
///
/// So a client's own writes never overtake each other, though the clock stands still or steps back.
final class WriteClock: Sendable {
    private let last = NIOLockedValueBox(Int64.min)

    /// The next timestamp.
    func next() -> Int64 { next(now: Int64(Date().timeIntervalSince1970 * 1_000_000)) }

    func next(now: Int64) -> Int64 {
        last.withLockedValue { last in
            last = now > last ? now : last + 1
            return last
        }
    }
}
