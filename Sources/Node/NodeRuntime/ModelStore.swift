internal import Catalog
internal import Crypto
internal import Foundation
internal import Internode
internal import Logging
internal import NIOCore
internal import OnnxScoring
internal import PeerMessages
internal import Scoring
internal import TokenPlacement

/// The models' files of this node: receives, checks, tries, keeps and loads them.
///
/// A model's bytes lie in `models/<sha256>.onnx`. They are written there only after their hash was
/// checked, and loaded only after a trial in a child process.
actor ModelStore {
    /// What the store needs to know of its node.
    struct Settings: Sendable {
        var folder: URL
        var modelBytesMax: Int
        var arenaBytesMax: Int
        var libraryPaths: [String]
        var executable: String
    }

    /// Asks another node, on the bulk connection.
    typealias Ask = @Sendable (PeerMessage, NodeID) async -> Result<PeerMessage, PeerFailure>

    private static let chunkBytes = 1 << 20

    private let settings: Settings
    private let engine: OnnxEngine?
    private let registry: ModelRegistry
    private let pool: BlockingPool
    private let ask: Ask
    private let logger: Logger
    private var loading: [ModelKey: Task<PeerMessage, Never>] = [:]

    init(
        settings: Settings,
        engine: OnnxEngine?,
        registry: ModelRegistry,
        pool: BlockingPool,
        logger: Logger,
        ask: @escaping Ask
    ) throws {
        self.settings = settings
        self.engine = engine
        self.registry = registry
        self.pool = pool
        self.logger = logger
        self.ask = ask
        try FileManager.default.createDirectory(
            at: settings.folder,
            withIntermediateDirectories: true
        )
    }

    // MARK: Pushing

    /// A model that was pushed to this node: checked, and what the log must carry of it.
    ///
    /// - Throws: ``PeerFailure`` with what is wrong with the bytes or the signature.
    func admit(
        _ bytes: [UInt8],
        name: ModelName,
        drafts: [ParameterDraft]?
    ) async throws(PeerFailure) -> (hash: ModelHash, signature: ModelSignature) {
        if let reason = registry.unavailable {
            throw PeerFailure(code: .invalid, text: "scoring is off on this node: \(reason)")
        }
        var limits = ModelInspectionLimits()
        limits.bytesMax = settings.modelBytesMax
        let signature: ModelSignature
        do {
            let inspected = try ModelInspector.inspect(bytes, limits: limits)
            signature = try SignatureResolver.resolve(inspected, drafts: drafts)
        } catch {
            throw PeerFailure(code: .invalid, text: "\(name) is refused: \(error)")
        }
        let hash = Self.hash(bytes)
        let outcome = await install(bytes, hash, signature)
        if case .failed(let failure) = outcome {
            throw PeerFailure(code: failure.code, text: "\(name) is refused: \(failure.text)")
        }
        return (hash, signature)
    }

    /// The signature text that a model carries in its own metadata, if any.
    func signatureText(in bytes: [UInt8]) throws(PeerFailure) -> String? {
        var limits = ModelInspectionLimits()
        limits.bytesMax = settings.modelBytesMax
        do {
            return try ModelInspector.inspect(bytes, limits: limits)
                .metadata[InspectedModel.signatureKey]
        } catch {
            throw PeerFailure(code: .invalid, text: "the model is refused: \(error)")
        }
    }

    // MARK: Loading

    /// Makes a model ready: from the file of this node, else from the first of some nodes that has
    /// it.
    ///
    /// - Returns: `done`, or why it is not ready.
    func load(
        _ name: ModelName,
        hash: ModelHash,
        byteCount: Int,
        signature: ModelSignature,
        from nodes: [NodeID]
    ) async -> PeerMessage {
        if let reason = registry.unavailable {
            return failure(.modelNotReady, "scoring is off: \(reason)")
        }
        let key = ModelKey(hash: hash, signature: signature)
        if registry.isLoaded(key) { return .done }
        if let running = loading[key] { return await running.value }
        let task = Task { () -> PeerMessage in
            let outcome = await fetchAndInstall(hash, byteCount, signature, nodes)
            if case .failed(let failure) = outcome {
                registry.fail(key, failure.text)
                logger.warning("\(name) (\(hash)) is not ready: \(failure.text)")
            } else {
                logger.info("\(name) (\(hash)) is ready")
            }
            return outcome
        }
        loading[key] = task
        let outcome = await task.value
        loading[key] = nil
        return outcome
    }

    /// A part of a model's file, for another node.
    func chunk(of hash: ModelHash, offset: Int, count: Int) async -> PeerMessage {
        let file = file(hash)
        return await onPool {
            guard let handle = try? FileHandle(forReadingFrom: file) else {
                return .failed(
                    PeerFailure(code: .modelNotReady, text: "this node has no model \(hash)")
                )
            }
            defer { try? handle.close() }
            do {
                try handle.seek(toOffset: UInt64(max(0, offset)))
                let data = try handle.read(upToCount: min(max(0, count), Self.chunkBytes))
                return .modelBytes([UInt8](data ?? Data()))
            } catch {
                return .failed(PeerFailure(code: .failed, text: "\(error)"))
            }
        }
    }

    /// Forgets models that no version names any more; their files go too.
    func keep(only keys: Set<ModelKey>) {
        registry.keep(only: keys)
        let names = Set(keys.map { "\($0.hash).onnx" })
        let files = try? FileManager.default.contentsOfDirectory(
            at: settings.folder,
            includingPropertiesForKeys: nil
        )
        for file in files ?? []
        where file.pathExtension == "onnx" && !names.contains(file.lastPathComponent) {
            // A push that is under way has its file before its version is known.
            guard loading.isEmpty, age(of: file) > 600 else { continue }
            try? FileManager.default.removeItem(at: file)
        }
    }

    // MARK: Helpers

    private func age(of file: URL) -> TimeInterval {
        let modified = try? file.resourceValues(forKeys: [.contentModificationDateKey])
        return -(modified?.contentModificationDate?.timeIntervalSinceNow ?? 0)
    }

    private func file(_ hash: ModelHash) -> URL {
        settings.folder.appendingPathComponent("\(hash).onnx")
    }

    private func failure(_ code: PeerFailure.Code, _ text: String) -> PeerMessage {
        .failed(PeerFailure(code: code, text: text))
    }

    private static func hash(_ bytes: [UInt8]) -> ModelHash {
        guard let hash = ModelHash(Array(SHA256.hash(data: bytes))) else {
            preconditionFailure("sha256 has 32 bytes")
        }
        return hash
    }

    private func fetchAndInstall(
        _ hash: ModelHash,
        _ byteCount: Int,
        _ signature: ModelSignature,
        _ nodes: [NodeID]
    ) async -> PeerMessage {
        guard byteCount <= settings.modelBytesMax else {
            return failure(
                .invalid,
                """
                the model has \(byteCount) bytes, the limit is \(settings.modelBytesMax) \
                (scoring.model_mib_max)
                """
            )
        }
        if let data = FileManager.default.contents(atPath: file(hash).path),
            Self.hash([UInt8](data)) == hash
        {
            return await install([UInt8](data), hash, signature)
        }
        var reasons = nodes.isEmpty ? ["no other node is alive that could have them"] : []
        for node in nodes {
            var bytes: [UInt8] = []
            bytes.reserveCapacity(byteCount)
            fetching: while bytes.count < byteCount {
                let request = PeerMessage.fetchModel(
                    hash,
                    offset: bytes.count,
                    count: Self.chunkBytes
                )
                switch await ask(request, node) {
                case .success(.modelBytes(let part)) where !part.isEmpty: bytes += part
                case .success:
                    reasons.append("node \(node) has only \(bytes.count) of \(byteCount) bytes")
                    break fetching
                case .failure(let failure):
                    reasons.append(failure.text)
                    break fetching
                }
            }
            guard bytes.count == byteCount else { continue }
            guard Self.hash(bytes) == hash else {
                reasons.append("the bytes of node \(node) do not have the hash \(hash)")
                continue
            }
            return await install(bytes, hash, signature)
        }
        return failure(
            .modelNotReady,
            "its bytes cannot be had: \(reasons.joined(separator: "; "))"
        )
    }

    /// Writes the file, holds the trial and loads the model.
    private func install(
        _ bytes: [UInt8],
        _ hash: ModelHash,
        _ signature: ModelSignature
    ) async -> PeerMessage {
        let key = ModelKey(hash: hash, signature: signature)
        if registry.isLoaded(key) { return .done }
        guard let engine else { return failure(.modelNotReady, "scoring is off") }
        let file = file(hash)
        let limits = TrialLimits(
            arenaBytesMax: settings.arenaBytesMax,
            modelBytesMax: settings.modelBytesMax
        )
        let request = TrialRequest(
            modelPath: file.path,
            limits: limits,
            signature: signature,
            libraryPaths: settings.libraryPaths
        )
        let (registry, executable) = (registry, settings.executable)
        return await onPool {
            let isKept = FileManager.default.contents(atPath: file.path) == Data(bytes)
            do {
                if !isKept { try Data(bytes).write(to: file, options: .atomic) }
                try ModelTrial.runInChild(
                    executable: executable,
                    arguments: ["trial-model"],
                    request: request
                )
                registry.add(try engine.load(bytes, signature: signature), key)
                return .done
            } catch {
                // A file that was there before belongs to a version that passed once.
                if !isKept { try? FileManager.default.removeItem(at: file) }
                return .failed(PeerFailure(code: .invalid, text: "\(error)"))
            }
        }
    }

    private func onPool(_ body: @escaping @Sendable () -> PeerMessage) async -> PeerMessage {
        await withCheckedContinuation { continuation in
            if !pool.submit({ continuation.resume(returning: body()) }) {
                let text = "too many models wait on this node; try again later"
                continuation.resume(
                    returning: .failed(PeerFailure(code: .overloaded, text: text))
                )
            }
        }
    }
}
