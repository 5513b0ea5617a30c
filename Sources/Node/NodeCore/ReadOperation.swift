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
    /// The bytes of the rows that replicas sent.
    private var heldBytes = 0
    private var isDone = false

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
        if !coordinator.faults.contains(.endlessRead) {
            deadline = environment.schedule(after: coordinator.settings.readTimeout) { [self] in
                feed { $0.timedOut(&$1) }
            }
        }
        guard let delay = coordinator.speculationDelay else { return }
        speculation = environment.schedule(after: delay) { [self] in
            feed { $0.speculate(&$1) }
        }
    }

    private func feed(_ event: (inout ReadMachine, inout [ReadMachine.Action]) -> Void) {
        guard !isDone else { return }
        var actions: [ReadMachine.Action] = []
        event(&machine, &actions)
        for action in actions {
            // What an action ends with at once may be the end of all.
            guard !isDone else { return }
            switch action {
            case .read(let request, let node, let parts): read(request, node, parts)
            case .repair(let request, let node, let repairs): repair(request, node, repairs)
            case .answer(let rows):
                let isReversed = coordinator.faults.contains(.reversedRows)
                finish(.success(isReversed ? rows.reversed() : rows))
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
                hold(replies)
                feed { $0.rowsReceived(request: request, replies: replies, actions: &$1) }
            case .failure(let failure):
                feed { $0.requestFailed(request: request, failure, actions: &$1) }
            }
        }
    }

    /// Counts what came, so that new requests are refused where too much is held.
    private func hold(_ replies: [ReadGroupReply]) {
        guard !isDone else { return }
        var bytes = 0
        for reply in replies { for row in reply.rows { bytes += row?.count ?? 0 } }
        heldBytes += bytes
        coordinator.hold(bytes)
    }

    private func repair(_ request: Int, _ node: NodeID, _ repairs: [ReadMachine.Repair]) {
        if coordinator.faults.contains(.skippedReadRepair) {
            feed { $0.repairAcknowledged(request: request, actions: &$1) }
            return
        }
        let mutations = repairs.map {
            Mutation(table: table.id, partition: partitions[$0.key], operand: $0.operand)
        }
        coordinator.repair(mutations[...], at: node) { [self] result in
            switch result {
            case .success: feed { $0.repairAcknowledged(request: request, actions: &$1) }
            case .failure(let failure):
                feed { $0.requestFailed(request: request, failure, actions: &$1) }
            }
        }
    }

    private func finish(_ result: Result<[[UInt8]?], CoordinationError>) {
        isDone = true
        deadline?.cancel()
        deadline = nil
        speculation?.cancel()
        speculation = nil
        coordinator.release(heldBytes)
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
        let start = environment.now
        if node == view.node {
            var isAtOnce = true
            replica.read(message) { [self] result in
                if isAtOnce, case .success = result {
                    latencies.answeredAtOnce(node)
                } else {
                    // So that others are asked first while this node waits for its disk, or
                    // rebuilds its rows.
                    note(result, of: node, since: start, isScan: false)
                }
                completion(result)
            }
            isAtOnce = false
            return
        }
        environment.request(.read(message), to: node, class: .request, timeout: nil) {
            [self] result in
            note(result, of: node, since: start, isScan: false)
            switch result.map(\.message) {
            case .success(.rows(let replies)): completion(.success(replies))
            case .success: completion(.failure(.mismatch(from: node)))
            case .failure(let failure): completion(.failure(failure))
            }
        }
    }

    /// About how many bytes of repairs one message has.
    private static let repairBytesMax = 1 << 20

    /// Asks a replica to write merged rows, message by message, so that however much it lacks finds
    /// room in its writer's queue; completes with the last acknowledgement or the first failure.
    func repair(
        _ mutations: ArraySlice<Mutation>,
        at node: NodeID,
        completion: @escaping LoopReplica.Completion<Void>
    ) {
        var bytes = 0
        let part = mutations.prefix { mutation in
            defer { bytes += mutation.byteCount }
            return bytes == 0 || bytes + mutation.byteCount <= Self.repairBytesMax
        }
        let rest = mutations.dropFirst(part.count)
        write(Array(part), to: node) { [self] result in
            guard case .success = result, !rest.isEmpty else {
                completion(result)
                return
            }
            repair(rest, at: node, completion: completion)
        }
    }

    /// Asks a replica to write rows.
    func write(
        _ mutations: [Mutation],
        to node: NodeID,
        completion: @escaping LoopReplica.Completion<Void>
    ) {
        if node == view.node {
            replica.write(mutations, completion: completion)
            return
        }
        environment.request(.write(mutations), to: node, class: .request, timeout: nil) { result in
            switch result.map(\.message) {
            case .success(.done): completion(.success(()))
            case .success: completion(.failure(.mismatch(from: node)))
            case .failure(let failure): completion(.failure(failure))
            }
        }
    }

    /// Notes how long a replica took.
    func note<Value>(
        _ result: Result<Value, PeerFailure>,
        of node: NodeID,
        since start: Duration,
        isScan: Bool
    ) {
        let now = environment.now
        switch (result, isScan) {
        case (.success, false): latencies.answered(node, after: now - start, now: now)
        case (.success, true): scanLatencies.answered(node, after: now - start, now: now)
        case (.failure, false): latencies.failed(node, now: now)
        case (.failure, true): scanLatencies.failed(node, now: now)
        }
    }

    /// After which time a read asks another replica, or nil for never.
    var speculationDelay: Duration? { delay(by: latencies) }

    /// The same for a page of a scan.
    var scanSpeculationDelay: Duration? { delay(by: scanLatencies) }

    private func delay(by tracker: LatencyTracker) -> Duration? {
        settings.speculativePercentile.map { percentile in
            tracker.delay(percentile: percentile, timeout: settings.readTimeout)
        }
    }
}
