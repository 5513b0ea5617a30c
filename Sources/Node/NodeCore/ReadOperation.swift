internal import Catalog
internal import Coordination
internal import PeerMessages
internal import TokenPlacement

/// One coordinated read.
final class ReadOperation {
    private var machine: ReadMachine
    private let partitions: [PartitionRef]
    private let groups: [KeyGroup]
    private let table: TableDefinition
    private let nowSeconds: Int64
    private let coordinator: LoopCoordinator
    private let completion: (Result<[[UInt8]?], CoordinationError>) -> Void
    private var deadline: (any ScheduledCall)?
    private var speculation: (any ScheduledCall)?

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
        let environment = coordinator.environment
        feed { $0.start(&$1) }
        // Most reads of rows in memory are over by now.
        guard !machine.isFinished else { return }
        deadline = environment.schedule(after: coordinator.settings.readTimeout) { [self] in
            feed { $0.timedOut(&$1) }
        }
        guard let delay = coordinator.speculationDelay else { return }
        speculation = environment.schedule(after: delay) { [self] in
            feed { $0.speculate(&$1) }
        }
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
        coordinator.read(message, from: node) { [self] result in
            switch result {
            case .success(let replies):
                feed { $0.rowsReceived(request: request, replies: replies, actions: &$1) }
            case .failure(let failure):
                feed { $0.requestFailed(request: request, failure, actions: &$1) }
            }
        }
    }

    private func repair(_ request: Int, _ node: NodeID, _ repairs: [ReadMachine.Repair]) {
        if coordinator.faults.contains(.skippedReadRepair) {
            feed { $0.repairAcknowledged(request: request, actions: &$1) }
            return
        }
        let mutations = repairs.map {
            Mutation(table: table.id, partition: partitions[$0.key], operand: $0.operand)
        }
        coordinator.write(mutations, to: node) { [self] result in
            switch result {
            case .success: feed { $0.repairAcknowledged(request: request, actions: &$1) }
            case .failure(let failure):
                feed { $0.requestFailed(request: request, failure, actions: &$1) }
            }
        }
    }

    private func finish(_ result: Result<[[UInt8]?], CoordinationError>) {
        deadline?.cancel()
        deadline = nil
        speculation?.cancel()
        speculation = nil
        coordinator.release(0)
        completion(result)
    }
}

/// Single requests to a replica, this node's own among them.
extension LoopCoordinator {
    /// Asks a replica for rows or digests, and measures how long it takes.
    func read(
        _ message: ReadRequest,
        from node: NodeID,
        completion: @escaping LoopReplica.Completion<[ReadGroupReply]>
    ) {
        if node == view.node {
            replica.read(message) { [self] result in
                // So that others are asked first while this node rebuilds its rows.
                if case .failure = result { latencies.failed(node, now: environment.now) }
                completion(result)
            }
            return
        }
        let start = environment.now
        environment.request(.read(message), to: node, class: .request, timeout: nil) {
            [self] result in
            measured(node, since: start, result)
            switch result.map(\.message) {
            case .success(.rows(let replies)): completion(.success(replies))
            case .success: completion(.failure(.mismatch(from: node)))
            case .failure(let failure): completion(.failure(failure))
            }
        }
    }

    /// Asks a replica to write rows.
    func write(
        _ mutations: [Mutation],
        to node: NodeID,
        class trafficClass: TrafficClass = .request,
        timeout: Duration? = nil,
        completion: @escaping LoopReplica.Completion<Void>
    ) {
        if node == view.node {
            replica.write(mutations, completion: completion)
            return
        }
        environment.request(.write(mutations), to: node, class: trafficClass, timeout: timeout) {
            result in
            switch result.map(\.message) {
            case .success(.done): completion(.success(()))
            case .success: completion(.failure(.mismatch(from: node)))
            case .failure(let failure): completion(.failure(failure))
            }
        }
    }

    /// Notes how long a replica took.
    func measured(
        _ node: NodeID,
        since start: Duration,
        _ result: Result<PeerAnswer, PeerFailure>
    ) {
        switch result {
        case .success:
            latencies.answered(node, after: environment.now - start, now: environment.now)
        case .failure: latencies.failed(node, now: environment.now)
        }
    }

    /// After which time a read asks another replica, or nil for never.
    var speculationDelay: Duration? {
        settings.speculativePercentile.map { percentile in
            latencies.delay(percentile: percentile, timeout: settings.readTimeout)
        }
    }
}
