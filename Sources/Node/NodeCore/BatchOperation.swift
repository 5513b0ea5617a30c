internal import Catalog
internal import Coordination
internal import PeerMessages
internal import TokenPlacement

/// One logged batch on its way; like a write it lives on after its answer.
final class BatchOperation {
    private var machine: BatchMachine
    private let batch: StoredBatch
    private let coordinator: LoopCoordinator
    private let bytes: Int
    private let completion: (Result<Void, CoordinationError>) -> Void
    private var deadline: (any ScheduledCall)?
    private var holdsRoom = true

    init(
        _ machine: BatchMachine,
        _ batch: StoredBatch,
        _ coordinator: LoopCoordinator,
        _ bytes: Int,
        _ completion: @escaping (Result<Void, CoordinationError>) -> Void
    ) {
        self.machine = machine
        self.batch = batch
        self.coordinator = coordinator
        self.bytes = bytes
        self.completion = completion
    }

    func start() { feed { $0.start(&$1) } }

    private func feed(_ event: (inout BatchMachine, inout [BatchMachine.Action]) -> Void) {
        var actions: [BatchMachine.Action] = []
        event(&machine, &actions)
        for action in actions {
            switch action {
            case .storeBatch(let node): store(at: node)
            case .startTimeout(let phase): startTimeout(phase)
            case .write(let node, let places): write(node, places)
            case .hint(let node, let places, let synced): hint(node, places, synced: synced)
            case .succeed: completion(.success(()))
            case .fail(let error): completion(.failure(error))
            case .removeBatch(let node): remove(at: node)
            }
        }
        guard machine.isComplete, holdsRoom else { return }
        holdsRoom = false
        deadline?.cancel()
        deadline = nil
        coordinator.release(bytes)
    }

    private func startTimeout(_ phase: BatchMachine.Phase) {
        deadline?.cancel()
        deadline = coordinator.environment.schedule(
            after: coordinator.settings.writeTimeout
        ) { [self] in
            feed { $0.timedOut(phase, actions: &$1) }
        }
    }

    private func store(at node: NodeID) {
        let stored: LoopReplica.Completion<Void> = { [self] result in
            switch result {
            case .success: feed { $0.batchStored(at: node, actions: &$1) }
            case .failure(let failure):
                feed { $0.storeFailed(at: node, failure, actions: &$1) }
            }
        }
        if node == coordinator.view.node {
            coordinator.replica.storeBatch(batch, completion: stored)
            return
        }
        coordinator.environment.request(
            .storeBatch(batch),
            to: node,
            class: .request,
            timeout: nil
        ) { result in
            switch result.map(\.message) {
            case .success(.done): stored(.success(()))
            case .success: stored(.failure(.mismatch(from: node)))
            case .failure(let failure): stored(.failure(failure))
            }
        }
    }

    private func remove(at node: NodeID) {
        if node == coordinator.view.node {
            coordinator.replica.removeBatches([batch.id])
        } else {
            coordinator.environment.send(.removeBatches([batch.id]), to: node, class: .request)
        }
    }

    private func write(_ node: NodeID, _ places: [Int]) {
        coordinator.write(places.map { batch.mutations[$0] }, to: node) { [self] result in
            switch result {
            case .success: feed { $0.acknowledged(by: node, actions: &$1) }
            case .failure(let failure): feed { $0.failed(at: node, failure, actions: &$1) }
            }
        }
    }

    private func hint(_ node: NodeID, _ places: [Int], synced: Bool) {
        let mutations = places.map { batch.mutations[$0] }
        coordinator.storeHints(
            mutations,
            for: node,
            synced: synced,
            createdMicros: batch.createdMicros
        ) { [self] outcome in
            feed { $0.hintEnded(for: node, outcome, actions: &$1) }
        }
    }
}

/// One logged batch whose coordinator did not say that it is done: its keeper writes it.
final class ReplayOperation {
    private var machine: BatchReplay
    private let batch: StoredBatch
    private let coordinator: LoopCoordinator
    private let completion: (Bool) -> Void
    private var deadline: (any ScheduledCall)?

    /// `completion` hears whether the entry is to be removed.
    init(
        _ machine: BatchReplay,
        _ batch: StoredBatch,
        _ coordinator: LoopCoordinator,
        _ completion: @escaping (_ isDone: Bool) -> Void
    ) {
        self.machine = machine
        self.batch = batch
        self.coordinator = coordinator
        self.completion = completion
    }

    func start() {
        deadline = coordinator.environment.schedule(
            after: coordinator.settings.writeTimeout
        ) { [self] in
            feed { $0.timedOut(&$1) }
        }
        feed { $0.start(&$1) }
    }

    private func feed(_ event: (inout BatchReplay, inout [BatchReplay.Action]) -> Void) {
        var actions: [BatchReplay.Action] = []
        event(&machine, &actions)
        for action in actions {
            switch action {
            case .write(let node, let places): write(node, places)
            case .hint(let node, let places, let synced): hint(node, places, synced: synced)
            case .remove: finish(isDone: true)
            case .keep: finish(isDone: false)
            }
        }
    }

    private func write(_ node: NodeID, _ places: [Int]) {
        coordinator.write(places.map { batch.mutations[$0] }, to: node) { [self] result in
            switch result {
            case .success: feed { $0.acknowledged(by: node, actions: &$1) }
            case .failure(let failure): feed { $0.failed(at: node, failure, actions: &$1) }
            }
        }
    }

    private func hint(_ node: NodeID, _ places: [Int], synced: Bool) {
        let mutations = places.map { batch.mutations[$0] }
        coordinator.storeHints(
            mutations,
            for: node,
            synced: synced,
            createdMicros: batch.createdMicros
        ) { [self] outcome in
            feed { $0.hintEnded(for: node, outcome, actions: &$1) }
        }
    }

    private func finish(isDone: Bool) {
        deadline?.cancel()
        deadline = nil
        completion(isDone)
    }
}
