internal import Catalog
internal import Coordination
internal import Internode
internal import NIOCore
internal import PeerMessages
internal import TokenPlacement

/// How long requests may take.
struct RequestTimeouts: Sendable {
    var read = Duration.seconds(5)
    var write = Duration.seconds(2)
    var score = Duration.seconds(5)
    var modelPush = Duration.seconds(60)
}

/// Drives the coordination machines on one event loop: feeds them what happens, does what they say.
///
/// Bound to its loop; completions are called on it.
final class LoopCoordinator {
    let eventLoop: any EventLoop
    let peers: LoopPeers
    let replica: LoopReplica
    let timeouts: RequestTimeouts

    /// The cluster as of now; replaced as a whole.
    var view: ClusterView

    init(
        eventLoop: any EventLoop,
        peers: LoopPeers,
        replica: LoopReplica,
        timeouts: RequestTimeouts,
        view: ClusterView
    ) {
        self.eventLoop = eventLoop
        self.peers = peers
        self.replica = replica
        self.timeouts = timeouts
        self.view = view
    }

    /// Writes mutations of some keyspaces at a level.
    func write(
        _ mutations: [Mutation],
        keyspaces: [String],
        consistency: ConsistencyLevel,
        type: WriteType,
        completion: @escaping (Result<Void, CoordinationError>) -> Void
    ) {
        do throws(CoordinationError) {
            let machine = try WriteMachine(
                partitions: mutations.map(\.partition),
                keyspaces: keyspaces,
                view: view,
                consistency: consistency,
                type: type
            )
            WriteOperation(machine, mutations, self, completion).start()
        } catch {
            completion(.failure(error))
        }
    }

    /// Reads rows of one table at a level, in the order of the partitions.
    func read(
        _ partitions: [PartitionRef],
        of table: TableDefinition,
        consistency: ConsistencyLevel,
        nowSeconds: Int64,
        completion: @escaping (Result<[[UInt8]?], CoordinationError>) -> Void
    ) {
        do throws(CoordinationError) {
            let groups = try view.group(
                partitions,
                keyspace: table.keyspace,
                consistency: consistency
            )
            ReadOperation(
                partitions,
                groups,
                table,
                consistency,
                nowSeconds,
                self,
                completion
            ).start()
        } catch {
            completion(.failure(error))
        }
    }

    /// Scores rows of one table where they are; the request's groups are filled in here.
    func score(
        _ partitions: [PartitionRef],
        of table: TableDefinition,
        template: ScoreRequest,
        consistency: ConsistencyLevel,
        completion: @escaping (Result<ScoreMachine.Outcome, CoordinationError>) -> Void
    ) {
        do throws(CoordinationError) {
            let groups = try view.group(
                partitions,
                keyspace: table.keyspace,
                consistency: consistency
            )
            ScoreOperation(partitions, groups, table, template, consistency, self, completion)
                .start()
        } catch {
            completion(.failure(error))
        }
    }

    /// Calls `body` after a time unless the returned task is cancelled.
    func schedule(_ time: Duration, _ body: @escaping () -> Void) -> Scheduled<Void> {
        let bound = NIOLoopBound(body, eventLoop: eventLoop)
        return eventLoop.scheduleTask(in: TimeAmount(time)) { bound.value() }
    }

    /// A reply that is of the wrong kind.
    static func mismatch(_ message: PeerMessage, from node: NodeID) -> PeerFailure {
        PeerFailure(code: .failed, text: "node \(node) gave an answer of the wrong kind")
    }
}

/// One coordinated write.
private final class WriteOperation {
    private var machine: WriteMachine
    private let mutations: [Mutation]
    private let coordinator: LoopCoordinator
    private let completion: (Result<Void, CoordinationError>) -> Void
    private var deadline: Scheduled<Void>?

    init(
        _ machine: WriteMachine,
        _ mutations: [Mutation],
        _ coordinator: LoopCoordinator,
        _ completion: @escaping (Result<Void, CoordinationError>) -> Void
    ) {
        self.machine = machine
        self.mutations = mutations
        self.coordinator = coordinator
        self.completion = completion
    }

    func start() {
        deadline = coordinator.schedule(coordinator.timeouts.write) { [self] in
            feed { $0.timedOut(&$1) }
        }
        feed { $0.start(&$1) }
    }

    private func feed(_ event: (inout WriteMachine, inout [WriteMachine.Action]) -> Void) {
        var actions: [WriteMachine.Action] = []
        event(&machine, &actions)
        for action in actions {
            switch action {
            case .write(let node, let places): write(to: node, places.map { mutations[$0] })
            case .succeed: finish(.success(()))
            case .fail(let error): finish(.failure(error))
            }
        }
    }

