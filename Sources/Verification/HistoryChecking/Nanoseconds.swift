/// A virtual instant or span in nanoseconds: one machine word, where `Duration` takes two and an
/// event may be compared a hundred times on its way through the heap.
package typealias Nanoseconds = Int64

extension Nanoseconds {
    /// So many microseconds.
    package static func microseconds(_ count: Int64) -> Nanoseconds { count * 1000 }
    /// So many milliseconds.
    package static func milliseconds(_ count: Int64) -> Nanoseconds { count * 1_000_000 }
    /// So many seconds.
    package static func seconds(_ count: Int64) -> Nanoseconds { count * 1_000_000_000 }

    /// A span; what does not fit is cut off at about 292 years.
    package init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let (product, isOver) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !isOver else {
            self = seconds < 0 ? .min : .max
            return
        }
        let (sum, isSumOver) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        self = isSumOver ? (seconds < 0 ? .min : .max) : sum
    }

    /// As seconds with three digits, for people.
    package var secondsText: String {
        let milliseconds = self / 1_000_000
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }
}
