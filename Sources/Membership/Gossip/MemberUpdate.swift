package import TokenPlacement

/// A claim about one member, as it is piggybacked on pings and acks (SWIM, section 4.1).
///
/// Of two claims about a member the one with the higher incarnation is newer; within one incarnation
/// dead goes over suspect and suspect over alive (section 4.2). That is a total order, and every
/// member keeps the greatest claim it heard, so all of them end with the same belief in whatever
/// order the claims arrive. Unlike the paper, where a confirmed fault is final, a higher incarnation
/// goes over dead too: a node that restarts, or returns from behind a partition, keeps its id.
package struct MemberUpdate: Hashable, Sendable {
    /// What is said of the member; the raw value is the byte on the wire.
    package enum Claim: UInt8, Comparable, Sendable {
        /// The member itself, or one that heard it, says that it lives.
        case alive = 1
        /// A probe of the member failed.
        case suspect = 2
        /// A suspicion of the member ran out.
        case dead = 3

        package static func < (left: Claim, right: Claim) -> Bool { left.rawValue < right.rawValue }
    }

    /// The member that the claim is about.
    package let node: NodeID
    /// The incarnation of the member that the claim is about.
    package let incarnation: Incarnation
    /// What is said of it.
    package let claim: Claim

    /// A claim about a member in one of its incarnations.
    package init(node: NodeID, incarnation: Incarnation, claim: Claim) {
        self.node = node
        self.incarnation = incarnation
        self.claim = claim
    }

    /// Whether this claim is newer than another one about the same member.
    func supersedes(_ other: MemberUpdate) -> Bool {
        (incarnation, claim) > (other.incarnation, other.claim)
    }
}

extension MemberStatus {
    /// The belief of one who takes a claim for true.
    init(_ claim: MemberUpdate.Claim) {
        switch claim {
        case .alive: self = .alive
        case .suspect: self = .suspect
        case .dead: self = .dead
        }
    }
}
