internal import CQL
internal import Catalog
internal import ClusterLog
internal import Coordination
internal import NIOCore
internal import NativeProtocol
internal import NodeCore
internal import PeerMessages
internal import Scoring
internal import TokenPlacement

/// Carries out what changes the cluster's state: schema statements and model pushes.
///
/// Bound to its event loop; the work itself is done on the control loop and in the model store.
final class SchemaExecutor {
    private let control: LoopBound<ControlPlane>
    private let models: ModelStore
    private let coordinator: LoopCoordinator

    init(
        control: LoopBound<ControlPlane>,
        models: ModelStore,
        coordinator: LoopCoordinator
    ) {
        self.control = control
        self.models = models
        self.coordinator = coordinator
    }

    // MARK: Schema

    /// Proposes a change, and answers once every living node has applied it.
    func run(_ plan: SchemaPlan, _ warnings: [String], _ reply: Reply) {
        let state = coordinator.view.state
        if plan.isConditional, !Self.isNeeded(plan.change, in: state) {
            reply.send(.void, warnings: warnings)
            return
        }
        let bound = LoopBound(reply, on: coordinator.environment)
        control.perform { control in
            control.proposeEverywhere(plan.change) { result in
                bound.perform { Self.answer($0, plan, result, warnings, state) }
            }
        }
    }

    private static func answer(
        _ reply: Reply,
        _ plan: SchemaPlan,
        _ result: Result<Epoch, ClusterChangeError>,
        _ warnings: [String],
        _ state: ClusterState
    ) {
        switch result {
        case .success:
            guard let change = schemaChange(plan.change, state) else {
                reply.send(.void, warnings: warnings)
                return
            }
            reply.send(.schemaChange(change), warnings: warnings)
        // Someone else was faster.
        case .failure(.alreadyExists) where plan.isConditional,
            .failure(.notFound) where plan.isConditional:
            reply.send(.void, warnings: warnings)
        case .failure(let error): reply.error(ErrorResponse(error))
        }
    }

    /// Whether a conditional change does anything.
    private static func isNeeded(_ change: ClusterChange, in state: ClusterState) -> Bool {
        switch change {
        case .createKeyspace(let keyspace): state.keyspaces[keyspace.name] == nil
        case .dropKeyspace(let name): state.keyspaces[name] != nil
        case .createTable(let table): state.table(table.keyspace, table.name) == nil
        case .dropTable(let keyspace, let name), .alterTable(let keyspace, let name, _):
            state.table(keyspace, name) != nil
        case .dropModel(let name): state.models[name] != nil
        case .found, .registerNode, .assignOwners, .pushModel: true
        }
    }

    private static func schemaChange(
        _ change: ClusterChange,
        _ state: ClusterState
    ) -> SchemaChange? {
        switch change {
        case .createKeyspace(let keyspace): SchemaChange(.created, .keyspace(keyspace.name))
        case .dropKeyspace(let name): SchemaChange(.dropped, .keyspace(name))
        case .createTable(let table):
            SchemaChange(.created, .table(keyspace: table.keyspace, name: table.name))
        case .dropTable(let keyspace, let name):
            SchemaChange(.dropped, .table(keyspace: keyspace, name: name))
        case .alterTable(let keyspace, let name, _):
            SchemaChange(.updated, .table(keyspace: keyspace, name: name))
        case .pushModel(let push):
            SchemaChange(
                state.models[push.name] == nil ? .created : .updated,
                function(push.name, push.signature)
            )
        case .dropModel(let name):
            state.models[name].map {
                SchemaChange(.dropped, function(name, $0.signature))
            }
        case .found, .registerNode, .assignOwners: nil
        }
    }

    private static func function(
        _ name: ModelName,
        _ signature: ModelSignature
    ) -> SchemaChange.Target {
        .function(
            keyspace: name.keyspace,
            name: name.name,
            argumentTypes: signature.parameters.map(\.type.cqlType.cqlText)
        )
    }

    // MARK: Models

    /// Admits a model here, has every living node load it, and then makes it known: a version that
    /// the log names is ready wherever it may be asked for.
    func push(
        _ plan: PushModelPlan,
        _ values: [MarkerValue],
        _ reply: Reply
    ) throws(CQLError) {
        let state = coordinator.view.state
        guard try plan.isNeeded(in: state) else {
            reply.send(.void)
            return
        }
        let bytes = try plan.bytes(values)
        let bound = LoopBound(reply, on: coordinator.environment)
        let job = ModelPushJob(
            plan: plan,
            bytes: bytes,
            state: state,
            models: models,
            control: control,
            timeout: coordinator.settings.modelPushTimeout
        )
        let control = control
        let answer: @Sendable (Result<ModelPush, PeerFailure>) -> Void = { result in
            switch result {
            case .success(let push):
                control.perform { control in
                    control.proposeEverywhere(.pushModel(push)) { outcome in
                        bound.perform { reply in
                            let change = SchemaPlan(
                                change: .pushModel(push),
                                isConditional: false
                            )
                            Self.answer(reply, change, outcome, [], state)
                        }
                    }
                }
            case .failure(let failure):
                bound.perform { reply in
                    reply.error(
                        ErrorResponse(
                            failure.code == .invalid ? .invalid : .serverError,
                            failure.text
                        )
                    )
                }
            }
        }
        job.start(answer)
    }
}
