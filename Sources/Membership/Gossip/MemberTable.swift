import TokenPlacement

/// What this node believes of every other registered node, sorted by id.
struct MemberTable: Sendable {
    /// What became of a claim that was compared with the belief.
    enum MergeOutcome: Equatable {
        /// The claim is about a node that the cluster log does not list.
        case notRegistered
        /// The claim is what is believed already.
        case known
        /// The claim is older than the belief, which is this one.
        case outdated(MemberUpdate)
        /// The claim is the belief now; before, the status was this one.
        case adopted(before: MemberStatus)
    }

    private struct Row {
        let id: NodeID
        /// The newest claim that was heard; none while the member is unheard.
        var belief: MemberUpdate?
        /// When a suspicion runs out; none for all that are not suspect.
        var suspicionEndsAt: Duration?

        var status: MemberStatus { belief.map { MemberStatus($0.claim) } ?? .unheard }
    }

    private var rows: [Row] = []

    /// How many other nodes are registered.
    var count: Int { rows.count }

    /// The ids of the members that have a status, sorted.
    func ids(where matches: (MemberStatus) -> Bool) -> [NodeID] {
        rows.filter { matches($0.status) }.map(\.id)
    }

    /// What is believed of a member, or nil if it is not registered.
    func status(of id: NodeID) -> MemberStatus? {
        index(of: id).map { rows[$0].status }
    }

    /// The newest claim about a member; nil if it is unheard or not registered.
    func belief(about id: NodeID) -> MemberUpdate? {
        index(of: id).flatMap { rows[$0].belief }
    }

    /// All members, sorted by id.
    var members: [Member] {
        rows.map { row in
            Member(
                id: row.id,
                incarnation: row.belief?.incarnation ?? Incarnation(clamping: 0),
                status: row.status
            )
        }
    }

    /// The suspects whose time to refute is over, sorted by id.
    func suspectsOverdue(now: Duration) -> [MemberUpdate] {
        rows.filter { row in row.suspicionEndsAt.map { $0 <= now } ?? false }.compactMap(\.belief)
    }

    /// When the first suspicion runs out, or nil without a suspect.
    var nextSuspicionEnd: Duration? {
        rows.compactMap(\.suspicionEndsAt).min()
    }

    /// Takes over the registered nodes; who stays keeps what is believed of it.
    ///
    /// - Parameter sortedIDs: the other nodes, ascending and each once.
    mutating func replaceMembers(with sortedIDs: [NodeID]) {
        rows = sortedIDs.map { id in
            index(of: id).map { rows[$0] } ?? Row(id: id, belief: nil, suspicionEndsAt: nil)
        }
    }

    /// Adopts a claim if it is newer than the belief.
    ///
    /// - Parameters:
    ///   - update: the claim.
    ///   - suspicionEndsAt: when the suspicion runs out, should this claim begin one.
    /// - Returns: what became of the claim.
    mutating func merge(_ update: MemberUpdate, suspicionEndsAt: Duration) -> MergeOutcome {
        guard let index = index(of: update.node) else { return .notRegistered }
        let before = rows[index].status
        if let belief = rows[index].belief {
            guard update != belief else { return .known }
            guard update.supersedes(belief) else { return .outdated(belief) }
        }
        rows[index].belief = update
        rows[index].suspicionEndsAt =
            switch update.claim {
            case .suspect: suspicionEndsAt
            case .alive, .dead: nil
            }
        return .adopted(before: before)
    }

    /// Gives every suspect more time to refute.
    mutating func extendSuspicions(by duration: Duration) {
        for index in rows.indices {
            rows[index].suspicionEndsAt = rows[index].suspicionEndsAt.map { $0 + duration }
        }
    }

    private func index(of id: NodeID) -> Int? {
        var low = 0
        var high = rows.count
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].id < id {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low < rows.count && rows[low].id == id ? low : nil
    }
}
