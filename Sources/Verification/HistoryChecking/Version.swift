/// What decides which of several writes of a cell wins: timestamp, then a deletion before an
/// expiring value before a lasting one, then the later expiry, then the greater value.
package struct Version: Hashable, Comparable, Sendable {
    /// What kind of write; the greater wins.
    package enum Rank: Int, Hashable, Sendable {
        case live = 0
        case expiring = 1
        case deletion = 2
    }

    /// The write's timestamp.
    package var timestamp: Int64
    /// Its kind.
    package var rank: Rank
    /// Of an expiring value its end.
    package var seconds: Int64
    /// The value; empty for a deletion.
    package var value: [UInt8]

    /// A version with all its parts.
    package init(timestamp: Int64, rank: Rank, seconds: Int64 = 0, value: [UInt8] = []) {
        self.timestamp = timestamp
        self.rank = rank
        self.seconds = seconds
        self.value = value
    }

    package static func < (left: Self, right: Self) -> Bool {
        if left.timestamp != right.timestamp { return left.timestamp < right.timestamp }
        if left.rank != right.rank { return left.rank.rawValue < right.rank.rawValue }
        if left.seconds != right.seconds { return left.seconds < right.seconds }
        return left.value.lexicographicallyPrecedes(right.value)
    }

    /// Whether a read that judges expiry somewhere between two seconds may find the value.
    func mayBeVisible(from earliest: Int64) -> Bool {
        switch rank {
        case .live: true
        case .expiring: seconds > earliest
        case .deletion: false
        }
    }

    /// Whether a read that judges expiry somewhere between two seconds may find nothing.
    func mayBeNull(until latest: Int64) -> Bool {
        switch rank {
        case .live: false
        case .expiring: seconds <= latest
        case .deletion: true
        }
    }
}
