import TokenPlacement

/// Whose turn it is to be probed: a shuffled list that is walked to its end, then shuffled anew.
///
/// SWIM, section 4.3: by chance alone a dead member might stay unprobed for long; in rounds, every
/// member is probed within 2n - 1 periods, and by every other one.
struct ProbeRound: Sendable {
    private var order: [NodeID] = []
    private var cursor = 0

    /// Takes over the registered nodes: a new one is inserted at a random place of the round.
    ///
    /// - Parameters:
    ///   - sortedIDs: the other nodes, ascending and each once.
    ///   - generator: chooses the places.
    mutating func replaceMembers(with sortedIDs: [NodeID], using generator: inout SplitMix64) {
        let staying = Set(sortedIDs)
        let passed = order[..<cursor].count { staying.contains($0) }
        order.removeAll { !staying.contains($0) }
        cursor = passed
        let present = Set(order)
        for id in sortedIDs where !present.contains(id) {
            let place = generator.index(below: order.count + 1)
            order.insert(id, at: place)
            if place < cursor { cursor += 1 }
        }
    }

    /// The next member of the round that may be probed; nil if none may.
    ///
    /// - Parameters:
    ///   - generator: shuffles the next round.
    ///   - isEligible: whether a member may be probed now; who may not is passed over.
    /// - Returns: the member whose turn it is.
    mutating func next(
        using generator: inout SplitMix64,
        where isEligible: (NodeID) -> Bool
    ) -> NodeID? {
        for _ in 0..<2 {
            while cursor < order.count {
                let id = order[cursor]
                cursor += 1
                if isEligible(id) { return id }
            }
            generator.shuffleFront(order.count, of: &order)
            cursor = 0
        }
        return nil
    }
}
