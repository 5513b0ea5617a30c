/// When a write happened, as its client says: microseconds since 1970.
///
/// The greater timestamp wins, whatever the order in which writes arrive.
package struct WriteTimestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Microseconds since 1970; any number is allowed.
    package var microseconds: Int64

    /// The timestamp of a number of microseconds since 1970.
    package init(_ microseconds: Int64) { self.microseconds = microseconds }

    package var description: String { String(microseconds) }

    package static func < (left: Self, right: Self) -> Bool {
        left.microseconds < right.microseconds
    }
}
