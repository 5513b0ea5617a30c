/// In which direction scores are ordered.
package enum ScoreOrder: Hashable, Sendable {
    case ascending
    case descending
}

/// Keeps the best few of many scored rows.
///
/// Nulls stand last in both directions, and so do scores that are not numbers. Ties are broken by
/// the bytes of the primary key, unsigned, the smaller first: every replica and coordinator comes to
/// the same order. It holds at most `limit` rows (a heap with the worst at its root).
package struct TopScores<Payload: Sendable>: Sendable {
    /// One scored row.
    package struct Entry: Sendable {
        /// The score; nil is null.
        package let score: Float?
        /// What breaks ties: the bytes of the primary key.
        package let key: [UInt8]
        /// What the caller wants back.
        package let payload: Payload
    }

    /// The most rows that are kept.
    package let limit: Int
    /// The direction.
    package let order: ScoreOrder

    /// A heap: no entry is worse than its parent.
    private var heap: [Entry] = []

    /// An empty selection of at most `limit` rows.
    package init(limit: Int, order: ScoreOrder) {
        precondition(limit >= 0, "a limit of \(limit) rows")
        self.limit = limit
        self.order = order
    }

    /// The best of several selections, such as those of the replicas.
    package static func merge(
        _ selections: some Sequence<Self>,
        limit: Int,
        order: ScoreOrder
    ) -> Self {
        var merged = Self(limit: limit, order: order)
        for selection in selections { merged.absorb(selection) }
        return merged
    }

    /// Takes a row if it is among the best so far.
    ///
    /// - Parameters:
    ///   - score: nil is null.
    ///   - key: the bytes of the primary key; asked for only if the score alone does not decide.
    ///   - payload: what stands for the row.
    package mutating func offer(
        score: Float?,
        key: @autoclosure () -> [UInt8],
        payload: @autoclosure () -> Payload
    ) {
        guard limit > 0 else { return }
        let score = score.flatMap { $0.isNaN ? nil : $0 }
        if heap.count < limit {
            heap.append(Entry(score: score, key: key(), payload: payload()))
            siftUp(from: heap.count - 1)
            return
        }
        switch compare(score, heap[0].score) {
        case .after: return
        case .before: heap[0] = Entry(score: score, key: key(), payload: payload())
        case .same:
            let key = key()
            guard key.lexicographicallyPrecedes(heap[0].key) else { return }
            heap[0] = Entry(score: score, key: key, payload: payload())
        }
        siftDown()
    }

    /// Takes what is best of another selection.
    package mutating func absorb(_ other: Self) {
        for entry in other.heap {
            offer(score: entry.score, key: entry.key, payload: entry.payload)
        }
    }

    /// The number of rows kept.
    package var count: Int { heap.count }

    /// The rows kept, the best first.
    package func sorted() -> [Entry] {
        heap.sorted { precedes($0, $1) }
    }

    // MARK: - Order

    private enum Comparison { case before, same, after }

    /// How a score stands to another in the answer.
    @inline(__always)
    private func compare(_ left: Float?, _ right: Float?) -> Comparison {
        switch (left, right) {
        case (nil, nil): .same
        case (nil, _?): .after
        case (_?, nil): .before
        case (let left?, let right?):
            if left == right {
                .same
            } else {
                (order == .ascending) == (left < right) ? .before : .after
            }
        }
    }

    private func precedes(_ left: Entry, _ right: Entry) -> Bool {
        switch compare(left.score, right.score) {
        case .before: true
        case .after: false
        case .same: left.key.lexicographicallyPrecedes(right.key)
        }
    }

    // MARK: - Heap

    private mutating func siftUp(from start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard precedes(heap[parent], heap[index]) else { return }
            heap.swapAt(parent, index)
            index = parent
        }
    }

    private mutating func siftDown() {
        var index = 0
        while true {
            var worst = index
            for child in 2 * index + 1...2 * index + 2 where child < heap.count {
                if precedes(heap[worst], heap[child]) { worst = child }
            }
            guard worst != index else { return }
            heap.swapAt(worst, index)
            index = worst
        }
    }
}

extension TopScores.Entry: Equatable where Payload: Equatable {}
