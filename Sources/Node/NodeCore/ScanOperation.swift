package import Catalog
package import Coordination
internal import PeerMessages
internal import TokenPlacement

/// Asks for one page of a table's rows in the order of their tokens.
package struct ScanPageRequest: Sendable {
    /// The table.
    package var table: TableDefinition
    /// Where the page begins.
    package var position: ScanPosition
    /// The most rows of the page.
    package var rowsMax: Int
    /// The level.
    package var consistency: ConsistencyLevel
    /// What expires is judged by this second.
    package var nowSeconds: Int64

    /// A request with all its parts.
    package init(
        table: TableDefinition,
        position: ScanPosition,
        rowsMax: Int,
        consistency: ConsistencyLevel,
        nowSeconds: Int64
    ) {
        self.table = table
        self.position = position
        self.rowsMax = rowsMax
        self.consistency = consistency
        self.nowSeconds = nowSeconds
    }
}

/// One page of a scan on its way.
final class ScanOperation {
    private var machine: ScanMachine
    private let table: TableID
    private let coordinator: LoopCoordinator
    private let admittedBytes: Int
    private let completion: (Result<ScanMachine.Page, CoordinationError>) -> Void
    private var deadline: (any ScheduledCall)?
    private var speculation: (any ScheduledCall)?
    /// The machine's waits that the speculation was scheduled for.
    private var timedWaitCount = 0
    private var isDone = false

    init(
        _ machine: ScanMachine,
        _ table: TableID,
        _ coordinator: LoopCoordinator,
        _ admittedBytes: Int,
        _ completion: @escaping (Result<ScanMachine.Page, CoordinationError>) -> Void
    ) {
        self.machine = machine
        self.table = table
        self.coordinator = coordinator
        self.admittedBytes = admittedBytes
        self.completion = completion
    }

    func start() {
        let environment = coordinator.environment
        deadline = environment.schedule(after: coordinator.settings.readTimeout) { [self] in
            feed { $0.timedOut(&$1) }
        }
        feed { $0.start(&$1) }
    }

    private func feed(_ event: (inout ScanMachine, inout [ScanMachine.Action]) -> Void) {
        guard !isDone else { return }
        var actions: [ScanMachine.Action] = []
        event(&machine, &actions)
        timeReplicas()
        for action in actions {
            // What an action fails with at once may be the end of all.
            guard !isDone else { return }
            switch action {
            case .scan(let request, let node, let message): scan(request, node, message)
            case .repair(let request, let node, let rows): repair(request, node, rows)
            case .answer(let page): finish(.success(coordinator.faults.reported(page)))
            case .fail(let error): finish(.failure(error))
            }
        }
    }

    /// Waits anew before other replicas are asked, for each round and its repairs.
    private func timeReplicas() {
        guard machine.waitCount != timedWaitCount else { return }
        timedWaitCount = machine.waitCount
        speculation?.cancel()
        speculation = nil
        guard !machine.isFinished, let delay = coordinator.scanSpeculationDelay else { return }
        speculation = coordinator.environment.schedule(after: delay) { [self] in
            speculate(after: delay)
        }
    }

    private func speculate(after delay: Duration) {
        let known = machine.slowNodes
        feed { $0.speculate(&$1) }
        for node in machine.slowNodes.subtracting(known).sorted() {
            coordinator.scanLatencies.overdue(
                node,
                for: delay,
                now: coordinator.environment.now
            )
        }
    }

    private func scan(_ request: Int, _ node: NodeID, _ message: ScanRequest) {
        coordinator.scan(message, at: node) { [self] result in
            switch result {
            case .success(let page):
                feed { $0.pageReceived(request: request, page: page, actions: &$1) }
            case .failure(let failure):
                feed { $0.requestFailed(request: request, failure, actions: &$1) }
            }
        }
    }

    private func repair(_ request: Int, _ node: NodeID, _ rows: [ScannedRow]) {
        if coordinator.faults.contains(.skippedReadRepair) {
            feed { $0.repairAcknowledged(request: request, actions: &$1) }
            return
        }
        let mutations = rows.map {
            Mutation(table: table, partition: $0.partition, operand: $0.row)
        }
        coordinator.repair(mutations[...], at: node) { [self] result in
            switch result {
            case .success: feed { $0.repairAcknowledged(request: request, actions: &$1) }
            case .failure(let failure):
                feed { $0.requestFailed(request: request, failure, actions: &$1) }
            }
        }
    }

    private func finish(_ result: Result<ScanMachine.Page, CoordinationError>) {
        isDone = true
        deadline?.cancel()
        deadline = nil
        speculation?.cancel()
        speculation = nil
        coordinator.release(admittedBytes)
        completion(result)
    }
}

extension LoopCoordinator {
    /// Asks a replica for a page of rows.
    func scan(
        _ message: ScanRequest,
        at node: NodeID,
        completion: @escaping LoopReplica.Completion<ScanPage>
    ) {
        let start = environment.now
        if node == view.node {
            replica.scan(message) { [self] result in
                note(result, of: node, since: start, isScan: true)
                completion(result)
            }
            return
        }
        environment.request(.scan(message), to: node, class: .request, timeout: nil) {
            [self] result in
            note(result, of: node, since: start, isScan: true)
            switch result.map(\.message) {
            case .success(.page(let page)): completion(.success(page))
            case .success: completion(.failure(.mismatch(from: node)))
            case .failure(let failure): completion(.failure(failure))
            }
        }
    }
}
