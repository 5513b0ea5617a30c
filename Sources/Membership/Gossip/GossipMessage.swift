package import TokenPlacement

/// Joins an ack to the ping or ping-request that it answers; unique in one life of the sender.
package struct ProbeSequence: Hashable, Sendable, CustomStringConvertible {
    /// The plain number.
    package let number: UInt64

    /// The sequence with this number.
    package init(_ number: UInt64) {
        self.number = number
    }

    package var description: String { "\(number)" }
}

/// One message of the SWIM protocol between two members.
package struct GossipMessage: Hashable, Sendable {
    /// What the message asks or answers (SWIM, section 3.1).
    package enum Body: Hashable, Sendable {
        /// Asks the receiver to answer with an ack of the same sequence.
        case ping(ProbeSequence)
        /// Asks the receiver to ping `target`, and to pass its ack on under this sequence.
        case pingRequest(ProbeSequence, target: NodeID)
        /// Answers a ping, or a ping-request after the target's own ack.
        case ack(ProbeSequence)
    }

    /// How many updates a message may carry at most; the decoder refuses more.
    package static let updatesMax = 64

    /// What the message asks or answers.
    package let body: Body

    /// The sender's own incarnation: by it every message says "I am alive" for its sender.
    package let incarnation: Incarnation

    /// Claims about other members, and about the receiver if the sender doubts it.
    package let updates: [MemberUpdate]

    /// A message from a sender in one of its incarnations.
    ///
    /// - Parameters:
    ///   - body: what the message asks or answers.
    ///   - incarnation: the sender's own incarnation.
    ///   - updates: piggybacked claims, at most ``updatesMax``.
    package init(_ body: Body, incarnation: Incarnation, updates: [MemberUpdate] = []) {
        precondition(
            updates.count <= Self.updatesMax,
            "\(updates.count) updates in a gossip message, the limit is \(Self.updatesMax)"
        )
        self.body = body
        self.incarnation = incarnation
        self.updates = updates
    }
}
