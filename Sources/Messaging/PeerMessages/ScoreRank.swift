/// A scored row's place in an order: by score, nulls last in both directions, ties by the
/// partition key's bytes, so that replicas and coordinator cut at the same row.
package struct ScoreRank: Sendable {
    private let score: Float?
    private let key: [UInt8]

    /// The rank of a row with a score and a partition key.
    package init(_ score: Float?, _ key: [UInt8]) {
        self.score = score
        self.key = key
    }

    /// Whether this row comes first.
    package func precedes(_ other: ScoreRank, _ order: ScoreOrder) -> Bool {
        switch (score, other.score) {
        case (nil, .some): return false
        case (.some, nil): return true
        case (let left?, let right?) where left != right:
            return order == .ascending ? left < right : left > right
        default: return key.lexicographicallyPrecedes(other.key)
        }
    }
}
