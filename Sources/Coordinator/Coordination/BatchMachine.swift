package import Catalog
package import PeerMessages
package import TokenPlacement

/// Writes a logged batch: once its log is stored, all of its mutations will be written, though
/// the coordinator may die at any moment.
///
/// Up to two other nodes keep the batch first. Then the mutations are written as by a
/// ``WriteMachine``, and the keepers forget the batch once every replica has acknowledged, or has a
/// durable hint or, where another one acknowledged, a durable mark. A keeper that is never told so
/// writes the batch itself (``BatchReplay``).
package struct BatchMachine: Sendable {
    /// What the batch does, each with a time-out of its own.
    package enum Phase: Hashable, Sendable {
        case storing
        case writing
    }

    /// What the shell must do.
    package enum Action: Equatable, Sendable {
        /// Have a node (perhaps this one) keep the batch, durably.
        case storeBatch(at: NodeID)
        /// Report `timedOut` with the phase after the write time-out.
        case startTimeout(Phase)
        case write(to: NodeID, mutations: [Int])
        case hint(for: NodeID, mutations: [Int], synced: Bool)
        case succeed
        case fail(CoordinationError)
        /// Have a node forget the batch; no answer is awaited.
        case removeBatch(at: NodeID)
    }

    private enum State: Sendable {
        /// Exits: `start` to storing.
        case initialized
        /// Exits: the batch is stored (writing), nobody could store it, the time-out.
        case storing
        /// Exits: all replicas have their mutations or hints of them.
        case writing
        /// No exit: what comes later is ignored.
        case complete
    }

    /// The nodes that keep the batch.
    package let keepers: [NodeID]

    private var writer: WriteMachine
    private var pending: Set<NodeID>
    private var storedCount = 0
    /// Whether all keepers that failed had refused, so that none holds the batch.
    private var isUntouched = true
    private var lastFailure: PeerFailure?
    private var state = State.initialized

    /// A machine for the mutations of a batch.
    ///
    /// The id is random: it spreads the batches over the keepers.
    ///
    /// - Throws: ``CoordinationError/unavailable(consistency:required:alive:)`` if a mutation has
    ///   too few living replicas; then nothing is stored.
    package init(
        id: NodeID,
        partitions: [PartitionRef],
        keyspaces: [String],
        view: ClusterView,
        consistency: ConsistencyLevel
    ) throws(CoordinationError) {
        writer = try WriteMachine(
            partitions: partitions,
            keyspaces: keyspaces,
            view: view,
            consistency: consistency,
            type: .batch,
            isLogged: true
        )
        keepers = Self.keepers(of: id, in: view)
        pending = Set(keepers)
    }

    /// Up to two living nodes of this datacenter other than this one, in other racks than this
    /// one's and each other's if there are any; this node if no other lives.
    package static func keepers(of id: NodeID, in view: ClusterView) -> [NodeID] {
        let ownRack = view.state.nodes[view.node]?.location.rack
        var nodesOfRack: [String: [NodeID]] = [:]
        for (node, record) in view.state.nodes
        where node != view.node && view.alive.contains(node) && view.isLocal(node) {
            nodesOfRack[record.location.rack, default: []].append(node)
        }
        let own = ownRack.flatMap { nodesOfRack.removeValue(forKey: $0) } ?? []
        // One of each rack first, beginning anywhere.
        var racks = rotated(nodesOfRack.keys.sorted(), by: id.high)
            .map { rotated((nodesOfRack[$0] ?? []).sorted(), by: id.low)[...] }
        var order: [NodeID] = []
        while order.count < 2, racks.contains(where: { !$0.isEmpty }) {
            for rack in racks.indices {
                if let node = racks[rack].popFirst() { order.append(node) }
            }
        }
        order += rotated(own.sorted(), by: id.low)
        return order.isEmpty ? [view.node] : Array(order.prefix(2))
    }

    private static func rotated<Element>(_ elements: [Element], by number: UInt64) -> [Element] {
        guard !elements.isEmpty else { return [] }
        let place = Int(number % UInt64(elements.count))
        return Array(elements[place...] + elements[..<place])
    }

    // MARK: Events

    /// Has the batch kept.
    package mutating func start(_ actions: inout [Action]) {
        guard case .initialized = state else { preconditionFailure("started twice: \(state)") }
        state = .storing
        // First, since a node that is this one may answer before the next action is taken.
        actions.append(.startTimeout(.storing))
        for keeper in keepers { actions.append(.storeBatch(at: keeper)) }
    }

    /// A node keeps the batch.
    package mutating func batchStored(at node: NodeID, actions: inout [Action]) {
        guard case .storing = state, pending.remove(node) != nil else { return }
        storedCount += 1
        isUntouched = false
        if pending.isEmpty { write(&actions) }
    }

    /// A node could not keep the batch, or its connection was lost.
    package mutating func storeFailed(
        at node: NodeID,
        _ failure: PeerFailure,
        actions: inout [Action]
    ) {
        guard case .storing = state, pending.remove(node) != nil else { return }
        lastFailure = failure
        if failure.code != .overloaded, failure.code != .invalid { isUntouched = false }
        guard pending.isEmpty else { return }
        if storedCount > 0 {
            write(&actions)
        } else if isUntouched, let lastFailure {
            state = .complete
            let isInvalid = lastFailure.code == .invalid
            let text = lastFailure.text
            actions.append(.fail(isInvalid ? .invalid(text) : .overloaded(text)))
        } else {
            giveUp(&actions)
        }
    }

    /// A node has written all its mutations.
    package mutating func acknowledged(by node: NodeID, actions: inout [Action]) {
        feed(&actions) { $0.acknowledged(by: node, actions: &$1) }
    }

    /// A node could not write, or its connection was lost.
    package mutating func failed(
        at node: NodeID,
        _ failure: PeerFailure,
        actions: inout [Action]
    ) {
        feed(&actions) { $0.failed(at: node, failure, actions: &$1) }
    }

    /// A node's hint is stored, or marks stand in its place, or neither.
    package mutating func hintEnded(
        for node: NodeID,
        _ outcome: HintOutcome,
        actions: inout [Action]
    ) {
        feed(&actions) { $0.hintEnded(for: node, outcome, actions: &$1) }
    }

    /// The time of a phase is over.
    package mutating func timedOut(_ phase: Phase, actions: inout [Action]) {
        switch (state, phase) {
        case (.storing, .storing):
            if storedCount > 0 { write(&actions) } else { giveUp(&actions) }
        case (.writing, .writing): feed(&actions) { $0.timedOut(&$1) }
        case (.initialized, _), (.storing, .writing), (.writing, .storing), (.complete, _):
            return  // A phase that is over.
        }
    }

    // MARK: Queries

    /// Whether the answer was given.
    package var isFinished: Bool {
        switch state {
        case .initialized, .storing: false
        case .writing: writer.isFinished
        case .complete: true
        }
    }

    /// Whether the answer was given and nothing is awaited any more.
    package var isComplete: Bool {
        if case .complete = state { true } else { false }
    }

    // MARK: Helpers

    private mutating func write(_ actions: inout [Action]) {
        state = .writing
        actions.append(.startTimeout(.writing))
        feed(&actions) { $0.start(&$1) }
    }

    /// Nobody is known to keep the batch: whether it will be written is open.
    private mutating func giveUp(_ actions: inout [Action]) {
        state = .complete
        let count = AnswerCount(consistency: .one, received: 0, required: 1)
        actions.append(.fail(.writeTimeout(count, type: .batchLog)))
    }

    private mutating func feed(
        _ actions: inout [Action],
        _ event: (inout WriteMachine, inout [WriteMachine.Action]) -> Void
    ) {
        guard case .writing = state else { return }
        var written: [WriteMachine.Action] = []
        event(&writer, &written)
        for action in written {
            switch action {
            case .write(let node, let mutations):
                actions.append(.write(to: node, mutations: mutations))
            case .hint(let node, let mutations, let isSynced):
                actions.append(.hint(for: node, mutations: mutations, synced: isSynced))
            case .succeed: actions.append(.succeed)
            case .fail(let error): actions.append(.fail(error))
            }
        }
        guard writer.isComplete else { return }
        state = .complete
        // Where hint and mark are missing the keepers must write the batch.
        guard writer.isEverywhere else { return }
        for keeper in keepers { actions.append(.removeBatch(at: keeper)) }
    }
}
