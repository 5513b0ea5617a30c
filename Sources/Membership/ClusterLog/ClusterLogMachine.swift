package import Catalog
package import TokenPlacement

/// Keeps one node's copy of the cluster log: decides entries where it may, follows where not.
///
/// The founding node decides (until consensus does); every other node follows by epoch: each
/// message between nodes carries its sender's epoch, and who is behind fetches the entries. An
/// entry counts only once it is on this node's disk.
package struct ClusterLogMachine: Sendable {
    /// Names a proposal to the shell that made it.
    package typealias Ticket = UInt64

    /// What the shell must do, in this order.
    package enum Action: Equatable, Sendable {
        /// Write the entries with a sync, then report `entriesPersisted(through:)`.
        case persist([LogEntry])
        /// Use this state from now on.
        case publish(ClusterState)
        /// Tell who proposed what became of it: the epoch of the entry, or why there is none.
        case answer(Ticket, Result<Epoch, ClusterChangeError>)
        /// Send entries to a node that lacks them.
        case send([LogEntry], to: NodeID)
        /// Ask a node for the entries after an epoch.
        case fetch(after: Epoch, from: NodeID)
    }

    private struct Proposal: Sendable {
        /// Who is told the outcome; nil where the machine proposes by itself.
        var ticket: Ticket?
        var change: ClusterChange
    }

    private enum Role: Sendable {
        /// Decides; holds the proposals that wait for the one being written.
        case decider(queue: [Proposal], deciding: Proposal?)
        /// Follows; remembers whom it asked for entries, until when.
        case follower(asked: (node: NodeID, deadline: Duration)?)
    }

    /// The most proposals that wait for their turn.
    package static let queueCountMax = 1024
    /// The most entries of one reply; who lacks more asks again.
    package static let entriesPerReplyMax = 256
    /// How long a node waits for entries before it asks another one.
    package static let fetchTimeout = Duration.seconds(2)

    /// This node.
    package let node: NodeID
    /// The state after the last entry that is on disk.
    package private(set) var state: ClusterState

    private var entries: [LogEntry]
    private var persisting: [LogEntry] = []
    private var role: Role

    /// The machine of a node that starts with the entries on its disk.
    ///
    /// - Throws: ``ClusterChangeError`` if the entries are no log.
    package init(node: NodeID, entries: [LogEntry]) throws(ClusterChangeError) {
        self.node = node
        self.entries = entries
        var folded = ClusterState()
        for entry in entries { try folded.apply(entry) }
        state = folded
        role =
            folded.founder == node
            ? .decider(queue: [], deciding: nil) : .follower(asked: nil)
    }

    // MARK: Events

    /// The node starts: what a crash cut short goes on, such as giving the slices their owners.
    package mutating func started(actions: inout [Action]) {
        assignOwnersIfComplete()
        decideNext(&actions)
    }

    /// An operator founds the cluster on this node.
    ///
    /// Only an empty node can be a founder.
    package mutating func foundingRequested(
        _ founding: Founding,
        ticket: Ticket,
        actions: inout [Action]
    ) {
        guard entries.isEmpty, persisting.isEmpty else {
            actions.append(.answer(ticket, .failure(.invalid("the cluster is founded already"))))
            return
        }
        role = .decider(queue: [], deciding: nil)
        changeProposed(.found(founding), ticket: ticket, actions: &actions)
    }

    /// Someone asks the decider for a change.
    package mutating func changeProposed(
        _ change: ClusterChange,
        ticket: Ticket,
        actions: inout [Action]
    ) {
        guard case .decider(var queue, let deciding) = role else {
            actions.append(.answer(ticket, .failure(.undecided("this node does not decide"))))
            return
        }
        guard queue.count < Self.queueCountMax else {
            let text =
                "\(Self.queueCountMax) changes of the cluster wait already; try again later"
            actions.append(.answer(ticket, .failure(.undecided(text))))
            return
        }
        queue.append(Proposal(ticket: ticket, change: change))
        role = .decider(queue: queue, deciding: deciding)
        assignOwnersIfComplete()
        decideNext(&actions)
    }

    /// The entries of the last `persist` up to an epoch are on disk.
    package mutating func entriesPersisted(through epoch: Epoch, actions: inout [Action]) {
        guard let last = persisting.last, last.epoch == epoch else { return }
        let written = persisting
        persisting = []
        for entry in written {
            do {
                try state.apply(entry)
            } catch {
                preconditionFailure(
                    "entry \(entry.epoch) was checked before it was written: \(error)"
                )
            }
            entries.append(entry)
        }
        actions.append(.publish(state))
        guard case .decider(let queue, let deciding) = role else { return }
        for peer in state.nodes.keys.sorted() where peer != node {
            actions.append(.send(written, to: peer))
        }
        role = .decider(queue: queue, deciding: nil)
        if let ticket = deciding?.ticket { actions.append(.answer(ticket, .success(epoch))) }
        assignOwnersIfComplete()
        decideNext(&actions)
    }

    /// The entries could not be written: nothing that waits will be decided on this node.
    package mutating func persistFailed(_ why: String, actions: inout [Action]) {
        persisting = []
        guard case .decider(let queue, let deciding) = role else { return }
        role = .decider(queue: [], deciding: nil)
        resignUnlessFounded()
        let failure = ClusterChangeError.undecided("the cluster log cannot be written: \(why)")
        let waiting = ([deciding].compactMap { $0 } + queue).compactMap(\.ticket)
        for ticket in waiting { actions.append(.answer(ticket, .failure(failure))) }
    }

    /// A message told its sender's epoch.
    package mutating func epochSeen(
        _ epoch: Epoch,
        from peer: NodeID,
        now: Duration,
        actions: inout [Action]
    ) {
        guard epoch > state.epoch, persisting.isEmpty, case .follower(let asked) = role else {
            return
        }
        if let asked, now < asked.deadline { return }
        role = .follower(asked: (peer, now + Self.fetchTimeout))
        actions.append(.fetch(after: state.epoch, from: peer))
    }

    /// A node asks for the entries after an epoch.
    package func entriesRequested(after epoch: Epoch, by peer: NodeID, actions: inout [Action]) {
        guard epoch < state.epoch else { return }
        let first = Int(epoch.value)
        let last = min(entries.count, first + Self.entriesPerReplyMax)
        actions.append(.send(Array(entries[first..<last]), to: peer))
    }

    /// Entries came from a node; those that follow this node's last one are written.
    package mutating func entriesReceived(
        _ received: [LogEntry],
        from peer: NodeID,
        now: Duration,
        actions: inout [Action]
    ) {
        guard case .follower = role, persisting.isEmpty else { return }
        role = .follower(asked: nil)
        var trial = state
        var fresh: [LogEntry] = []
        for entry in received where entry.epoch == trial.epoch.next {
            guard (try? trial.apply(entry)) != nil else {
                // It would be refused again: asking at once would never end.
                role = .follower(asked: (peer, now + Self.fetchTimeout))
                break
            }
            fresh.append(entry)
        }
        if fresh.isEmpty {
            if let newest = received.last?.epoch, newest > state.epoch {
                epochSeen(newest, from: peer, now: now, actions: &actions)
            }
            return
        }
        persisting = fresh
        actions.append(.persist(fresh))
    }

    // MARK: Helpers of the decider

    private mutating func decideNext(_ actions: inout [Action]) {
        while case .decider(var queue, nil) = role, let proposal = queue.first {
            queue.removeFirst()
            let entry = LogEntry(
                epoch: state.epoch.next,
                ballot: Ballot(round: 1, node: node),
                change: proposal.change
            )
            let outcome: Result<Epoch, ClusterChangeError>
            do {
                if try changesState(entry) {
                    role = .decider(queue: queue, deciding: proposal)
                    persisting = [entry]
                    actions.append(.persist([entry]))
                    return
                }
                // A node that comes back with the addresses it had changes nothing.
                outcome = .success(state.epoch)
            } catch {
                outcome = .failure(error)
            }
            role = .decider(queue: queue, deciding: nil)
            resignUnlessFounded()
            if let ticket = proposal.ticket { actions.append(.answer(ticket, outcome)) }
        }
    }

    /// Whether the entry does anything; throws if it does not fit, or could not be read back.
    private func changesState(_ entry: LogEntry) throws(ClusterChangeError) -> Bool {
        var trial = state
        try trial.apply(entry)
        if trial.isSame(as: state) { return false }
        do {
            _ = try LogEntry(decoding: entry.encoded())
        } catch {
            throw .invalid("the change could not be read back from the cluster log: \(error)")
        }
        return true
    }

    /// A founding that failed leaves an empty node, which follows.
    private mutating func resignUnlessFounded() {
        if case .decider(let queue, nil) = role, queue.isEmpty, entries.isEmpty {
            role = .follower(asked: nil)
        }
    }

    /// Gives the slices their owners once all expected nodes are registered.
    private mutating func assignOwnersIfComplete() {
        guard case .decider(var queue, nil) = role, state.clusterID != nil, state.slices == nil,
            state.nodes.count >= state.expectedNodeCount
        else { return }
        let owners = Balancer.initialOwners(
            of: state.sortedNodes.map {
                WeightedNode(id: $0.id, location: $0.location, weight: 1)
            },
            sliceCount: state.sliceCount
        )
        queue.insert(Proposal(ticket: nil, change: .assignOwners(owners)), at: 0)
        role = .decider(queue: queue, deciding: nil)
    }
}

extension ClusterState {
    /// Whether the states differ in nothing but their epochs.
    fileprivate func isSame(as other: ClusterState) -> Bool {
        var copy = self
        copy.epoch = other.epoch
        copy.schemaVersion = other.schemaVersion
        return copy == other
    }
}
