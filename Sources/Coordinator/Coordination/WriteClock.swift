internal import Synchronization

/// Gives the timestamps of writes that bring none: microseconds that never repeat or go back on one
/// node, though the wall clock does.
///
/// All event loops of a node share it, since a client's requests may come over any of them: with a
/// clock for each, a loop that was busy while the wall clock was ahead would win over the others
/// until they reach that time too. A timestamp is ahead of the wall clock only while that stands or
/// goes back, by one for each write.
package final class WriteClock: Sendable {
    private let last = Atomic<Int64>(.min)

    /// The greatest wall clock that is believed: what is over it counts as this.
    private static let wallMicrosMax: Int64 = 1 << 62

    /// A clock that has given nothing yet.
    package init() {}

    /// The timestamp of a write now; callable from every thread.
    package func next(wallMicros: Int64) -> Int64 {
        let wall = min(max(wallMicros, -Self.wallMicrosMax), Self.wallMicrosMax)
        var known = last.load(ordering: .relaxed)
        while true {
            let next = known < wall ? wall : known + 1
            let (isSet, found) = last.weakCompareExchange(
                expected: known,
                desired: next,
                ordering: .relaxed
            )
            if isSet { return next }
            known = found
        }
    }
}
