package import Catalog
package import NIOCore
internal import NIOPosix
package import PeerMessages
package import TokenPlacement

/// One conversation with a node of which only the address is known: how an empty node joins.
///
/// Bound to its event loop until it is done; every call opens a connection and closes it.
package enum PeerProbe {
    private final class Conversation: PeerConnectionOwner {
        let localIdentity: (node: NodeID, cluster: NodeID?)
        let localEpoch: Epoch
        let message: PeerMessage
        let promise: EventLoopPromise<PeerMessage>

        init(
            identity: (node: NodeID, cluster: NodeID?),
            epoch: Epoch,
            message: PeerMessage,
            promise: EventLoopPromise<PeerMessage>
        ) {
            localIdentity = identity
            localEpoch = epoch
            self.message = message
            self.promise = promise
        }

        func connectionOpened(_ connection: PeerConnection) {
            connection.send(message, correlation: 1)
        }

        func connection(
            _ connection: PeerConnection,
            received envelope: PeerEnvelope,
            bytes: Int
        ) {
            guard envelope.correlation == 1 else { return }
            promise.succeed(envelope.message)
            connection.close()
        }

        func connectionClosed(_ connection: PeerConnection, reason: String) {
            promise.fail(PeerFailure(code: .disconnected, text: reason))
        }
    }

    /// Sends one request to an address and returns the answer.
    ///
    /// - Throws: ``PeerFailure`` if there is no answer within `timeout`.
    package static func ask(
        _ message: PeerMessage,
        at address: SocketAddress,
        node: NodeID,
        cluster: NodeID?,
        epoch: Epoch,
        timeout: Duration,
        eventLoop: any EventLoop
    ) async throws -> PeerMessage {
        let promise = eventLoop.makePromise(of: PeerMessage.self)
        let deadline = eventLoop.scheduleTask(in: TimeAmount(timeout)) {
            promise.fail(
                PeerFailure(code: .disconnected, text: "\(address) did not answer in time")
            )
        }
        promise.futureResult.whenComplete { _ in deadline.cancel() }
        let connected = ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(timeout))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let conversation = Conversation(
                        identity: (node, cluster),
                        epoch: epoch,
                        message: message,
                        promise: promise
                    )
                    let handler = PeerConnection(
                        isInitiator: true,
                        peer: nil,
                        trafficClass: .urgent,
                        frameBytesMax: 64 << 20,
                        handshakeTimeout: timeout,
                        owner: conversation
                    )
                    try channel.pipeline.syncOperations.addHandler(handler)
                    // The handler does not own its owner: the channel keeps it.
                    let kept = NIOLoopBound(conversation, eventLoop: channel.eventLoop)
                    channel.closeFuture.whenComplete { _ in _ = kept }
                }
            }
            .connect(to: address)
        connected.whenFailure { error in
            promise.fail(PeerFailure(code: .disconnected, text: "\(address): \(error)"))
        }
        // Whatever came of it: who accepts and never answers must not hold a connection.
        promise.futureResult.whenComplete { _ in
            connected.whenSuccess { $0.close(promise: nil) }
        }
        return try await promise.futureResult.get()
    }
}
