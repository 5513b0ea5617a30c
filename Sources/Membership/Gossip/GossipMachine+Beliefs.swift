import TokenPlacement

/// What is believed and told: suspicion, refutation and piggybacking (SWIM, sections 4.1 and 4.2).
extension GossipMachine {
    /// Adopts a claim if it is newer than the belief, and then tells it on.
    ///
    /// A claim about the local node is refuted, if it calls for that.
    ///
    /// - Returns: the belief that the claim is too old for; nil if it is not too old.
    mutating func adopt(
        _ update: MemberUpdate,
        now: Duration,
        into actions: inout [Action]
    ) -> MemberUpdate? {
        guard update.node != localNode else {
            refuteIfNeeded(update)
            return nil
        }
        let timeout = configuration.suspicionTimeout(clusterSize: clusterSize)
        switch table.merge(update, suspicionEndsAt: now + timeout) {
        case .notRegistered, .known:
            return nil
        case .outdated(let belief):
            return belief
        case .adopted(let before):
            rumors.add(update)
            let status = MemberStatus(update.claim)
            guard status != before else { return nil }
            actions.append(.statusChanged(update.node, status))
            followUp(update.node, before: before, after: status)
            return nil
        }
    }

    /// Sends a message with as many updates as fit.
    ///
    /// First comes a doubt about the receiver itself, then what the caller gives, then the rumors.
    mutating func send(
        _ body: GossipMessage.Body,
        to receiver: NodeID,
        saying first: [MemberUpdate] = [],
        into actions: inout [Action]
    ) {
        let limit = configuration.updatesPerMessageMax
        var updates: [MemberUpdate] = []
        for update in (doubt(about: receiver).map { [$0] } ?? []) + first
        where updates.count < limit && !updates.contains(where: { $0.node == update.node }) {
            updates.append(update)
        }
        rumors.fill(
            &updates,
            upTo: limit,
            for: receiver,
            transmissionsMax: configuration.transmissions(clusterSize: clusterSize)
        )
        let message = GossipMessage(body, incarnation: incarnation, updates: updates)
        actions.append(.send(message, to: receiver))
    }

    /// The belief about a member, if it is one that the member must refute.
    func doubt(about id: NodeID) -> MemberUpdate? {
        guard let belief = table.belief(about: id) else { return nil }
        switch belief.claim {
        case .alive: return nil
        case .suspect, .dead: return belief
        }
    }

    private var clusterSize: Int { table.count + 1 }

    /// Steps over a claim about the local node: every message from now on refutes it.
    ///
    /// That someone knows of a higher incarnation means that this node's clock was set back since
    /// its last life.
    private mutating func refuteIfNeeded(_ update: MemberUpdate) {
        let own = MemberUpdate(node: localNode, incarnation: incarnation, claim: .alive)
        guard update.supersedes(own) else { return }
        incarnation = update.incarnation.next
    }

    private mutating func followUp(_ id: NodeID, before: MemberStatus, after: MemberStatus) {
        switch after {
        case .suspect:
            enqueueOutOfTurn(id)  // It is asked for its refutation at once.
        case .alive where before == .dead:
            // Perhaps a partition has healed, then others of its side can be reached again.
            for dead in table.ids(where: { $0 == .dead }) { enqueueOutOfTurn(dead) }
        case .alive, .dead, .unheard:
            break
        }
    }
}
