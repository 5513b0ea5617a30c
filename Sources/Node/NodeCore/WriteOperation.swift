internal import Coordination
internal import PeerMessages
internal import Storage
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
    private let completed: (() -> Void)?
    private var deadline: (any ScheduledCall)?
    private var holdsRoom = true

    /// A write whose room of `bytes` was admitted; `completed` hears when nothing is open any more.
    init(
        _ machine: WriteMachine,
        _ mutations: [Mutation],
        _ coordinator: LoopCoordinator,
        _ bytes: Int,
        _ completion: @escaping (Result<Void, CoordinationError>) -> Void,
        completed: (() -> Void)? = nil
    ) {
        self.machine = machine
        self.mutations = mutations
        self.coordinator = coordinator
        self.bytes = bytes
        createdMicros = coordinator.steadyMicros
        self.completion = completion
        self.completed = completed
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
            case .write(let node, let places): write(to: node, places.map { mutations[$0] })
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
        completed?()
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
        coordinator.environment.request(
            .write(mutations),
            to: node,
            class: .request,
            timeout: nil
        ) { [self] result in
            switch result.map(\.message) {
            case .success(.done): feed { $0.acknowledged(by: node, actions: &$1) }
            case .success:
                feed { $0.failed(at: node, .mismatch(from: node), actions: &$1) }
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
            feed {
                switch outcome {
                case .stored: $0.hintStored(for: node, actions: &$1)
                case .marked: $0.hintMarked(for: node, actions: &$1)
                case .failed: $0.hintFailed(for: node, actions: &$1)
                }
            }
        }
    }
}
