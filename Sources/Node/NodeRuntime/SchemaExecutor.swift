internal import CQL
internal import Catalog
internal import ClusterLog
internal import NIOCore
internal import NativeProtocol
internal import PeerMessages
internal import Scoring
internal import TokenPlacement

/// Carries out what changes the cluster's state: schema statements and model pushes.
///
/// Bound to its event loop; the work itself is done on the control loop and in the model store.
final class SchemaExecutor {
    private let control: NIOLoopBound<ControlPlane>
    private let controlLoop: any EventLoop
    private let models: ModelStore
    private let coordinator: LoopCoordinator

    init(
        control: NIOLoopBound<ControlPlane>,
        controlLoop: any EventLoop,
        models: ModelStore,
        coordinator: LoopCoordinator
    ) {
        self.control = control
        self.controlLoop = controlLoop
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
        let bound = NIOLoopBound(reply, eventLoop: coordinator.eventLoop)
        let eventLoop = coordinator.eventLoop
        controlLoop.execute { [control] in
            control.value.proposeEverywhere(plan.change) { result in
                eventLoop.execute {
                    Self.answer(bound.value, plan, result, warnings, state)
                }
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
        case .dropTable(let keyspace, let name): state.table(keyspace, name) != nil
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
        let bound = NIOLoopBound(reply, eventLoop: coordinator.eventLoop)
        let (eventLoop, controlLoop) = (coordinator.eventLoop, controlLoop)
        Task { [models, control] in
            do {
                let drafts = try await Self.drafts(plan, bytes, models)
                let (hash, signature) = try await models.admit(
                    bytes,
                    name: plan.name,
                    drafts: drafts
                )
                if let expected = plan.hash, expected != hash {
                    throw PeerFailure(
                        code: .invalid,
                        text: "the bytes have the sha256 \(hash), the statement says \(expected)"
                    )
                }
                if let known = state.models[plan.name], known.signature != signature {
                    throw PeerFailure(
                        code: .invalid,
                        text: """
                            the signature of \(plan.name) is fixed: it takes \
                            (\(known.signature.text)), the pushed version takes \
                            (\(signature.text)); push it under a new name
                            """
                    )
                }
                let push = ModelPush(
                    name: plan.name,
                    signature: signature,
                    hash: hash,
                    byteCount: bytes.count
                )
                try await Self.distribute(push, control)
                controlLoop.execute {
                    control.value.proposeEverywhere(.pushModel(push)) { result in
                        eventLoop.execute {
                            let change = SchemaPlan(
                                change: .pushModel(push),
                                isConditional: false
                            )
                            Self.answer(bound.value, change, result, [], state)
                        }
                    }
                }
            } catch {
                let failure =
                    error as? PeerFailure ?? PeerFailure(code: .failed, text: "\(error)")
                eventLoop.execute {
                    bound.value.error(
                        ErrorResponse(
                            failure.code == .invalid ? .invalid : .serverError,
                            failure.text
                        )
                    )
                }
            }
        }
    }

    /// The declared parameters: those of the statement, else those of the model's own metadata.
    private static func drafts(
        _ plan: PushModelPlan,
        _ bytes: [UInt8],
        _ models: ModelStore
    ) async throws(PeerFailure) -> [ParameterDraft]? {
        var drafts = plan.signature
        if drafts == nil, let text = try await models.signatureText(in: bytes) {
            do {
                drafts = try SignatureDraft.parse(text)
            } catch {
                throw PeerFailure(
                    code: .invalid,
                    text: "the model's metadata martlet.signature: \(error)"
                )
            }
        }
        return drafts?.map {
            ParameterDraft(
                name: $0.name,
                type: $0.type,
                defaultValue: $0.defaultValue,
                input: $0.input,
                range: $0.range
            )
        }
    }

    /// Has every other living node fetch, try and load a model.
    private static func distribute(
        _ push: ModelPush,
        _ control: NIOLoopBound<ControlPlane>
    ) async throws(PeerFailure) {
        let failures = await withCheckedContinuation { continuation in
            control.eventLoop.execute {
                control.value.distribute(push) { continuation.resume(returning: $0) }
            }
        }
        guard failures.isEmpty else {
            throw PeerFailure(
                code: .failed,
                text: """
                    \(push.name) is not pushed: \(failures.count) nodes could not load it: \
                    \(failures.joined(separator: "; "))
                    """
            )
        }
    }
}
