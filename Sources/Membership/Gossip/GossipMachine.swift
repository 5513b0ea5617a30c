package import TokenPlacement

/// Says who is alive, and nothing else: the SWIM protocol of Das, Gupta and Motivala (DSN 2002).
///
/// Who is a member the cluster log decides (``membersChanged(to:now:into:)``). Once a period the
/// machine pings one member, in turn; if no ack comes it asks others to ping (section 3.1); if none
/// of them passes an ack on the member becomes suspect, and dead unless it refutes in time (4.2).
/// What changed is told by piggybacking on the pings and acks (4.1).
///
/// Four things stand beside the paper:
/// - Members that are new, suspect, absent or cut off are probed out of turn, within a bound.
/// - A message to a member that is held suspect or dead says so, and its ack refutes (the "buddy
///   system" of Lifeguard, Dadgar et al. 2018); an ack also corrects what the ping had outdated.
/// - Dead and unheard members are probed slowly, so that a healed partition reconnects.
/// - When this node itself slept, the others get the time back instead of being suspected.
///
/// The shell feeds every event with the time since its start, carries the actions out in order, and
/// sets one timer for ``nextDeadline``. An event that comes before the deadline changes no timer.
package struct GossipMachine: Sendable {
    /// What the shell must do.
    package enum Action: Hashable, Sendable {
        /// Hand a message to the urgent connection of a member; it may be lost.
        case send(GossipMessage, to: NodeID)
        /// Tell the node's other parts that a member is believed to have another status now.
        case statusChanged(NodeID, MemberStatus)
    }

    /// The times and bounds, as they were validated.
    package let configuration: GossipConfiguration

    /// The node that this machine speaks for.
    package let localNode: NodeID

    /// The local node's own incarnation; it rises with every refutation.
    package internal(set) var incarnation: Incarnation

    var table = MemberTable()
    var rumors = Dissemination()
    var generator: SplitMix64

    var round = ProbeRound()
    /// The probes under way, at most one for each target.
    var probes: [Probe] = []
    /// The pings under way in other members' stead.
    var relays: [Relay] = []
    /// Who waits for a probe out of turn, each once.
    var outOfTurn: [NodeID] = []
    /// How many probes may still start out of turn in this period.
    var outOfTurnLeft: Int
    var lastSequence: UInt64 = 0

    var nextPeriodAt: Duration
    var nextAbsentProbeAt: Duration
    /// The absent member that was probed last; the next one by id follows.
    var lastAbsent: NodeID?

    /// A machine that knows of no member yet.
    ///
    /// - Parameters:
    ///   - configuration: the times and bounds.
    ///   - localNode: the node that the machine speaks for.
    ///   - incarnation: higher than all of this node's former lives; the milliseconds of its wall
    ///     clock serve.
    ///   - seed: makes the choice of targets and helpers; a different one for each start.
    ///   - now: the time since the shell's start.
    /// - Throws: what is wrong with the configuration, all of it.
    package init(
        configuration: GossipConfiguration,
        localNode: NodeID,
        incarnation: Incarnation,
        seed: UInt64,
        now: Duration
    ) throws(GossipConfigurationError) {
        try configuration.validate()
        self.configuration = configuration
        self.localNode = localNode
        self.incarnation = incarnation
        generator = SplitMix64(seed: seed)
        outOfTurnLeft = configuration.outOfTurnProbesMax
        nextPeriodAt = now + configuration.protocolPeriod
        nextAbsentProbeAt = now + configuration.absentProbeInterval
    }

    /// The cluster log lists these nodes now.
    ///
    /// New ones are unheard and are probed at once; of those that are gone nothing is kept, and no
    /// action tells it, since the caller knows.
    ///
    /// - Parameters:
    ///   - nodes: all registered nodes in any order; whether the local one is among them is the same.
    ///   - now: the time since the shell's start.
    ///   - actions: where the actions are appended.
    package mutating func membersChanged(
        to nodes: [NodeID],
        now: Duration,
        into actions: inout [Action]
    ) {
        let others = Set(nodes).subtracting([localNode])
        let sortedIDs = others.sorted()
        let added = sortedIDs.filter { table.status(of: $0) == nil }
        table.replaceMembers(with: sortedIDs)
        round.replaceMembers(with: sortedIDs, using: &generator)
        rumors.forget { !others.contains($0) }
        probes.removeAll { !others.contains($0.target) }
        relays.removeAll { !others.contains($0.target) || !others.contains($0.origin) }
        outOfTurn.removeAll { !others.contains($0) }
        for id in added { enqueueOutOfTurn(id) }
        startOutOfTurnProbes(now: now, into: &actions)
    }

    /// The time that ``nextDeadline`` named has come.
    ///
    /// - Parameters:
    ///   - now: the time since the shell's start; before the deadline nothing happens.
    ///   - actions: where the actions are appended.
    package mutating func timerFired(now: Duration, into actions: inout [Action]) {
        forgiveOwnSleep(now: now)
        relays.removeAll { $0.expiresAt <= now }
        advanceProbes(now: now, into: &actions)
        for suspicion in table.suspectsOverdue(now: now) {
            let dead = MemberUpdate(
                node: suspicion.node,
                incarnation: suspicion.incarnation,
                claim: .dead
            )
            _ = adopt(dead, now: now, into: &actions)
        }
        if now >= nextPeriodAt { startPeriod(now: now, into: &actions) }
        startOutOfTurnProbes(now: now, into: &actions)
    }

    /// A message came from another node.
    ///
    /// A node that the cluster log does not list (yet) gets its ack, but nothing that it says is
    /// believed.
    ///
    /// - Parameters:
    ///   - message: the message.
    ///   - sender: the node at the other end of the connection.
    ///   - now: the time since the shell's start.
    ///   - actions: where the actions are appended.
    package mutating func messageReceived(
        _ message: GossipMessage,
        from sender: NodeID,
        now: Duration,
        into actions: inout [Action]
    ) {
        guard sender != localNode else { return }
        guard table.status(of: sender) != nil else {
            if case .ping(let sequence) = message.body {
                send(.ack(sequence), to: sender, into: &actions)
            }
            return
        }
        let incarnationBefore = incarnation
        let life = MemberUpdate(node: sender, incarnation: message.incarnation, claim: .alive)
        var corrections: [MemberUpdate] = []
        for update in [life] + message.updates {
            if let newer = adopt(update, now: now, into: &actions) { corrections.append(newer) }
        }
        switch message.body {
        case .ping(let sequence):
            send(.ack(sequence), to: sender, saying: corrections, into: &actions)
        case .pingRequest(let sequence, let target):
            relay(sequence, to: target, for: sender, now: now, into: &actions)
        case .ack(let sequence):
            ackReceived(sequence, from: sender, into: &actions)
        }
        if incarnation != incarnationBefore, !message.body.isPing {
            enqueueOutOfTurn(sender)  // A ping's ack refutes by itself; here a ping has to.
        }
        startOutOfTurnProbes(now: now, into: &actions)
    }

    /// The connection to a member broke, or could not be made.
    ///
    /// That proves nothing, but the member is probed at once. For a member that is suspect or absent
    /// nothing follows: it is probed anyway, and a connection that fails with each probe must not
    /// make for more of them.
    ///
    /// - Parameters:
    ///   - node: the node at the other end.
    ///   - now: the time since the shell's start.
    ///   - actions: where the actions are appended.
    package mutating func connectionLost(
        to node: NodeID,
        now: Duration,
        into actions: inout [Action]
    ) {
        guard table.status(of: node) == .alive else { return }
        guard let index = probes.firstIndex(where: { $0.target == node }) else {
            enqueueOutOfTurn(node)
            startOutOfTurnProbes(now: now, into: &actions)
            return
        }
        switch probes[index].stage {
        case .direct: requestIndirectPings(forProbeAt: index, now: now, into: &actions)
        case .indirect: break  // The connections of the helpers matter now.
        }
    }

    /// When ``timerFired(now:into:)`` must be called next; every event may change it.
    package var nextDeadline: Duration {
        let deadlines = probes.map(\.deadline) + [nextPeriodAt]
        let first = deadlines.min() ?? nextPeriodAt
        return table.nextSuspicionEnd.map { min($0, first) } ?? first
    }

    /// What is believed of a node; nil if the cluster log does not list it.
    ///
    /// The local node is always alive.
    package func status(of node: NodeID) -> MemberStatus? {
        node == localNode ? .alive : table.status(of: node)
    }

    /// Whether requests may be sent to a node: it is alive, perhaps suspect, or it is this one.
    package func isAlive(_ node: NodeID) -> Bool {
        status(of: node)?.isAlive ?? false
    }

    /// The local node and all other registered ones, sorted by id.
    package var members: [Member] {
        let local = Member(id: localNode, incarnation: incarnation, status: .alive)
        return (table.members + [local]).sorted { $0.id < $1.id }
    }
}

extension GossipMessage.Body {
    fileprivate var isPing: Bool {
        switch self {
        case .ping: true
        case .pingRequest, .ack: false
        }
    }
}