    private func write(to node: NodeID, _ mutations: [Mutation]) {
        if node == coordinator.view.node {
            coordinator.replica.write(mutations) { [self] result in
                switch result {
                case .success: feed { $0.acknowledged(by: node, actions: &$1) }
                case .failure(let failure): feed { $0.failed(at: node, failure, actions: &$1) }
                }
            }
            return
        }
        coordinator.peers.request(.write(mutations), to: node, class: .request) { [self] result in
            switch result {
            case .success((.done, _)): feed { $0.acknowledged(by: node, actions: &$1) }
            case .success((let other, _)):
                let failure = LoopCoordinator.mismatch(other, from: node)
                feed { $0.failed(at: node, failure, actions: &$1) }
            case .failure(let failure): feed { $0.failed(at: node, failure, actions: &$1) }
            }
        }
    }

    private func finish(_ result: Result<Void, CoordinationError>) {
        deadline?.cancel()
        deadline = nil
        completion(result)
    }
}

/// One coordinated read.
private final class ReadOperation {
    private var machine: ReadMachine
    private let partitions: [PartitionRef]
    private let groups: [KeyGroup]
    private let table: TableDefinition
    private let nowSeconds: Int64
    private let coordinator: LoopCoordinator
    private let completion: (Result<[[UInt8]?], CoordinationError>) -> Void
    private var deadline: Scheduled<Void>?

    init(
        _ partitions: [PartitionRef],
        _ groups: [KeyGroup],
        _ table: TableDefinition,
        _ consistency: ConsistencyLevel,
        _ nowSeconds: Int64,
        _ coordinator: LoopCoordinator,
        _ completion: @escaping (Result<[[UInt8]?], CoordinationError>) -> Void
    ) {
        machine = ReadMachine(
            keyCount: partitions.count,
            groups: groups,
            consistency: consistency,
            nowSeconds: nowSeconds,
            gcGraceSeconds: table.options.gcGraceSeconds
        )
        self.partitions = partitions
        self.groups = groups
        self.table = table
        self.nowSeconds = nowSeconds
        self.coordinator = coordinator
        self.completion = completion
    }

    func start() {
        deadline = coordinator.schedule(coordinator.timeouts.read) { [self] in
            feed { $0.timedOut(&$1) }
        }
        feed { $0.start(&$1) }
    }

    private func feed(_ event: (inout ReadMachine, inout [ReadMachine.Action]) -> Void) {
        var actions: [ReadMachine.Action] = []
        event(&machine, &actions)
        for action in actions {
            switch action {
            case .read(let request, let node, let parts): read(request, node, parts)
            case .repair(let request, let node, let repairs): repair(request, node, repairs)
            case .answer(let rows): finish(.success(rows))
            case .fail(let error): finish(.failure(error))
            }
        }
    }

    private func read(_ request: Int, _ node: NodeID, _ parts: [ReadMachine.Part]) {
        let message = ReadRequest(
            table: table.id,
            nowSeconds: nowSeconds,
            groups: parts.map { part in
                ReadRequest.Group(
                    mode: part.mode,
                    partitions: groups[part.group].keys.map { partitions[$0] }
                )
            }
        )
        if node == coordinator.view.node {
            coordinator.replica.read(message) { [self] result in received(request, result) }
            return
        }
        coordinator.peers.request(.read(message), to: node, class: .request) { [self] result in
            switch result {
            case .success((.rows(let replies), _)): received(request, .success(replies))
            case .success((let other, _)):
                received(request, .failure(LoopCoordinator.mismatch(other, from: node)))
            case .failure(let failure): received(request, .failure(failure))
            }
        }
    }

    private func received(_ request: Int, _ result: Result<[ReadGroupReply], PeerFailure>) {
        switch result {
        case .success(let replies):
            feed { $0.rowsReceived(request: request, replies: replies, actions: &$1) }
        case .failure(let failure):
            feed { $0.requestFailed(request: request, failure, actions: &$1) }
        }
    }

    private func repair(_ request: Int, _ node: NodeID, _ repairs: [ReadMachine.Repair]) {
        let mutations = repairs.map {
            Mutation(table: table.id, partition: partitions[$0.key], operand: $0.operand)
        }
        if node == coordinator.view.node {
            coordinator.replica.write(mutations) { [self] result in repaired(request, result) }
            return
        }
        coordinator.peers.request(.write(mutations), to: node, class: .request) { [self] result in
            switch result {
            case .success((.done, _)): repaired(request, .success(()))
            case .success((let other, _)):
                repaired(request, .failure(LoopCoordinator.mismatch(other, from: node)))
            case .failure(let failure): repaired(request, .failure(failure))
            }
        }
    }

    private func repaired(_ request: Int, _ result: Result<Void, PeerFailure>) {
        switch result {
        case .success: feed { $0.repairAcknowledged(request: request, actions: &$1) }
        case .failure(let failure):
            feed { $0.requestFailed(request: request, failure, actions: &$1) }
        }
    }

    private func finish(_ result: Result<[[UInt8]?], CoordinationError>) {
        deadline?.cancel()
        deadline = nil
        completion(result)
    }
}

/// One coordinated scoring.
private final class ScoreOperation {
    private var machine: ScoreMachine
    private let table: TableDefinition
    private let template: ScoreRequest
    private let consistency: ConsistencyLevel
    private let coordinator: LoopCoordinator
    private let completion: (Result<ScoreMachine.Outcome, CoordinationError>) -> Void
    private var deadline: Scheduled<Void>?

