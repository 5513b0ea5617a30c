internal import Catalog
internal import NIOConcurrencyHelpers
internal import OnnxScoring
internal import PeerMessages

/// The models that this node has loaded, by the hash of their bytes; used by all threads.
final class ModelRegistry: Sendable {
    private struct Content {
        var models: [ModelHash: OnnxModel] = [:]
        var failures: [ModelHash: String] = [:]
    }

    private let content = NIOLockedValueBox(Content())

    /// Why no model can be loaded at all, or nil.
    let unavailable: String?

    /// An empty registry; `unavailable` says why it stays so.
    init(unavailable: String?) { self.unavailable = unavailable }

    /// A loaded model, or why it is none.
    func model(_ hash: ModelHash) -> Result<OnnxModel, PeerFailure> {
        if let unavailable {
            return .failure(
                PeerFailure(code: .modelNotReady, text: "scoring is off: \(unavailable)")
            )
        }
        return content.withLockedValue { content in
            if let model = content.models[hash] { return .success(model) }
            let reason = content.failures[hash] ?? "it is not loaded yet"
            let text = "model \(String("\(hash)".prefix(12))) is not ready on this node: \(reason)"
            return .failure(PeerFailure(code: .modelNotReady, text: text))
        }
    }

    /// Whether a model is loaded.
    func isLoaded(_ hash: ModelHash) -> Bool {
        content.withLockedValue { $0.models[hash] != nil }
    }

    /// A model was loaded.
    func add(_ model: OnnxModel, _ hash: ModelHash) {
        content.withLockedValue {
            $0.models[hash] = model
            $0.failures[hash] = nil
        }
    }

    /// A model could not be loaded.
    func fail(_ hash: ModelHash, _ reason: String) {
        content.withLockedValue { $0.failures[hash] = reason }
    }

    /// Forgets the models that no version names any more.
    func keep(only hashes: Set<ModelHash>) {
        content.withLockedValue {
            $0.models = $0.models.filter { hashes.contains($0.key) }
            $0.failures = $0.failures.filter { hashes.contains($0.key) }
        }
    }
}
