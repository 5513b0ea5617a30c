package import Catalog
package import PeerMessages
package import TokenPlacement

/// Sends a request's mutations to all living replicas and waits for as many as the level asks for.
///
/// A request may hold many mutations (a batch): each node gets one message with all those that it
/// keeps, and the request succeeds once every mutation has its acknowledgements.
package struct WriteMachine: Sendable {
    /// What the shell must do.
    package enum Action: Equatable, Sendable {
        /// Send the mutations with these places to a node (or write them here, if it is this one).
        case write(to: NodeID, mutations: [Int])
        case succeed
        case fail(CoordinationError)
    }

    private enum State: Sendable {
        /// Exits: `start` to waiting.
        case initialized
        /// Exits: the last acknowledgement needed, a failure that leaves too few, the time-out.
        case waiting
        /// No exit: what comes later is ignored.
        case finished
    }

    /// One mutation's replicas.
    private struct Target: Sendable {
        let nodes: [NodeID]
        /// The replicas whose acknowledgement counts (LOCAL levels count only their own).
        let counted: Set<NodeID>
        let required: Int
        var acknowledged = 0
        var pending: Int
    }

    private let consistency: ConsistencyLevel
    private let type: WriteType
    private var targets: [Target]
    private var mutationsOfNode: [NodeID: [Int]] = [:]
    private var openNodes: Set<NodeID> = []
    private var unsatisfied: Int
    private var failures = 0
    /// Whether all answers so far were refusals, so that nothing is known to be written.
    private var isUntouched = true
    /// What made success impossible, while it is open whether anything is written.
    private var loss: PeerFailure?
    private var state = State.initialized

    /// A machine for mutations of one keyspace.
    ///
    /// - Throws: ``CoordinationError/unavailable(consistency:required:alive:)`` if a mutation has
    ///   too few living replicas; then nothing is sent.
    package init(
        partitions: [PartitionRef],
        keyspaces: [String],
        view: ClusterView,
        consistency: ConsistencyLevel,
        type: WriteType
    ) throws(CoordinationError) {
        self.consistency = consistency
        self.type = type
        var built: [Target] = []
        built.reserveCapacity(partitions.count)
        for (index, partition) in partitions.enumerated() {
            let placement = try view.placement(of: keyspaces[index])
            let required = try view.required(consistency, placement)
            let living = placement.replicas(of: partition.token).filter(view.alive.contains)
            let counted = consistency.isLocal ? living.filter(view.isLocal) : living
            guard counted.count >= required else {
                throw .unavailable(
                    consistency: consistency,
                    required: required,
                    alive: counted.count
                )
            }
            for node in living { mutationsOfNode[node, default: []].append(index) }
            built.append(
                Target(
                    nodes: living,
                    counted: Set(counted),
                    required: required,
                    pending: counted.count
                )
            )
        }
        targets = built
        unsatisfied = built.count
    }

    // MARK: Events

    /// Sends everything.
    package mutating func start(_ actions: inout [Action]) {
        guard case .initialized = state else { preconditionFailure("started twice: \(state)") }
        state = .waiting
        for (node, mutations) in mutationsOfNode.sorted(by: { $0.key < $1.key }) {
            openNodes.insert(node)
            actions.append(.write(to: node, mutations: mutations))
        }
        if targets.isEmpty { finish(.succeed, &actions) }
    }

    /// A node has written all its mutations.
    package mutating func acknowledged(by node: NodeID, actions: inout [Action]) {
        guard case .waiting = state, openNodes.remove(node) != nil else { return }
        isUntouched = false
        for index in mutationsOfNode[node, default: []] where targets[index].counted.contains(node)
        {
            targets[index].pending -= 1
            targets[index].acknowledged += 1
            if targets[index].acknowledged == targets[index].required { unsatisfied -= 1 }
        }
        if unsatisfied == 0 {
            finish(.succeed, &actions)
        } else if let loss {
            giveUp(loss, &actions)
        }
    }

    /// A node could not write, or its connection was lost.
    package mutating func failed(
        at node: NodeID,
        _ failure: PeerFailure,
        actions: inout [Action]
    ) {
        guard case .waiting = state, openNodes.remove(node) != nil else { return }
        failures += 1
        if failure.code != .overloaded, failure.code != .invalid { isUntouched = false }
        for index in mutationsOfNode[node, default: []] where targets[index].counted.contains(node)
        {
            targets[index].pending -= 1
            if targets[index].acknowledged + targets[index].pending < targets[index].required {
                loss = failure
            }
        }
        guard let loss else { return }
        // OVERLOADED says that nothing was done: only the nodes that are still open can tell.
        if isUntouched, !openNodes.isEmpty { return }
        giveUp(loss, &actions)
    }

    /// The request's time is over.
    package mutating func timedOut(_ actions: inout [Action]) {
        guard case .waiting = state else { return }
        finish(.fail(.writeTimeout(count, type: type)), &actions)
    }

    // MARK: Queries

    /// Whether the answer was given.
    package var isFinished: Bool {
        if case .finished = state { true } else { false }
    }

    /// The acknowledgements of the mutation that lacks the most.
    private var count: AnswerCount {
        let neediest = targets.max {
            $0.required - $0.acknowledged < $1.required - $1.acknowledged
        }
        return AnswerCount(
            consistency: consistency,
            received: neediest?.acknowledged ?? 0,
            required: neediest?.required ?? 0
        )
    }

    private mutating func giveUp(_ failure: PeerFailure, _ actions: inout [Action]) {
        switch failure.code {
        case .overloaded where isUntouched: finish(.fail(.overloaded(failure.text)), &actions)
        case .invalid where isUntouched: finish(.fail(.invalid(failure.text)), &actions)
        case .disconnected: finish(.fail(.writeTimeout(count, type: type)), &actions)
        case .failed, .overloaded, .invalid, .unknownTable, .modelNotReady:
            let error = CoordinationError.writeFailure(
                count,
                failures: failures,
                type: type,
                text: failure.text
            )
            finish(.fail(error), &actions)
        }
    }

    private mutating func finish(_ action: Action, _ actions: inout [Action]) {
        state = .finished
        actions.append(action)
    }
}
