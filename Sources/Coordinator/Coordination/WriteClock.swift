/// Gives the timestamps of writes that bring none: microseconds that never repeat or go back on
/// one event loop, though the wall clock does.
///
/// The loops of a node share no memory for it. Each gives only the numbers whose remainder by the
/// count of loops is its own index, so that no two loops of a node give the same one; a timestamp
/// is ahead of the wall clock by at most that count less one, or, while the clock stands or goes
/// back, by that count for each write.
package struct WriteClock: Sendable {
    private let loop: Int64
    private let loopCount: Int64
    private var last: Int64?

    /// The greatest wall clock that is believed: what is over it counts as this.
    private static let wallMicrosMax: Int64 = 1 << 62

    /// The clock of one of some loops.
    package init(loop: Int, loopCount: Int) {
        precondition(
            loopCount > 0 && loopCount <= 1 << 20 && (0..<loopCount).contains(loop),
            "loop \(loop) of \(loopCount)"
        )
        self.loop = Int64(loop)
        self.loopCount = Int64(loopCount)
    }

    /// The timestamp of a write now.
    package mutating func next(wallMicros: Int64) -> Int64 {
        var next = min(max(wallMicros, -Self.wallMicrosMax), Self.wallMicrosMax)
        if let last { next = max(next, last + 1) }
        // The least number of this loop that is not before it.
        let remainder = (next % loopCount + loopCount) % loopCount
        next += (loop - remainder + loopCount) % loopCount
        last = next
        return next
    }
}