    init(
        _ partitions: [PartitionRef],
        _ groups: [KeyGroup],
        _ table: TableDefinition,
        _ template: ScoreRequest,
        _ consistency: ConsistencyLevel,
        _ coordinator: LoopCoordinator,
        _ completion: @escaping (Result<ScoreMachine.Outcome, CoordinationError>) -> Void
    ) {
        machine = ScoreMachine(
            partitions: partitions,
            groups: groups,
            order: template.order,
            limit: template.limit,
            consistency: consistency
        )
        self.table = table
        self.template = template
        self.consistency = consistency
        self.coordinator = coordinator
        self.completion = completion
    }

    func start() {
        deadline = coordinator.schedule(coordinator.timeouts.score) { [self] in
            feed { $0.timedOut(&$1) }
        }
        feed { $0.start(&$1) }
    }

    private func feed(_ event: (inout ScoreMachine, inout [ScoreMachine.Action]) -> Void) {
        var actions: [ScoreMachine.Action] = []
        event(&machine, &actions)
        for action in actions {
            switch action {
            case .score(let request, let node, let groups): score(request, node, groups)
            case .digest(let request, let node, let groups): digest(request, node, groups)
            case .read(let groups): read(groups)
            case .scoreHere(let groups, let rows): scoreHere(groups, rows)
            case .answer(let outcome): finish(.success(outcome))
            case .fail(let error): finish(.failure(error))
            }
        }
    }

    private func request(_ groups: [Int]) -> ScoreRequest {
        var request = template
        request.groups = groups.map { machine.partitions(of: $0) }
        return request
    }

    private func score(_ request: Int, _ node: NodeID, _ groups: [Int]) {
        let message = self.request(groups)
        if node == coordinator.view.node {
            coordinator.replica.score(message) { [self] result in
                switch result {
                case .success(let reply):
                    feed { $0.scored(request: request, reply: reply, bytes: 0, actions: &$1) }
                case .failure(let failure):
                    feed { $0.requestFailed(request: request, failure, actions: &$1) }
                }
            }
            return
        }
        coordinator.peers.request(.score(message), to: node, class: .request) { [self] result in
            switch result {
            case .success((.scored(let reply), let bytes))
            where reply.rows.allSatisfy({ $0.values.count == message.columns.count }):
                feed { $0.scored(request: request, reply: reply, bytes: bytes, actions: &$1) }
            case .success((let other, _)):
                let failure = LoopCoordinator.mismatch(other, from: node)
                feed { $0.requestFailed(request: request, failure, actions: &$1) }
            case .failure(let failure):
                feed { $0.requestFailed(request: request, failure, actions: &$1) }
            }
        }
    }

    private func digest(_ request: Int, _ node: NodeID, _ groups: [Int]) {
        let message = ReadRequest(
            table: table.id,
            nowSeconds: template.nowSeconds,
            groups: groups.map { .init(mode: .digest, partitions: machine.partitions(of: $0)) }
        )
        if node == coordinator.view.node {
            coordinator.replica.read(message) { [self] result in digested(request, result) }
            return
        }
        coordinator.peers.request(.read(message), to: node, class: .request) { [self] result in
            switch result {
            case .success((.rows(let replies), _)): digested(request, .success(replies))
            case .success((let other, _)):
                digested(request, .failure(LoopCoordinator.mismatch(other, from: node)))
            case .failure(let failure): digested(request, .failure(failure))
            }
        }
    }

    private func digested(_ request: Int, _ result: Result<[ReadGroupReply], PeerFailure>) {
        switch result {
        case .success(let replies):
            let digests = replies.map(\.digest)
            feed { $0.digestsReceived(request: request, digests: digests, actions: &$1) }
        case .failure(let failure):
            feed { $0.requestFailed(request: request, failure, actions: &$1) }
        }
    }

    private func read(_ groups: [Int]) {
        let partitions = groups.flatMap { machine.partitions(of: $0) }
        coordinator.read(
            partitions,
            of: table,
            consistency: consistency,
            nowSeconds: template.nowSeconds
        ) { [self] result in
            switch result {
            case .success(let rows): feed { $0.rowsRead(rows, actions: &$1) }
            case .failure(let error): feed { $0.reconciliationFailed(error, actions: &$1) }
            }
        }
    }

    private func scoreHere(_ groups: [Int], _ rows: [[UInt8]?]) {
        let node = coordinator.view.node
        coordinator.replica.score(rows: rows, request(groups)) { [self] result in
            switch result {
            case .success(let reply): feed { $0.rowsScored(reply, by: node, actions: &$1) }
            case .failure(let failure):
                let error = CoordinationError.scoringFailed(failure.text)
                feed { $0.reconciliationFailed(error, actions: &$1) }
            }
        }
    }

    private func finish(_ result: Result<ScoreMachine.Outcome, CoordinationError>) {
        deadline?.cancel()
        deadline = nil
        completion(result)
    }
}
