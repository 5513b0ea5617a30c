import Catalog
import Coordination
import PeerMessages
import TokenPlacement

/// Writes one logged batch over an unreliable network, with a coordinator that crashes at a chosen
/// step; then the keepers replay what they hold, hints are delivered, and all is compared.
struct BatchPlay {
    /// What is broken on purpose, to prove that the checks see it.
    enum Mutant {
        case none
        /// Keepers say that they keep the batch, and do not.
        case noLog
        /// Keepers forget the batch as soon as the client is answered.
        case earlyRemoval
        /// Hints are said to be stored, and are not.
        case droppedHint
        /// The mutations are sent while the log is still on its way.
        case earlyWrites
    }

    /// What must not be.
    enum Violation: Hashable {
        case partial, lostAfterLog, lostAfterSuccess, answeredTwice, endless
    }

    private enum Event {
        case store(at: NodeID)
        case stored(NodeID)
        case storeFailed(NodeID)
        case write(to: NodeID, [Int])
        case written(NodeID)
        case writeFailed(NodeID)
        case hint(NodeID, [Int])
        case hintEnded(NodeID, HintOutcome)
        case remove(at: NodeID)
        case timeOut(BatchMachine.Phase)

        /// Whether it happens on the coordinator, and so no more after its crash.
        func isLocal(_ coordinator: NodeID) -> Bool {
            switch self {
            case .store(let node), .write(let node, _): node == coordinator
            case .stored, .storeFailed, .written, .writeFailed, .hint, .hintEnded, .timeOut: true
            case .remove: false
            }
        }
    }

    private static let coordinator = Fixture.a

    private let mutant: Mutant
    private var random: SplitMix
    private let view: ClusterView
    private var seen: ClusterView
    private let batch: StoredBatch
    private let lossRate: Double
    private var events: [Event] = []
    private var machine: BatchMachine?

    private var written: [NodeID: Set<Int>] = [:]
    private var logs: Set<NodeID> = []
    private var hints: [(node: NodeID, mutations: [Int])] = []
    /// What repair looks for at the others, in the end.
    private var marks: [(node: NodeID, mutations: [Int])] = []
    private var wasLogged = false
    private var hasSucceeded = false
    private var outcomes = 0

    private(set) var violations: Set<Violation> = []
    /// Whether the coordinator finished before it could crash.
    private(set) var isFinished = false
    /// Whether the batch was written in the end, and whether by a replay.
    private(set) var isWritten = false
    private(set) var isReplayed = false

    init(seed: UInt64, mutant: Mutant = .none) {
        self.mutant = mutant
        random = SplitMix(state: seed)
        view = Fixture.view(nodes: 5, .simple(factor: 3))
        seen = view
        if seed % 3 == 0 { seen.alive.remove(Fixture.id(.random(in: 2...5, using: &random))) }
        lossRate = Double.random(in: 0...0.4, using: &random)
        let mutations = (0..<3).map { number in
            Mutation(
                table: TableID(1),
                partition: PartitionRef(key: [UInt8(seed % 80) + UInt8(number) * 80]),
                operand: Fixture.row(10, 1)
            )
        }
        batch = StoredBatch(
            id: NodeID.random(using: &random),
            createdMicros: 0,
            mutations: mutations
        )
    }

    private mutating func happens(_ rate: Double) -> Bool {
        Double.random(in: 0..<1, using: &random) < rate
    }

    /// Plays the batch with a crash of the coordinator behind so many events.
    mutating func run(crashAfter steps: Int) throws {
        machine = try BatchMachine(
            id: batch.id,
            partitions: batch.mutations.map(\.partition),
            keyspaces: batch.mutations.map { _ in "ks" },
            view: seen,
            consistency: .quorum
        )
        step { $0.start(&$1) }
        var done = 0
        while !events.isEmpty {
            if done == steps {
                machine = nil
                events.removeAll { $0.isLocal(Self.coordinator) }
                if events.isEmpty { break }
            }
            done += 1
            handle(nextEvent())
        }
        isFinished = done < steps
        if machine?.isComplete == false { violations.insert(.endless) }
        try replay()
        for (node, mutations) in hints { written[node, default: []].formUnion(mutations) }
        for (node, mutations) in marks {
            let found = mutations.filter { index in written.values.contains { $0.contains(index) } }
            written[node, default: []].formUnion(found)
        }
        try check()
    }

    /// Any event, time-outs mostly last.
    private mutating func nextEvent() -> Event {
        let others = events.indices.filter { index in
            if case .timeOut = events[index] { false } else { true }
        }
        let isEarly = happens(0.03)
        let choice = others.isEmpty || isEarly ? Array(events.indices) : others
        return events.remove(at: choice[Int.random(in: 0..<choice.count, using: &random)])
    }

