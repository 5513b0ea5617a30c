package import TokenPlacement

/// What this node believes of a member.
package enum MemberStatus: Hashable, Sendable {
    /// Registered in the cluster log, but nothing was heard of it yet: not alive.
    case unheard
    /// It answered, or another member says that it did.
    case alive
    /// It did not answer a probe and has not refuted that yet (SWIM, section 4.2).
    ///
    /// A suspect still counts as alive: most suspects are slow or behind a lost message.
    case suspect
    /// Its suspicion was not refuted in time: the paper's "confirmed faulty".
    case dead

    /// Whether requests may be sent to a member with this status.
    package var isAlive: Bool {
        switch self {
        case .alive, .suspect: true
        case .unheard, .dead: false
        }
    }
}

/// A registered node and what this node believes of it.
package struct Member: Hashable, Sendable {
    /// The node.
    package let id: NodeID
    /// The incarnation that the belief is about; zero while nothing was heard.
    package let incarnation: Incarnation
    /// The belief.
    package let status: MemberStatus

    /// A member as it is believed to be.
    package init(id: NodeID, incarnation: Incarnation, status: MemberStatus) {
        self.id = id
        self.incarnation = incarnation
        self.status = status
    }
}
