internal import Catalog
internal import NIOCore
internal import NodeCore
internal import OnnxScoring
internal import PeerMessages
internal import Storage
internal import TokenPlacement

/// Runs ONNX models on the rows of one event loop's requests.
///
/// Bound to its loop; the models run on the inference pool.
final class OnnxScorer: RowScorer {
    private let eventLoop: any EventLoop
    private let inferencePool: InferencePool
    private let models: ModelRegistry
    private let timeLimit: Duration

    init(
        eventLoop: any EventLoop,
        inferencePool: InferencePool,
        models: ModelRegistry,
        timeLimit: Duration
    ) {
        self.eventLoop = eventLoop
        self.inferencePool = inferencePool
        self.models = models
        self.timeLimit = timeLimit
    }

    func score(
        _ rows: [[UInt8]?],
        _ request: ScoreRequest,
        _ table: TableDefinition,
        _ definition: ModelDefinition,
        completion: @escaping (Result<ScoreReply, PeerFailure>) -> Void
    ) {
        let key = ModelKey(hash: request.model, signature: definition.signature)
        let model: OnnxModel
        switch models.model(key) {
        case .success(let loaded): model = loaded
        case .failure(let failure):
            completion(.failure(failure))
            return
        }
        let assembled: ScoreAssembly
        do {
            assembled = try ScoreAssembly(request: request, rows: rows, table: table, model: model)
        } catch {
            completion(.failure(error))
            return
        }
        let sink = NIOLoopBound(completion, eventLoop: eventLoop)
        let (eventLoop, limit) = (eventLoop, timeLimit)
        let isTaken = inferencePool.submit {
            let result = Result { () throws(PeerFailure) in
                try assembled.run(model, timeLimit: limit)
            }
            eventLoop.execute { sink.value(result) }
        }
        guard !isTaken else { return }
        let text = "too many scores wait for the model (threads.inference); try again later"
        completion(.failure(PeerFailure(code: .overloaded, text: text)))
    }
}

/// Answers what other nodes ask about models' bytes, from the model store.
///
/// Bound to its loop.
final class ModelAnswers: ModelService {
    private let models: ModelStore
    private let eventLoop: any EventLoop

    init(models: ModelStore, eventLoop: any EventLoop) {
        self.models = models
        self.eventLoop = eventLoop
    }

    func answer(
        _ message: PeerMessage,
        from peer: NodeID,
        reply: @escaping (PeerMessage) -> Void
    ) {
        let conversation = Conversation(
            models: models,
            message: message,
            peer: peer,
            reply: NIOLoopBound(reply, eventLoop: eventLoop)
        )
        conversation.start()
    }

    /// One question on its way.
    private struct Conversation: Sendable {
        let models: ModelStore
        let message: PeerMessage
        let peer: NodeID
        let reply: NIOLoopBound<(PeerMessage) -> Void>

        func start() {
            Task {
                let answer = await models.answer(message, from: peer)
                reply.eventLoop.execute { reply.value(answer) }
            }
        }
    }
}

extension ModelStore {
    /// Answers what another node asks about a model.
    func answer(_ message: PeerMessage, from peer: NodeID) async -> PeerMessage {
        switch message {
        case .loadModel(let name, let hash, let byteCount, let signature):
            return await load(
                name,
                hash: hash,
                byteCount: byteCount,
                signature: signature,
                from: [peer]
            )
        case .fetchModel(let hash, let offset, let count):
            return await chunk(of: hash, offset: offset, count: count)
        default:
            let text = "this is no question about a model"
            return .failed(PeerFailure(code: .invalid, text: text))
        }
    }
}
