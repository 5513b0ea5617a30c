internal import Catalog
internal import Internode
internal import Logging
internal import NIOCore
internal import PeerMessages
internal import TokenPlacement

/// Answers the messages of other nodes that come on one event loop.
///
/// Bound to its loop.
final class LoopNode: PeerReceiver {
    private let replica: LoopReplica
    private let control: NIOLoopBound<ControlPlane>
    private let controlLoop: any EventLoop
    private let models: ModelStore
    private let eventLoop: any EventLoop
    private let logger: Logger

    /// This node's epoch, so that only news go to the control plane.
    var epoch = Epoch.zero

    /// The epoch of the sender of the message that is being received.
    private var senderEpoch = Epoch.zero

    init(
        replica: LoopReplica,
        control: NIOLoopBound<ControlPlane>,
        controlLoop: any EventLoop,
        models: ModelStore,
        eventLoop: any EventLoop,
        logger: Logger
    ) {
        self.replica = replica
        self.control = control
        self.controlLoop = controlLoop
        self.models = models
        self.eventLoop = eventLoop
        self.logger = logger
    }

    func epochSeen(_ epoch: Epoch, from peer: NodeID) {
        senderEpoch = epoch
        guard epoch > self.epoch else { return }
        controlLoop.execute { [control] in control.value.epochSeen(epoch, from: peer) }
    }

    func connectionLost(to peer: NodeID) {
        logger.info("a connection to node \(peer) was lost")
        controlLoop.execute { [control] in control.value.connectionLost(to: peer) }
    }

    func messageReceived(
        _ message: PeerMessage,
        from peer: NodeID,
        reply: @escaping (PeerMessage) -> Void
    ) {
        switch message {
        case .write(let mutations):
            catchingUp(with: peer, { [replica] in replica.write(mutations, completion: $0) }) {
                reply(Self.message($0) { .done })
            }
        case .read(let request):
            catchingUp(with: peer, { [replica] in replica.read(request, completion: $0) }) {
                reply(Self.message($0) { .rows($0) })
            }
        case .score(let request):
            catchingUp(with: peer, { [replica] in replica.score(request, completion: $0) }) {
                reply(Self.message($0) { .scored($0) })
            }
        case .gossip(let bytes):
            controlLoop.execute { [control] in control.value.gossipReceived(bytes, from: peer) }
        case .logEntries(let entries):
            controlLoop.execute { [control] in control.value.entriesReceived(entries, from: peer) }
        case .fetchLog(let epoch):
            answerOnControlLoop(reply) { control, answer in
                answer(.logEntries(control.entries(after: epoch)))
            }
        case .propose(let change):
            answerOnControlLoop(reply) { control, answer in
                // Who joins asks any node: it passes the change on to the one that decides.
                control.propose(change) { answer(.proposed($0)) }
            }
        case .awaitEpoch(let epoch):
            answerOnControlLoop(reply) { control, answer in
                control.wait(for: epoch, from: peer) { answer(.done) }
            }
        case .loadModel(let name, let hash, let byteCount, let signature):
            answer(reply) { [models] in
                await models.load(
                    name,
                    hash: hash,
                    byteCount: byteCount,
                    signature: signature,
                    from: [peer]
                )
            }
        case .fetchModel(let hash, let offset, let count):
            answer(reply) { [models] in
                await models.chunk(of: hash, offset: offset, count: count)
            }
        case .proposed, .done, .rows, .scored, .modelBytes, .failed: break  // Replies to nothing.
        }
    }

    /// Does what a node asks for, after fetching the log where this node is behind the asker and
    /// lacks the table.
    ///
    /// So a node that was down takes writes to tables that were made meanwhile.
    private func catchingUp<Value>(
        with peer: NodeID,
        _ attempt: @escaping (@escaping LoopReplica.Completion<Value>) -> Void,
        _ completion: @escaping LoopReplica.Completion<Value>
    ) {
        let asked = senderEpoch
        attempt { [self] result in
            guard case .failure(let failure) = result, failure.code == .unknownTable, asked > epoch
            else {
                completion(result)
                return
            }
            let again = NIOLoopBound({ attempt(completion) }, eventLoop: eventLoop)
            controlLoop.execute { [control, eventLoop] in
                control.value.wait(for: asked, from: peer) {
                    eventLoop.execute { again.value() }
                }
            }
        }
    }

    private static func message<Value>(
        _ result: Result<Value, PeerFailure>,
        _ success: (Value) -> PeerMessage
    ) -> PeerMessage {
        switch result {
        case .success(let value): success(value)
        case .failure(let failure): .failed(failure)
        }
    }

    private func answerOnControlLoop(
        _ reply: @escaping (PeerMessage) -> Void,
        _ body: @escaping @Sendable (ControlPlane, @escaping (PeerMessage) -> Void) -> Void
    ) {
        let bound = NIOLoopBound(reply, eventLoop: eventLoop)
        controlLoop.execute { [control, eventLoop] in
            body(control.value) { message in
                eventLoop.execute { bound.value(message) }
            }
        }
    }

    private func answer(
        _ reply: @escaping (PeerMessage) -> Void,
        _ body: @escaping @Sendable () async -> PeerMessage
    ) {
        let bound = NIOLoopBound(reply, eventLoop: eventLoop)
        let eventLoop = eventLoop
        Task {
            let message = await body()
            eventLoop.execute { bound.value(message) }
        }
    }
}
