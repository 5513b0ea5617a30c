/// How often a member has spoken for itself: the number that decides which claim about it is newer.
///
/// Only the member itself raises its incarnation: when it refutes a suspicion (SWIM, section 4.2),
/// and when it starts again. A node passes the milliseconds of its wall clock at the start, which
/// lie above all the refutations of its last life; should the clock have been set back, the others
/// tell it what they remember and it steps over that.
package struct Incarnation: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The greatest incarnation that the wire carries: 2^63 - 1.
    package static let max = Incarnation(clamping: .max)

    /// The plain number, at most 2^63 - 1.
    package let number: UInt64

    /// The incarnation with this number, or the greatest one if the number is over it.
    package init(clamping number: UInt64) {
        self.number = min(number, UInt64(Int64.max))
    }

    /// The incarnation that follows; the greatest one is followed by itself.
    package var next: Incarnation { Incarnation(clamping: number + 1) }

    package var description: String { "\(number)" }

    package static func < (left: Incarnation, right: Incarnation) -> Bool {
        left.number < right.number
    }
}
