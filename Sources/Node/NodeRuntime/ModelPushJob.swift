internal import CQL
internal import Catalog
internal import ClusterLog
internal import NodeCore
internal import PeerMessages
internal import Scoring

/// One model push on its way: the checks here, then the loading on every living node.
struct ModelPushJob: Sendable {
    let plan: PushModelPlan
    let bytes: [UInt8]
    let state: ClusterState
    let models: ModelStore
    let control: LoopBound<ControlPlane>
    let timeout: Duration

    /// Begins, and reports what the log must carry, or why there is nothing.
    func start(_ completion: @escaping @Sendable (Result<ModelPush, PeerFailure>) -> Void) {
        Task { completion(await prepare()) }
    }

    /// Checks a model here and has every other living node load it.
    private func prepare() async -> Result<ModelPush, PeerFailure> {
        do throws(PeerFailure) {
            let drafts = try await drafts()
            let (hash, signature) = try await models.admit(bytes, name: plan.name, drafts: drafts)
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
            try await distribute(push)
            return .success(push)
        } catch {
            return .failure(error)
        }
    }

    /// The declared parameters: those of the statement, else those of the model's own metadata.
    private func drafts() async throws(PeerFailure) -> [ParameterDraft]? {
        var drafts = plan.signature
        if drafts == nil, let text = try await models.signatureText(in: bytes) {
            do {
                drafts = try Planner.drafts(text)
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
    private func distribute(_ push: ModelPush) async throws(PeerFailure) {
        let failures = await withCheckedContinuation { continuation in
            control.perform { control in
                control.distribute(push, timeout: timeout) {
                    continuation.resume(returning: $0)
                }
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
