internal import Coordination
internal import PeerMessages
internal import TokenPlacement

/// One coordinated write.
///
/// It lives on after its answer, until every replica has acknowledged or has a hint.
final class WriteOperation {
    private var machine: WriteMachine
    private let mutations: [Mutation]
    private let coordinator: LoopCoordinator
    private let bytes: Int
    private let createdMicros: Int64
    private let completion: (Result<Void, CoordinationError>) -> Void
    private var deadline: (any ScheduledCall)?
    private var holdsRoom = true

    /// A write whose room of `bytes` was admitted.
    init(
        _ machine: WriteMachine,
        _ mutations: [Mutation],
        _ coordinator: LoopCoordinator,
        _ bytes: Int,
        _ completion: @escaping (Result<Void, CoordinationError>) -> Void
    ) {
        self.machine = machine
        self.mutations = mutations
        self.coordinator = coordinator
        self.bytes = bytes
        createdMicros = coordinator.steadyMicros
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

    private func feed(_ event: (inout WriteMachine, inout [WriteMachine.Action]) -> Void) {
        var actions: [WriteMachine.Action] = []
        event(&machine, &actions)
        for action in actions {
            switch action {
            case .write(let node, let places): write(node, places)
            case .hint(let node, let places, let synced): hint(node, places, synced: synced)
            case .succeed: completion(.success(()))
            case .fail(let error): completion(.failure(coordinator.faults.reported(error)))
            }
        }
        guard machine.isComplete, holdsRoom else { return }
        holdsRoom = false
        deadline?.cancel()
        deadline = nil
        coordinator.release(bytes)
    }

    private func write(_ node: NodeID, _ places: [Int]) {
        coordinator.write(places.map { mutations[$0] }, to: node) { [self] result in
            switch result {
            case .success: feed { $0.acknowledged(by: node, actions: &$1) }
            case .failure(let failure): feed { $0.failed(at: node, failure, actions: &$1) }
            }
        }
    }

    private func hint(_ node: NodeID, _ places: [Int], synced: Bool) {
        coordinator.storeHints(
            places.map { mutations[$0] },
            for: node,
            synced: synced,
            createdMicros: createdMicros
        ) { [self] outcome in
            feed { $0.hintEnded(for: node, outcome, actions: &$1) }
        }
    }
}
