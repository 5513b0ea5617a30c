package import Catalog
package import ClusterLog
internal import Coordination
package import Gossip
internal import PeerMessages
internal import Storage
package import TokenPlacement

/// This node's part in what the cluster agrees on and who is alive: drives the cluster log and
/// gossip on one event loop.
///
/// Bound to its loop; `handle` reaches it from elsewhere.
package final class ControlPlane {
    /// What became of a proposal.
    package typealias ProposalCompletion = (Result<Epoch, ClusterChangeError>) -> Void

    /// What follows from what the node learned.
    package struct Listener {
        /// A new state counts from now on.
        var published: (ClusterState) -> Void
        /// The nodes that are alive, this one among them.
        var aliveChanged: (Set<NodeID>, _ changed: NodeID, _ isAlive: Bool) -> Void
    }

    /// The loop that the control plane is bound to.
    package let environment: any LoopEnvironment
    private let node: NodeID
    /// How long a client waits for a change at the node that decides, as elsewhere for its answer.
    private static let proposalTimeout = Duration.seconds(30)

    private let schemaTimeout: Duration
    private let faults: PlantedFaults
    private var log: ClusterLogMachine
    private var gossip: GossipMachine
    private var gossipTimer: (any ScheduledCall)?
    private var nextTicket: ClusterLogMachine.Ticket = 1
    private var proposals: [ClusterLogMachine.Ticket: ProposalCompletion] = [:]
    private var epochWaiters: [UInt64: EpochWaiter] = [:]
    private var nextWaiter: UInt64 = 0
    private let started: Duration
    /// Whether the node has stopped.
    package private(set) var isStopped = false

    private struct EpochWaiter {
        var epoch: Epoch
        var timer: any ScheduledCall
        var completion: () -> Void
    }

    /// The most that wait for an epoch: each may hold a message.
    private static let epochWaitersMax = 1024

    /// Set once, before `start`.
    package var listener: Listener?

    /// The control plane of a node that starts with the entries on its disk.
    ///
    /// - Throws: ``ClusterChangeError`` if the entries are no log, ``GossipConfigurationError``-like
    ///   errors of gossip's own settings.
    package init(
        node: NodeID,
        environment: any LoopEnvironment,
        incarnation: Incarnation,
        entries: [LogEntry],
        schemaTimeout: Duration,
        gossip configuration: GossipConfiguration = GossipConfiguration(),
        faults: PlantedFaults = []
    ) throws {
        self.faults = faults
        self.node = node
        self.environment = environment
        self.schemaTimeout = schemaTimeout
        started = environment.now
        log = try ClusterLogMachine(node: node, entries: entries)
        gossip = try GossipMachine(
            configuration: configuration,
            localNode: node,
            incarnation: incarnation,
            seed: environment.random(),
            now: .zero
        )
    }

    /// The agreed state, as far as this node knows it.
    package var state: ClusterState { log.state }

    /// The nodes that gossip holds to be alive, this one among them.
    package var alive: Set<NodeID> {
        Set(gossip.members.map(\.id).filter { gossip.isAlive($0) }).union([node])
    }

    /// Whether every other node was heard of at least once.
    package var hasHeardAll: Bool {
        gossip.members.allSatisfy { $0.id == node || $0.status != .unheard }
    }

    private var now: Duration { environment.now - started }

    // MARK: Life

    /// Publishes the state from disk and begins to gossip.
    package func start() {
        publish(log.state)
        feed { $0.started(actions: &$1) }
        scheduleGossip()
    }

    /// Ends gossip; proposals that wait fail.
    package func stop() {
        isStopped = true
        gossipTimer?.cancel()
        for (_, completion) in proposals.sorted(by: { $0.key < $1.key }) {
            completion(.failure(.undecided("this node stops")))
        }
        proposals = [:]
    }

    // MARK: Proposals

    /// Founds the cluster on this node.
    package func found(_ founding: Founding, completion: @escaping ProposalCompletion) {
        let ticket = ticket(completion)
        feed { $0.foundingRequested(founding, ticket: ticket, actions: &$1) }
    }

    /// Proposes a change to whoever decides; completes once this node has applied it too.
    package func propose(_ change: ClusterChange, completion: @escaping ProposalCompletion) {
        guard let decider = log.state.founder else {
            completion(.failure(.undecided("this node has not joined a cluster yet")))
            return
        }
        guard decider != node else {
            proposeInTime(change, completion)
            return
        }
        let name = log.state.nodes[decider].map { "\(decider) (\($0.address))" } ?? "\(decider)"
        let refusal = ClusterChangeError.undecided(
            """
            node \(name), which decides changes of the cluster, cannot be reached: schema changes \
            and model pushes wait for it, while reads, writes and scores go on; start it again (a \
            change that was under way may have been decided: look before you repeat it)
            """
        )
        guard gossip.isAlive(decider) else {
            completion(.failure(refusal))
            return
        }
        environment.request(
            .propose(change),
            to: decider,
            class: .urgent,
            timeout: nil
        ) { [weak self] result in
            guard let self else { return }
            switch result.map(\.message) {
            case .success(.proposed(.success(let epoch))):
                wait(for: epoch, from: decider) { completion(.success(epoch)) }
            case .success(.proposed(.failure(let error))): completion(.failure(error))
            case .success:
                let failure = PeerFailure.mismatch(from: decider)
                completion(.failure(.undecided(failure.text)))
            case .failure(let failure) where failure.code == .disconnected:
                completion(.failure(refusal))
            case .failure(let failure): completion(.failure(.undecided(failure.text)))
            }
        }
    }

    /// Proposes a change and completes once every living node has applied it, so that the next
    /// request may go to any of them (or after the schema time-out: who is slow catches up later).
    package func proposeEverywhere(
        _ change: ClusterChange,
        completion: @escaping ProposalCompletion
    ) {
        propose(change) { [weak self] result in
            guard let self, case .success(let epoch) = result else {
                completion(result)
                return
            }
            let others = alive.filter { $0 != self.node }.sorted()
            var open = others.count
            guard open > 0 else {
                completion(result)
                return
            }
            for other in others {
                environment.request(
                    .awaitEpoch(epoch),
                    to: other,
                    class: .urgent,
                    timeout: schemaTimeout
                ) { _ in
                    open -= 1
                    if open == 0 { completion(result) }
                }
            }
        }
    }

    /// Has every other living node load a model; reports who could not, and why.
    package func distribute(
        _ push: ModelPush,
        timeout: Duration,
        completion: @escaping ([String]) -> Void
    ) {
        let others = alive.filter { $0 != node }.sorted()
        var open = others.count
        var failures: [String] = []
        guard open > 0 else {
            completion([])
            return
        }
        let message = PeerMessage.loadModel(
            push.name,
            hash: push.hash,
            byteCount: push.byteCount,
            signature: push.signature
        )
        for other in others {
            environment.request(message, to: other, class: .bulk, timeout: timeout) { result in
                if case .failure(let failure) = result {
                    failures.append("node \(other): \(failure.text)")
                }
                open -= 1
                if open == 0 { completion(failures) }
            }
        }
    }

    /// Decides a change, or says that this node does not decide.
    package func proposeHere(_ change: ClusterChange, completion: @escaping ProposalCompletion) {
        let ticket = ticket(completion)
        feed { $0.changeProposed(change, ticket: ticket, actions: &$1) }
    }

    /// Decides a change within the time that another node would wait for it: a disk that hangs must
    /// not keep a client for ever.
    private func proposeInTime(
        _ change: ClusterChange,
        _ completion: @escaping ProposalCompletion
    ) {
        let ticket = ticket(completion)
        _ = environment.schedule(after: Self.proposalTimeout) { [weak self] in
            let text = """
                this node could not write the change within \(Self.proposalTimeout): look at its disk \
                (the change may be decided later: look before you repeat it)
                """
            self?.proposals.removeValue(forKey: ticket)?(.failure(.undecided(text)))
        }
        feed { $0.changeProposed(change, ticket: ticket, actions: &$1) }
    }

    private func ticket(_ completion: @escaping ProposalCompletion) -> ClusterLogMachine.Ticket {
        defer { nextTicket += 1 }
        proposals[nextTicket] = completion
        return nextTicket
    }

    /// Calls `completion` once this node's state is at an epoch, or after a while all the same:
    /// the change is decided, and the node catches up later.
    ///
    /// Where too many wait already it is called at once.
    package func wait(for epoch: Epoch, from decider: NodeID, completion: @escaping () -> Void) {
        guard log.state.epoch < epoch else {
            completion()
            return
        }
        guard epochWaiters.count < Self.epochWaitersMax else {
            epochSeen(epoch, from: decider)
            completion()
            return
        }
        nextWaiter += 1
        let number = nextWaiter
        let timer = environment.schedule(after: schemaTimeout) { [weak self] in
            self?.epochWaiters.removeValue(forKey: number)?.completion()
        }
        epochWaiters[number] = EpochWaiter(epoch: epoch, timer: timer, completion: completion)
        epochSeen(epoch, from: decider)
    }

    /// Serves those that wait for an epoch that is reached, in the order in which they came.
    private func serveWaiters(at epoch: Epoch) {
        let reached = epochWaiters.filter { $0.value.epoch <= epoch }.keys.sorted()
        let waiters = reached.compactMap { epochWaiters.removeValue(forKey: $0) }
        for waiter in waiters {
            waiter.timer.cancel()
            waiter.completion()
        }
    }

    // MARK: Events

    /// A message carried its sender's epoch.
    package func epochSeen(_ epoch: Epoch, from peer: NodeID) {
        guard epoch > log.state.epoch else { return }
        let now = now
        feed { $0.epochSeen(epoch, from: peer, now: now, actions: &$1) }
    }

    /// Entries came from a node.
    package func entriesReceived(_ entries: [LogEntry], from peer: NodeID) {
        let now = now
        feed { $0.entriesReceived(entries, from: peer, now: now, actions: &$1) }
    }

    /// The entries after an epoch, for a node that asks.
    package func entries(after epoch: Epoch) -> [LogEntry] {
        var actions: [ClusterLogMachine.Action] = []
        log.entriesRequested(after: epoch, by: node, actions: &actions)
        for case .send(let entries, _) in actions { return entries }
        return []
    }

    /// A gossip message came.
    package func gossipReceived(_ bytes: [UInt8], from peer: NodeID) {
        do {
            let message = try GossipMessage(decoding: bytes)
            feedGossip { $0.messageReceived(message, from: peer, now: $1, into: &$2) }
        } catch {
            environment.log(.warning, "gossip of node \(peer) cannot be read: \(error)")
        }
    }

    /// A connection to a node was lost.
    package func connectionLost(to peer: NodeID) {
        feedGossip { $0.connectionLost(to: peer, now: $1, into: &$2) }
    }

    // MARK: Cluster log

    private func feed(
        _ event: (inout ClusterLogMachine, inout [ClusterLogMachine.Action]) -> Void
    ) {
        var actions: [ClusterLogMachine.Action] = []
        event(&log, &actions)
        for action in actions {
            switch action {
            case .persist(let entries): persist(entries)
            case .publish(let state): publish(state)
            case .answer(let ticket, let result): proposals.removeValue(forKey: ticket)?(result)
            case .send(let entries, let peer):
                environment.send(.logEntries(entries), to: peer, class: .urgent)
            case .fetch(let epoch, let peer): fetch(after: epoch, from: peer)
            }
        }
    }

    private func persist(_ entries: [LogEntry]) {
        guard let last = entries.last else { return }
        var writes = StoreWrites()
        for entry in entries {
            if faults.contains(.skippedEpochs), entry.epoch.value % 2 == 1 { continue }
            writes.putLocal(entry.encoded(), for: LocalKeys.logEntry(entry.epoch))
        }
        let isTaken = environment.submit(writes) { [weak self] error in
            guard let self else { return }
            if let error {
                environment.log(.critical, "the cluster log cannot be written: \(error)")
                feed { $0.persistFailed("\(error)", actions: &$1) }
            } else {
                feed { $0.entriesPersisted(through: last.epoch, actions: &$1) }
            }
        }
        guard isTaken else {
            feed { $0.persistFailed("the writer's queue is full", actions: &$1) }
            return
        }
    }

    private func fetch(after epoch: Epoch, from peer: NodeID) {
        environment.request(
            .fetchLog(after: epoch),
            to: peer,
            class: .urgent,
            timeout: nil
        ) { [weak self] result in
            if case .success(let answer) = result, case .logEntries(let entries) = answer.message {
                self?.entriesReceived(entries, from: peer)
            }
        }
    }

    private func publish(_ state: ClusterState) {
        feedGossip { $0.membersChanged(to: state.nodes.keys.sorted(), now: $1, into: &$2) }
        listener?.published(state)
        serveWaiters(at: state.epoch)
    }

    // MARK: Gossip

    private func feedGossip(
        _ event: (inout GossipMachine, Duration, inout [GossipMachine.Action]) -> Void
    ) {
        guard !isStopped else { return }
        var actions: [GossipMachine.Action] = []
        event(&gossip, now, &actions)
        for action in actions {
            switch action {
            case .send(let message, let peer):
                environment.send(.gossip(message.encoded), to: peer, class: .urgent)
            case .statusChanged(let peer, let status):
                environment.log(.info, "node \(peer) is \(status)")
                listener?.aliveChanged(alive, peer, gossip.isAlive(peer))
            }
        }
        scheduleGossip()
    }

    private func scheduleGossip() {
        gossipTimer?.cancel()
        let delay = max(.milliseconds(1), gossip.nextDeadline - now)
        gossipTimer = environment.schedule(after: delay) { [weak self] in
            self?.feedGossip { $0.timerFired(now: $1, into: &$2) }
        }
    }
}
