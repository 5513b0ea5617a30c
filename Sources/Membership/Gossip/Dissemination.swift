import TokenPlacement

/// The updates that still have to be told, piggybacked on whatever is sent (SWIM, section 4.1).
///
/// Each is told a bounded number of times; the least told go first, so that what is new spreads
/// even while much is happening. At most one update per member is kept: the newest.
struct Dissemination: Sendable {
    private struct Rumor {
        let update: MemberUpdate
        var transmissions = 0
    }

    /// Newest last.
    private var rumors: [Rumor] = []

    /// Starts to tell an update, instead of an older one about the same member.
    mutating func add(_ update: MemberUpdate) {
        forget { $0 == update.node }
        rumors.append(Rumor(update: update))
    }

    /// Stops telling what is about some members.
    mutating func forget(where matches: (NodeID) -> Bool) {
        rumors.removeAll { matches($0.update.node) }
    }

    /// Appends updates to a message, the least told first, of those the newest first.
    ///
    /// What the message says already counts as told. What is about its receiver is passed over: the
    /// receiver knows best, and what it must refute the machine puts first by itself.
    ///
    /// - Parameters:
    ///   - updates: the updates of the message.
    ///   - limit: how many updates the message may have.
    ///   - receiver: who gets the message.
    ///   - transmissionsMax: after how many tellings an update is dropped.
    mutating func fill(
        _ updates: inout [MemberUpdate],
        upTo limit: Int,
        for receiver: NodeID,
        transmissionsMax: Int
    ) {
        guard !rumors.isEmpty else { return }
        let order = rumors.indices.sorted { left, right in
            (rumors[left].transmissions, right) < (rumors[right].transmissions, left)
        }
        for index in order where rumors[index].update.node != receiver {
            let update = rumors[index].update
            if !updates.contains(where: { $0.node == update.node }) {
                guard updates.count < limit else { continue }
                updates.append(update)
            }
            rumors[index].transmissions += 1
        }
        rumors.removeAll { $0.transmissions >= transmissionsMax }
    }
}
