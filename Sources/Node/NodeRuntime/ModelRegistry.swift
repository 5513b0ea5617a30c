internal import Catalog
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import OnnxScoring
internal import PeerMessages

/// What names a loaded model: its bytes, and the signature that says where arguments go in them.
///
/// The same bytes may have been pushed under two names with different signatures.
struct ModelKey: Hashable, Sendable {
    let hash: ModelHash
    let signature: ModelSignature
}

/// The models that this node has loaded; used by all threads.
final class ModelRegistry: Sendable {
    private struct Content {
        var models: [ModelKey: (model: OnnxModel, loaded: NIODeadline)] = [:]
        var failures: [ModelKey: String] = [:]
    }

    private let content = NIOLockedValueBox(Content())

    /// Why no model can be loaded at all, or nil.
    let unavailable: String?

    /// An empty registry; `unavailable` says why it stays so.
    init(unavailable: String?) { self.unavailable = unavailable }

    /// A loaded model, or why it is none.
    func model(_ key: ModelKey) -> Result<OnnxModel, PeerFailure> {
        if let unavailable {
            return .failure(
                PeerFailure(code: .modelNotReady, text: "scoring is off: \(unavailable)")
            )
        }
        return content.withLockedValue { content in
            if let loaded = content.models[key] { return .success(loaded.model) }
            let reason = content.failures[key] ?? "it is not loaded yet"
            let name = "\(key.hash)".prefix(12)
            let text = "model \(name) is not ready on this node: \(reason)"
            return .failure(PeerFailure(code: .modelNotReady, text: text))
        }
    }

    /// Whether a model is loaded.
    func isLoaded(_ key: ModelKey) -> Bool {
        content.withLockedValue { $0.models[key] != nil }
    }

    /// A model was loaded.
    func add(_ model: OnnxModel, _ key: ModelKey) {
        content.withLockedValue {
            $0.models[key] = (model, .now())
            $0.failures[key] = nil
        }
    }

    /// A model could not be loaded.
    func fail(_ key: ModelKey, _ reason: String) {
        content.withLockedValue { $0.failures[key] = reason }
    }

    /// Forgets the models that no version names any more.
    ///
    /// One that was loaded lately stays: it may belong to a push that is under way, whose version
    /// nobody names yet.
    func keep(only keys: Set<ModelKey>) {
        let before = NIODeadline.now() - .minutes(10)
        content.withLockedValue {
            $0.models = $0.models.filter { keys.contains($0.key) || $0.value.loaded > before }
            $0.failures = $0.failures.filter { keys.contains($0.key) }
        }
    }
}
