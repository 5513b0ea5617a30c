package import Catalog
package import PeerMessages
package import TokenPlacement

/// Sends a request's mutations to all living replicas, waits for as many as the level asks for,
/// and has hints kept for the rest.
///
/// A request may hold many mutations (a batch): each node gets one message with all those that it
/// keeps, and the request succeeds once every mutation has its acknowledgements.
///
/// The machine lives on after its answer, until every replica has acknowledged or has a hint. A
/// hint never fails a write and counts for none, but at ANY. As long as replicas only refuse the
/// write, nothing is done and hints are held back, so that OVERLOADED may say so; the first that
/// acknowledges, or fails otherwise, releases them, and so does the time-out.
package struct WriteMachine: Sendable {
    /// What the shell must do.
    package enum Action: Equatable, Sendable {
        /// Send the mutations with these places to a node (or write them here, if it is this one).
        case write(to: NodeID, mutations: [Int])
        /// Keep the mutations with these places for a node and report `hintEnded`: `stored` not
        /// before they are on disk if `synced`; if they cannot be kept, mark their slices dirty and
        /// say `marked` once the marks are on disk, `failed` where that is not awaited or fails.
        case hint(for: NodeID, mutations: [Int], synced: Bool)
        case succeed
        case fail(CoordinationError)
    }

    private enum State: Sendable {
        /// Exits: `start` to waiting.
        case initialized
        /// Exits: the last acknowledgement needed, a failure that leaves too few, the time-out.
        case waiting
        /// No exit: what comes later only settles the replicas.
        case answered
    }

    /// How a replica stands to its mutations.
    private enum Standing: Sendable {
        /// Was sent them. Exits: acknowledged, `invalid` (refused), failed (owed), the time-out.
        case open
        /// Calls them invalid. Exits: another may have them (owed), nothing was written at all
        /// (settled).
        case refused
        /// Lacks them. Exits: a hint is asked for (hinting), nothing was written at all (settled).
        case owed
        /// Exits: the hint is stored (settled), its slices are marked (marked), neither (lost).
        case hinting
        /// Has them. No exit.
        case acknowledged
        /// Has a hint, or lacks nothing. No exit.
        case settled
        /// Lacks them; repair will give it what others have. No exit.
        case marked
        /// Lacks them, and has no hint. No exit.
        case lost
    }

    private struct Replica: Sendable {
        var mutations: [Int] = []
        var standing: Standing
        /// Whether it called them invalid: at ANY its hint does not count.
        var hasRefused = false
    }

    private let consistency: ConsistencyLevel
    private let type: WriteType
    private let isLogged: Bool
    private var targets: [[WriteQuota]]
    private var replicas: [NodeID: Replica] = [:]
    private var openCount = 0
    private var owedCount = 0
    private var hintingCount = 0
    private var refusedCount = 0
    private var markedCount = 0
    private var lostCount = 0
    private var unsatisfied: Int
    private var failures = 0
    /// Whether all answers so far were refusals, so that nothing is known to be written.
    private var isUntouched: Bool
    /// Whether some replica has the writes, perhaps, or will have them by a hint.
    private var mayBeWritten = false
    /// Whether the time is over and only hints are awaited, one of which may still satisfy ANY.
    private var isOverdue = false
    /// What made success impossible, while it is open whether anything is written.
    private var loss: PeerFailure?
    private var lastFailure: PeerFailure?
    private var state = State.initialized

    /// A machine for mutations, each of a keyspace.
    ///
    /// Those that stand in a batch log (`isLogged`) will be written whatever happens here; hints
    /// are synced then, since they replace the log.
    ///
    /// - Throws: ``CoordinationError/unavailable(consistency:required:alive:)`` if a mutation has
    ///   too few living replicas; then nothing is sent, and nothing hinted.
    package init(
        partitions: [PartitionRef],
        keyspaces: [String],
        view: ClusterView,
        consistency: ConsistencyLevel,
        type: WriteType,
        isLogged: Bool = false
    ) throws(CoordinationError) {
        self.consistency = consistency
        self.type = type
        self.isLogged = isLogged
        isUntouched = !isLogged && consistency != .any
        targets = []
        targets.reserveCapacity(partitions.count)
        for (index, partition) in partitions.enumerated() {
            let placement = try view.placement(of: keyspaces[index])
            let nodes = placement.replicas(of: partition.token)
            targets.append(try view.quotas(consistency, placement, replicas: nodes))
            for node in nodes {
                let standing = view.alive.contains(node) ? Standing.open : .owed
                replicas[node, default: Replica(standing: standing)].mutations.append(index)
            }
        }
        unsatisfied = targets.reduce(0) { $0 + $1.count { !$0.isMet } }
    }

    // MARK: Events

    /// Sends everything.
    package mutating func start(_ actions: inout [Action]) {
        guard case .initialized = state else { preconditionFailure("started twice: \(state)") }
        state = .waiting
        for (node, replica) in replicas.sorted(by: { $0.key < $1.key }) {
            if case .open = replica.standing {
                openCount += 1
                actions.append(.write(to: node, mutations: replica.mutations))
            } else {
                owedCount += 1
            }
        }
        if !isUntouched { releaseHints(&actions) }
        if unsatisfied == 0 { finish(.succeed, &actions) }
    }

    /// A node has written all its mutations.
    package mutating func acknowledged(by node: NodeID, actions: inout [Action]) {
        guard isOpen(node) else { return }
        openCount -= 1
        replicas[node]?.standing = .acknowledged
        touch(&actions)
        count(node, &actions)
    }

    /// A node could not write, or its connection was lost.
    package mutating func failed(
        at node: NodeID,
        _ failure: PeerFailure,
        actions: inout [Action]
    ) {
        guard isOpen(node) else { return }
        openCount -= 1
        if failure.code == .invalid {
            // If no node writes it, nobody lacks it.
            replicas[node]?.standing = .refused
            replicas[node]?.hasRefused = true
            refusedCount += 1
        } else {
            replicas[node]?.standing = .owed
            owedCount += 1
        }
        if failure.code != .overloaded, failure.code != .invalid {
            isUntouched = false
            mayBeWritten = true
        }
        if !isUntouched { releaseHints(&actions) }
        guard case .waiting = state else { return }
        failures += 1
        lastFailure = failure
        // At ANY its hint may still count.
        if consistency != .any || failure.code == .invalid { discount(node, failure, &actions) }
    }

    /// A node's hint is stored, or marks stand in its place, or neither.
    package mutating func hintEnded(
        for node: NodeID,
        _ outcome: HintOutcome,
        actions: inout [Action]
    ) {
        guard case .hinting? = replicas[node]?.standing else { return }
        hintingCount -= 1
        switch outcome {
        case .stored:
            replicas[node]?.standing = .settled
            guard consistency == .any else { return }
            if replicas[node]?.hasRefused == false { count(node, &actions) }
            endIfOverdue(&actions)
        case .marked:
            replicas[node]?.standing = .marked
            markedCount += 1
            hintMissed(node, &actions)
        case .failed:
            replicas[node]?.standing = .lost
            lostCount += 1
            hintMissed(node, &actions)
        }
    }

    /// The request's time is over, whether it is answered or not: who has not acknowledged gets a
    /// hint.
    ///
    /// At ANY the answer waits for those hints, each of which may make it a success. Writing them
    /// ends one way or the other, so the wait does too.
    package mutating func timedOut(_ actions: inout [Action]) {
        if case .initialized = state { return }
        guard !isComplete else { return }
        if openCount > 0 {
            for (node, replica) in replicas {
                guard case .open = replica.standing else { continue }
                replicas[node]?.standing = .owed
                owedCount += 1
            }
            openCount = 0
        }
        touch(&actions)
        isOverdue = consistency == .any
        guard !isOverdue else {
            endIfOverdue(&actions)
            return
        }
        if case .waiting = state { finish(.fail(.writeTimeout(count, type: type)), &actions) }
    }

    // MARK: Queries

    /// The most that one node is sent, where each mutation counts so many bytes.
    package func bytesMaxOfNode(_ bytes: (_ mutation: Int) -> Int) -> Int {
        replicas.values.map { $0.mutations.reduce(0) { $0 + bytes($1) } }.max() ?? 0
    }

    /// Whether the answer was given.
    package var isFinished: Bool {
        if case .answered = state { true } else { false }
    }

    /// Whether the answer was given and nothing is awaited any more.
    package var isComplete: Bool {
        isFinished && openCount == 0 && owedCount == 0 && hintingCount == 0
    }

    /// Whether every replica has its mutations, a hint of them, or marks that bring it them; only
    /// complete machines know.
    ///
    /// Repair gives a marked replica what another one has: marks are enough for mutations that some
    /// replica acknowledged, while others would exist nowhere.
    package var isEverywhere: Bool {
        guard isComplete, lostCount == 0 else { return false }
        guard markedCount > 0 else { return true }
        var isWritten = [Bool](repeating: false, count: targets.count)
        for replica in replicas.values {
            guard case .acknowledged = replica.standing else { continue }
            for index in replica.mutations { isWritten[index] = true }
        }
        return replicas.values.allSatisfy { replica in
            guard case .marked = replica.standing else { return true }
            return replica.mutations.allSatisfy { isWritten[$0] }
        }
    }

    /// The acknowledgements of the mutation that lacks the most.
    private var count: AnswerCount {
        var neediest = (received: 0, required: 0)
        for quotas in targets {
            let required = quotas.reduce(0) { $0 + $1.required }
            let received = quotas.reduce(0) { $0 + min($1.acknowledged, $1.required) }
            if required - received > neediest.required - neediest.received {
                neediest = (received, required)
            }
        }
        return AnswerCount(
            consistency: consistency,
            received: neediest.received,
            required: neediest.required
        )
    }

    // MARK: Helpers

    private func isOpen(_ node: NodeID) -> Bool {
        if case .initialized = state { return false }
        if case .open? = replicas[node]?.standing { return true }
        return false
    }

    /// At ANY a replica's hint is missing, which may have been the last hope.
    private mutating func hintMissed(_ node: NodeID, _ actions: inout [Action]) {
        guard consistency == .any, case .waiting = state else { return }
        guard !isOverdue else {
            endIfOverdue(&actions)
            return
        }
        guard replicas[node]?.hasRefused == false else { return }
        let failure =
            lastFailure
            ?? PeerFailure(code: .failed, text: "the hint for node \(node) could not be stored")
        discount(node, failure, &actions)
    }

    private mutating func endIfOverdue(_ actions: inout [Action]) {
        guard isOverdue, hintingCount == 0, case .waiting = state else { return }
        finish(.fail(.writeTimeout(count, type: type)), &actions)
    }

    /// Notes that something may be written, which makes hints due.
    private mutating func touch(_ actions: inout [Action]) {
        isUntouched = false
        mayBeWritten = true
        releaseHints(&actions)
    }

    private mutating func releaseHints(_ actions: inout [Action]) {
        if refusedCount > 0, mayBeWritten || owedCount > 0 {
            // What one replica calls invalid another may have: that one lacks it then.
            for (node, replica) in replicas {
                guard case .refused = replica.standing else { continue }
                replicas[node]?.standing = .owed
            }
            owedCount += refusedCount
            refusedCount = 0
        }
        guard owedCount > 0 else { return }
        mayBeWritten = true
        let isSynced = isLogged || consistency == .any
        for (node, replica) in replicas.sorted(by: { $0.key < $1.key }) {
            guard case .owed = replica.standing else { continue }
            replicas[node]?.standing = .hinting
            actions.append(.hint(for: node, mutations: replica.mutations, synced: isSynced))
        }
        hintingCount += owedCount
        owedCount = 0
    }

    private mutating func count(_ node: NodeID, _ actions: inout [Action]) {
        guard case .waiting = state, let mutations = replicas[node]?.mutations else { return }
        for index in mutations {
            for place in targets[index].indices where targets[index][place].nodes.contains(node) {
                targets[index][place].pending -= 1
                targets[index][place].acknowledged += 1
                let quota = targets[index][place]
                if quota.acknowledged == quota.required { unsatisfied -= 1 }
            }
        }
        if unsatisfied == 0 {
            finish(.succeed, &actions)
        } else if let loss {
            giveUp(loss, &actions)
        }
    }

    private mutating func discount(
        _ node: NodeID,
        _ failure: PeerFailure,
        _ actions: inout [Action]
    ) {
        for index in replicas[node]?.mutations ?? [] {
            for place in targets[index].indices where targets[index][place].nodes.contains(node) {
                targets[index][place].pending -= 1
                if targets[index][place].isLost { loss = failure }
            }
        }
        guard let loss else { return }
        // OVERLOADED says that nothing was done: only the nodes that are still open can tell.
        if isUntouched, openCount > 0 { return }
        giveUp(loss, &actions)
    }

    private mutating func giveUp(_ failure: PeerFailure, _ actions: inout [Action]) {
        switch failure.code {
        case .overloaded where isUntouched: refuse(.overloaded(failure.text), &actions)
        case .invalid where isUntouched: refuse(.invalid(failure.text), &actions)
        case .disconnected: finish(.fail(.writeTimeout(count, type: type)), &actions)
        case .failed, .overloaded, .invalid, .unknownTable, .modelNotReady, .unreadable,
            .tooOld:
            let error = CoordinationError.writeFailure(
                count,
                failures: failures,
                type: type,
                text: failure.text
            )
            finish(.fail(error), &actions)
        }
    }

    /// Says that nothing was done: nobody lacks anything, and no hints are made.
    private mutating func refuse(_ error: CoordinationError, _ actions: inout [Action]) {
        for (node, replica) in replicas {
            switch replica.standing {
            case .owed, .refused: replicas[node]?.standing = .settled
            case .open, .hinting, .acknowledged, .settled, .marked, .lost: continue
            }
        }
        owedCount = 0
        refusedCount = 0
        finish(.fail(error), &actions)
    }

    private mutating func finish(_ action: Action, _ actions: inout [Action]) {
        state = .answered
        actions.append(action)
    }
}