    private mutating func step(_ event: (inout BatchMachine, inout [BatchMachine.Action]) -> Void) {
        guard var current = machine else { return }
        var actions: [BatchMachine.Action] = []
        event(&current, &actions)
        machine = current
        for action in actions {
            switch action {
            case .storeBatch(let node):
                events.append(.store(at: node))
                if mutant == .earlyWrites, node == current.keepers[0] {
                    for number in 2...UInt64(5) { events.append(write(to: Fixture.id(number))) }
                }
            case .startTimeout(let phase): events.append(.timeOut(phase))
            case .write(let node, let mutations): events.append(.write(to: node, mutations))
            case .hint(let node, let mutations, let isSynced):
                precondition(isSynced, "a hint of a logged batch is not synced")
                events.append(.hint(node, mutations))
            case .succeed:
                outcomes += 1
                hasSucceeded = true
                if mutant == .earlyRemoval { logs = [] }
            case .fail: outcomes += 1
            case .removeBatch(let node): events.append(.remove(at: node))
            }
        }
        if outcomes > 1 { violations.insert(.answeredTwice) }
    }

    private func write(to node: NodeID) -> Event {
        let placement = try? view.placement(of: "ks")
        let own = batch.mutations.indices.filter {
            placement?.replicas(of: batch.mutations[$0].partition.token).contains(node) == true
        }
        return .write(to: node, own)
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .store(let node):
            if !happens(lossRate) {
                if mutant != .noLog { logs.insert(node) }
                wasLogged = true
                if !happens(lossRate) { events.append(.stored(node)) }
            } else if happens(0.5) {
                events.append(.storeFailed(node))
            }
        case .stored(let node): step { $0.batchStored(at: node, actions: &$1) }
        case .storeFailed(let node):
            step { $0.storeFailed(at: node, Fixture.failure(.disconnected), actions: &$1) }
        case .write(let node, let mutations):
            if !happens(lossRate) {
                written[node, default: []].formUnion(mutations)
                if !happens(lossRate) { events.append(.written(node)) }
            } else if happens(0.5) {
                events.append(.writeFailed(node))
            }
        case .written(let node): step { $0.acknowledged(by: node, actions: &$1) }
        case .writeFailed(let node):
            step { $0.failed(at: node, Fixture.failure(.disconnected), actions: &$1) }
        case .hint(let node, let mutations):
            if happens(0.2) {
                events.append(.hintEnded(node, .failed))
                return
            }
            if happens(0.3) {
                marks.append((node, mutations))
                events.append(.hintEnded(node, .marked))
                return
            }
            if mutant != .droppedHint { hints.append((node, mutations)) }
            events.append(.hintEnded(node, .stored))
        case .hintEnded(let node, let outcome):
            step { $0.hintEnded(for: node, outcome, actions: &$1) }
        case .remove(let node): if !happens(lossRate) { logs.remove(node) }
        case .timeOut(let phase): step { $0.timedOut(phase, actions: &$1) }
        }
    }

    /// Every keeper that still holds the batch writes it, as often as it must.
    private mutating func replay() throws {
        for keeper in logs.sorted() {
            isReplayed = true
            var attempts = 0
            while logs.contains(keeper) {
                attempts += 1
                guard attempts < 50 else {
                    violations.insert(.endless)
                    return
                }
                var view = ClusterView(node: keeper, state: view.state, alive: view.alive)
                let other = Fixture.id(.random(in: 1...5, using: &random))
                if other != keeper, happens(0.4) { view.alive.remove(other) }
                try replayOnce(at: keeper, view)
            }
        }
    }

    private mutating func replayOnce(at keeper: NodeID, _ view: ClusterView) throws {
        var replay = try BatchReplay(
            batch: batch,
            keyspaces: batch.mutations.map { _ in "ks" },
            view: view
        )
        var actions: [BatchReplay.Action] = []
        replay.start(&actions)
        while !actions.isEmpty {
            let action = actions.removeFirst()
            switch action {
            case .write(let node, let mutations):
                if happens(lossRate) {
                    let failure = Fixture.failure(.disconnected)
                    replay.failed(at: node, failure, actions: &actions)
                } else {
                    written[node, default: []].formUnion(mutations)
                    replay.acknowledged(by: node, actions: &actions)
                }
            case .hint(let node, let mutations, _):
                if happens(0.2) {
                    replay.hintEnded(for: node, .failed, actions: &actions)
                } else if happens(0.3) {
                    marks.append((node, mutations))
                    replay.hintEnded(for: node, .marked, actions: &actions)
                } else {
                    if mutant != .droppedHint { hints.append((node, mutations)) }
                    replay.hintEnded(for: node, .stored, actions: &actions)
                }
            case .remove: logs.remove(keeper)
            case .keep: return
            }
        }
    }

    private mutating func check() throws {
        let placement = try view.placement(of: "ks")
        var complete = 0
        var absent = 0
        for (index, mutation) in batch.mutations.enumerated() {
            let replicas = placement.replicas(of: mutation.partition.token)
            let holders = replicas.count { written[$0]?.contains(index) == true }
            if holders == replicas.count { complete += 1 }
            if holders == 0 { absent += 1 }
        }
        isWritten = complete == batch.mutations.count
        if !isWritten, absent < batch.mutations.count { violations.insert(.partial) }
        if wasLogged, !isWritten { violations.insert(.lostAfterLog) }
        if hasSucceeded, !isWritten { violations.insert(.lostAfterSuccess) }
    }
}
