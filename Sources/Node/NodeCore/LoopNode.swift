package import Catalog
internal import ClusterLog
package import PeerMessages
package import Replication
internal import Storage
package import TokenPlacement

/// Answers the messages of other nodes that come on one event loop.
///
/// Bound to its loop.
package final class LoopNode: PeerReceiver {
    private let environment: any LoopEnvironment
    private let replica: LoopReplica
    private let control: LoopBound<ControlPlane>
    private let upkeep: LoopBound<Upkeep>
    private let models: any ModelService
    private let hintSettings: HintSettings

    /// This node's epoch, so that only news go to the control plane.
    package var epoch = Epoch.zero

    /// The epoch of the sender of the message that is being received.
    private var senderEpoch = Epoch.zero

    /// The receiver of a loop.
    package init(
        environment: any LoopEnvironment,
        replica: LoopReplica,
        control: LoopBound<ControlPlane>,
        upkeep: LoopBound<Upkeep>,
        models: any ModelService,
        hintSettings: HintSettings
    ) {
        self.environment = environment
        self.replica = replica
        self.control = control
        self.upkeep = upkeep
        self.models = models
        self.hintSettings = hintSettings
    }

    package func epochSeen(_ epoch: Epoch, from peer: NodeID) {
        senderEpoch = epoch
        guard epoch > self.epoch else { return }
        control.perform { $0.epochSeen(epoch, from: peer) }
    }

    package func connectionLost(to peer: NodeID) {
        environment.log(.info, "a connection to node \(peer) was lost")
        control.perform { $0.connectionLost(to: peer) }
    }

    package func messageReceived(
        _ message: PeerMessage,
        from peer: NodeID,
        reply: @escaping (PeerMessage) -> Void
    ) {
        switch message {
        case .write(let mutations):
            catchingUp(with: peer, { [replica] in replica.write(mutations, completion: $0) }) {
                reply(Self.message($0) { .done })
            }
        case .deliverHints(let mutations, let oldestMicros):
            if let refusal = refusal(ofHintsSince: oldestMicros) {
                reply(.failed(refusal))
                return
            }
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
        case .scan(let request):
            catchingUp(with: peer, { [replica] in replica.scan(request, completion: $0) }) {
                reply(Self.message($0) { .page($0) })
            }
        case .rangeDigests(let request):
            catchingUp(with: peer) { [replica] in
                replica.digests(request, for: peer, completion: $0)
            } _: {
                reply(Self.message($0) { .digests($0) })
            }
        case .storeBatch(let batch):
            replica.storeBatch(batch) { reply(Self.message($0) { .done }) }
        case .removeBatches(let ids): replica.removeBatches(ids)
        case .noteDirty(let marks):
            answerOnControlLoop(upkeep, reply) { upkeep, answer in
                upkeep.noteDirty(marks) { answer(Self.message($0) { .done }) }
            }
        case .noteRepaired(let notes):
            answerOnControlLoop(upkeep, reply) { upkeep, answer in
                upkeep.noteRepaired(notes) { answer(Self.message($0) { .done }) }
            }
        case .gossip(let bytes): control.perform { $0.gossipReceived(bytes, from: peer) }
        case .logEntries(let entries): control.perform { $0.entriesReceived(entries, from: peer) }
        case .fetchLog(let epoch):
            answerOnControlLoop(control, reply) { control, answer in
                answer(.logEntries(control.entries(after: epoch)))
            }
        case .propose(let change):
            answerOnControlLoop(control, reply) { control, answer in
                // Who joins asks any node: it passes the change on to the one that decides.
                control.propose(change) { answer(.proposed($0)) }
            }
        case .awaitEpoch(let epoch):
            answerOnControlLoop(control, reply) { control, answer in
                control.wait(for: epoch, from: peer) { answer(.done) }
            }
        case .loadModel, .fetchModel: models.answer(message, from: peer, reply: reply)
        case .proposed, .done, .rows, .scored, .page, .digests, .modelBytes, .failed:
            break  // Replies to nothing.
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
            let again = LoopBound({ attempt(completion) }, on: environment)
            control.perform { control in
                control.wait(for: asked, from: peer) {
                    again.perform { $0() }
                }
            }
        }
    }

    /// Hints that are too old by this node's clock are refused: the sweeper counts on it that what
    /// they would write back is gone by then, and the sender's clock may have been wrong.
    private func refusal(ofHintsSince oldestMicros: Int64) -> PeerFailure? {
        let (age, isOver) = environment.wallMicros.subtractingReportingOverflow(oldestMicros)
        let isYoung = age <= hintSettings.windowSeconds.asMicros
        guard isOver || !isYoung || age < -hintSettings.skewMarginSeconds.asMicros else {
            return nil
        }
        let text = """
            hints of \(oldestMicros / 1_000_000) came at \(environment.wallMicros / 1_000_000), and \
            they may be \(hintSettings.windowSeconds) s old: their slices are left to repair
            """
        return PeerFailure(code: .tooOld, text: text)
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

    private func answerOnControlLoop<Owner>(
        _ owner: LoopBound<Owner>,
        _ reply: @escaping (PeerMessage) -> Void,
        _ body: @escaping @Sendable (Owner, @escaping (PeerMessage) -> Void) -> Void
    ) {
        let bound = LoopBound(reply, on: environment)
        owner.perform { value in
            body(value) { message in
                bound.perform { $0(message) }
            }
        }
    }
}

extension Int64 {
    /// Seconds as microseconds, or the nearest number that there is.
    fileprivate var asMicros: Int64 {
        let (product, isOver) = multipliedReportingOverflow(by: 1_000_000)
        return isOver ? (self < 0 ? .min : .max) : product
    }
}
