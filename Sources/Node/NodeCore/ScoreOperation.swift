internal import Catalog
internal import Coordination
internal import PeerMessages
internal import TokenPlacement

/// One coordinated scoring.
final class ScoreOperation {
    private var machine: ScoreMachine
    private let table: TableDefinition
    private let template: ScoreRequest
    private let consistency: ConsistencyLevel
    private let coordinator: LoopCoordinator
    private let completion: (Result<ScoreMachine.Outcome, CoordinationError>) -> Void
    private var deadline: (any ScheduledCall)?
    private var isDone = false

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
        deadline = coordinator.environment.schedule(
            after: coordinator.settings.scoreTimeout
        ) { [self] in
            feed { $0.timedOut(&$1) }
        }
        feed { $0.start(&$1) }
    }

    private func feed(_ event: (inout ScoreMachine, inout [ScoreMachine.Action]) -> Void) {
        guard !isDone else { return }
        var actions: [ScoreMachine.Action] = []
        event(&machine, &actions)
        for action in actions {
            // What an action fails with at once may be the end of all.
            guard !isDone else { return }
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
                scored(request, result, bytes: 0)
            }
            return
        }
        coordinator.environment.request(
            .score(message),
            to: node,
            class: .request,
            timeout: nil
        ) { [self] result in
            switch result {
            case .success(let answer):
                guard case .scored(let reply) = answer.message,
                    reply.rows.allSatisfy({ $0.values.count == message.columns.count })
                else {
                    scored(request, .failure(.mismatch(from: node)), bytes: 0)
                    return
                }
                scored(request, .success(reply), bytes: answer.byteCount)
            case .failure(let failure): scored(request, .failure(failure), bytes: 0)
            }
        }
    }

    private func scored(
        _ request: Int,
        _ result: Result<ScoreReply, PeerFailure>,
        bytes: Int
    ) {
        switch result {
        case .success(let reply):
            feed { $0.scored(request: request, reply: reply, bytes: bytes, actions: &$1) }
        case .failure(let failure):
            feed { $0.requestFailed(request: request, failure, actions: &$1) }
        }
    }

    private func digest(_ request: Int, _ node: NodeID, _ groups: [Int]) {
        let message = ReadRequest(
            table: table.id,
            nowSeconds: template.nowSeconds,
            groups: groups.map { .init(mode: .digest, partitions: machine.partitions(of: $0)) }
        )
        coordinator.read(message, from: node) { [self] result in
            switch result {
            case .success(let replies):
                let digests = replies.map(\.digest)
                feed { $0.digestsReceived(request: request, digests: digests, actions: &$1) }
            case .failure(let failure):
                feed { $0.requestFailed(request: request, failure, actions: &$1) }
            }
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
        isDone = true
        deadline?.cancel()
        deadline = nil
        coordinator.release(0)
        completion(result)
    }
}
