package import Catalog
package import NIOCore
internal import NIOPosix
package import PeerMessages
package import TokenPlacement

/// Bounds and times of the traffic between nodes.
package struct InternodeConfiguration: Sendable {
    /// The longest message, in bytes (default 64 MiB).
    package var frameBytesMax = 64 << 20
    /// The most requests of one loop to one peer that wait for their answers.
    package var pendingRequestsMax = 16_384
    /// The bytes that may wait for one peer to read them, per loop and class; one message more goes out,
    /// and short answers.
    package var waitingBytesMax = 32 << 20
    /// How long a connection attempt may take, and then its handshake.
    package var connectTimeout = Duration.seconds(2)
    /// The least time between two attempts to reach a peer.
    package var reconnectDelay = Duration.milliseconds(250)
    /// When a request without an answer is given up (the coordinator's own time-out is shorter), and a
    /// connection over which nothing went out meanwhile.
    package var requestTimeout = Duration.seconds(30)

    /// The defaults.
    package init() {}
}

/// The peers as one event loop reaches them: one connection per peer and class, made when needed.
///
/// Bound to its event loop: every call must come from there.
package final class LoopPeers: PeerConnectionOwner {
    /// What became of a request.
    package typealias Completion = (Result<PeerAnswer, PeerFailure>) -> Void

    private struct LinkKey: Hashable {
        let node: NodeID
        let trafficClass: TrafficClass
    }

    private struct Pending {
        let completion: Completion
        let deadline: NIODeadline
        /// Kept until it is answered: it may have to be sent once more.
        let message: PeerMessage
        /// Whether it was sent over a connection that broke, and is sent for the second time.
        var isSecond = false
    }

    private final class Link {
        var connection: PeerConnection?
        /// The one that is being made.
        var attempt: PeerConnection?
        var retryAfter = NIODeadline.uptimeNanoseconds(0)
        /// What waits for the connection, by correlation (0: one-way).
        var waiting: [(correlation: UInt64, message: PeerMessage)] = []
        var pending: [UInt64: Pending] = [:]
        var lastReason = "not connected yet"
    }

    /// The loop that all calls must come from.
    package let eventLoop: any EventLoop
    /// What gets the messages.
    package weak var receiver: (any PeerReceiver)?
    /// The addresses of the registered nodes.
    package var addresses: [NodeID: SocketAddress] = [:]
    /// This node's epoch.
    package var localEpoch = Epoch.zero
    /// This node and its cluster.
    package var localIdentity: (node: NodeID, cluster: NodeID?)

    private let configuration: InternodeConfiguration
    private var links: [LinkKey: Link] = [:]
    private var inbound: [ObjectIdentifier: PeerConnection] = [:]
    private var nextCorrelation: UInt64 = 1
    private var isStopped = false

    /// The peers of a loop.
    package init(
        node: NodeID,
        eventLoop: any EventLoop,
        configuration: InternodeConfiguration
    ) {
        localIdentity = (node, nil)
        self.eventLoop = eventLoop
        self.configuration = configuration
        scheduleExpiry()
    }

    private func scheduleExpiry() {
        eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { [weak self] in
            guard let self, !isStopped else { return }
            dropExpired()
            scheduleExpiry()
        }
    }

    // MARK: Sending

    /// Sends a request and reports what became of it, once, on this loop: at the latest after
    /// `timeout`, or that of the configuration.
    ///
    /// If its connection breaks it is sent once more over a new one: a peer that was started again
    /// resets the connections of its former life only when somebody uses them. So a peer may get it
    /// twice.
    package func request(
        _ message: PeerMessage,
        to node: NodeID,
        class trafficClass: TrafficClass,
        timeout: Duration? = nil,
        completion: @escaping Completion
    ) {
        let link = link(node, trafficClass)
        guard link.pending.count < configuration.pendingRequestsMax else {
            let text =
                "\(configuration.pendingRequestsMax) requests to node \(node) wait already"
            completion(.failure(PeerFailure(code: .overloaded, text: text)))
            return
        }
        if let connection = link.connection, isFull(connection) {
            let text = """
                \(connection.waitingBytes) bytes wait already for node \(node) to read them; nothing \
                was sent
                """
            completion(.failure(PeerFailure(code: .overloaded, text: text)))
            return
        }
        let correlation = nextCorrelation
        nextCorrelation += 1
        link.pending[correlation] = Pending(
            completion: completion,
            deadline: .now() + TimeAmount(timeout ?? configuration.requestTimeout),
            message: message
        )
        transmit(message, correlation, node, trafficClass, link)
    }

    /// Sends a one-way message; it is dropped if the node cannot be reached.
    package func send(_ message: PeerMessage, to node: NodeID, class trafficClass: TrafficClass) {
        let link = link(node, trafficClass)
        guard link.waiting.count < 256, !(link.connection.map(isFull) ?? false) else { return }
        transmit(message, 0, node, trafficClass, link)
    }

    /// Closes the connections to a node that is held dead; what waits for it fails.
    package func giveUp(on node: NodeID) {
        for (key, link) in links where key.node == node {
            let connection = link.connection
            failed(link, node, "it is held dead")
            connection?.close()
        }
    }

    /// Closes all connections; what waits fails.
    package func stop() {
        isStopped = true
        for connection in inbound.values { connection.close() }
        for (key, link) in links {
            let connection = link.connection
            failed(link, key.node, "this node stops")
            connection?.close()
        }
    }

    /// A handler for a connection that another node made to this one.
    func acceptConnection() -> PeerConnection {
        let connection = PeerConnection(
            isInitiator: false,
            peer: nil,
            trafficClass: .request,
            frameBytesMax: configuration.frameBytesMax,
            handshakeTimeout: configuration.connectTimeout,
            owner: self
        )
        inbound[ObjectIdentifier(connection)] = connection
        return connection
    }

    // MARK: Connection events

    func connectionOpened(_ connection: PeerConnection) {
        if isStopped {
            connection.close()
            return
        }
        guard connection.isInitiator, let peer = connection.peer,
            let link = links[LinkKey(node: peer, trafficClass: connection.trafficClass)]
        else { return }
        guard link.attempt === connection else {
            // An attempt that was given up, and was made after all.
            connection.close()
            return
        }
        link.connection = connection
        link.attempt = nil
        let waiting = link.waiting
        link.waiting = []
        let now = NIODeadline.now()
        for (correlation, message) in waiting {
            // Whose time is over, or who failed meanwhile, is not sent any more.
            guard correlation == 0 || link.pending[correlation].map({ $0.deadline > now }) == true
            else { continue }
            if link.pending[correlation]?.isSecond == true, isFull(connection) {
                let text = "the connection to node \(peer) broke, and too much waits for a new one"
                fail(link, correlation, PeerFailure(code: .disconnected, text: text))
                continue
            }
            transmit(message, correlation, peer, connection.trafficClass, link)
        }
    }

    func connection(_ connection: PeerConnection, received envelope: PeerEnvelope, bytes: Int) {
        guard let peer = connection.peer else { return }
        receiver?.epochSeen(envelope.epoch, from: peer)
        // Only who made a connection asks on it.
        if connection.isInitiator {
            let link = links[LinkKey(node: peer, trafficClass: connection.trafficClass)]
            guard let pending = link?.pending.removeValue(forKey: envelope.correlation) else {
                return  // Given up before.
            }
            if case .failed(let failure) = envelope.message {
                pending.completion(
                    .failure(
                        pending.isSecond
                            ? pending.message.failureAfterSecondSending(failure) : failure
                    )
                )
            } else {
                pending.completion(
                    .success(PeerAnswer(message: envelope.message, byteCount: bytes))
                )
            }
            return
        }
        let correlation = envelope.correlation
        receiver?.messageReceived(envelope.message, from: peer) {
            [weak self, weak connection] reply in
            guard correlation != 0, let self, let connection else { return }
            // Who asks and does not read the answers is not answered for ever; one that reads a long
            // answer slowly gets its short ones all the same.
            guard connection.waitingBytes < answerBytesMax else {
                connection.close()
                return
            }
            if isFull(connection), reply.isLong {
                let text = """
                    \(connection.waitingBytes) bytes of answers wait already for node \(peer) to read \
                    them; ask again later
                    """
                connection.send(
                    .failed(PeerFailure(code: .overloaded, text: text)),
                    correlation: correlation
                )
                return
            }
            guard connection.isOpen, connection.send(reply, correlation: correlation) == nil else {
                return
            }
            let text = "the answer is longer than a message may be; ask for less at once"
            connection.send(
                .failed(PeerFailure(code: .invalid, text: text)),
                correlation: correlation
            )
        }
    }

    func connectionClosed(_ connection: PeerConnection, reason: String) {
        guard connection.isInitiator else {
            inbound[ObjectIdentifier(connection)] = nil
            return
        }
        for (key, link) in links {
            if link.connection === connection {
                broke(link, key, reason)
            } else if link.attempt === connection {
                failed(link, key.node, reason)
            }
        }
    }

    // MARK: Helpers

    private func link(_ node: NodeID, _ trafficClass: TrafficClass) -> Link {
        let key = LinkKey(node: node, trafficClass: trafficClass)
        if let link = links[key] { return link }
        let link = Link()
        links[key] = link
        return link
    }

    private func transmit(
        _ message: PeerMessage,
        _ correlation: UInt64,
        _ node: NodeID,
        _ trafficClass: TrafficClass,
        _ link: Link
    ) {
        if let connection = link.connection {
            if connection.send(message, correlation: correlation) == nil {
                let text =
                    "a message to node \(node) is longer than \(configuration.frameBytesMax) bytes"
                fail(link, correlation, PeerFailure(code: .invalid, text: text))
            }
            return
        }
        if link.attempt != nil || link.retryAfter <= .now() {
            link.waiting.append((correlation, message))
            if link.attempt == nil { connect(node, trafficClass, link) }
            return
        }
        let text = "node \(node) cannot be reached: \(link.lastReason)"
        fail(link, correlation, PeerFailure(code: .disconnected, text: text))
    }

    private func fail(_ link: Link, _ correlation: UInt64, _ failure: PeerFailure) {
        link.pending.removeValue(forKey: correlation)?.completion(.failure(failure))
    }

    private func connect(_ node: NodeID, _ trafficClass: TrafficClass, _ link: Link) {
        guard let address = addresses[node], !isStopped else {
            failed(link, node, isStopped ? "this node stops" : "its address is not known")
            return
        }
        link.retryAfter = .now() + TimeAmount(configuration.reconnectDelay)
        let connection = PeerConnection(
            isInitiator: true,
            peer: node,
            trafficClass: trafficClass,
            frameBytesMax: configuration.frameBytesMax,
            handshakeTimeout: configuration.connectTimeout,
            owner: self
        )
        link.attempt = connection
        let handler = NIOLoopBound(connection, eventLoop: eventLoop)
        ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(configuration.connectTimeout))
            .channelOption(.socketOption(.so_reuseaddr), value: 1)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(handler.value)
                }
            }
            .connect(to: address)
            .assumeIsolated()
            .whenFailure { [weak self] error in
                guard link.attempt === handler.value else { return }
                self?.failed(link, node, "\(error)")
            }
    }

    /// An open connection is gone: what was sent over it for the first time is sent once more, unless
    /// it is too soon for another attempt.
    private func broke(_ link: Link, _ key: LinkKey, _ reason: String) {
        let now = NIODeadline.now()
        guard !isStopped, link.retryAfter <= now else {
            failed(link, key.node, reason)
            return
        }
        link.connection = nil
        link.lastReason = reason
        var over: [Pending] = []
        for (correlation, request) in link.pending.sorted(by: { $0.key < $1.key }) {
            if !request.isSecond, request.deadline > now, request.message.mayComeTwice {
                link.pending[correlation]?.isSecond = true
                link.waiting.append((correlation, request.message))
            } else {
                link.pending[correlation] = nil
                over.append(request)
            }
        }
        // Before anybody is told: who asks again at once must find the attempt, and comes last.
        if !link.waiting.isEmpty { connect(key.node, key.trafficClass, link) }
        complete(over, key.node, reason)
        receiver?.connectionLost(to: key.node)
    }

    /// A connection is gone or was not made: all that waits for it fails.
    private func failed(_ link: Link, _ node: NodeID, _ reason: String) {
        let wasOpen = link.connection != nil
        link.connection = nil
        link.attempt = nil
        link.lastReason = reason
        link.waiting = []
        let pending = link.pending
        link.pending = [:]
        complete(pending.sorted { $0.key < $1.key }.map(\.value), node, reason)
        if wasOpen { receiver?.connectionLost(to: node) }
    }

    private func complete(_ requests: [Pending], _ node: NodeID, _ reason: String) {
        let failure = PeerFailure(
            code: .disconnected,
            text: "the connection to node \(node) failed: \(reason)"
        )
        for request in requests { request.completion(.failure(failure)) }
    }

    /// The bytes of answers behind which a connection is given up: more than any two answers take.
    private var answerBytesMax: Int {
        2 * (configuration.waitingBytesMax + configuration.frameBytesMax)
    }

    private func isFull(_ connection: PeerConnection) -> Bool {
        connection.waitingBytes >= configuration.waitingBytesMax
    }

    private func dropExpired() {
        let now = NIODeadline.now()
        let stalled = (links.values.compactMap(\.connection) + inbound.values).filter {
            $0.isStalled(for: configuration.requestTimeout, now: now)
        }
        for connection in stalled { connection.close() }
        for (key, link) in links {
            let expired = link.pending.filter { $0.value.deadline < now }
            for (correlation, request) in expired.sorted(by: { $0.key < $1.key }) {
                link.pending[correlation] = nil
                link.waiting.removeAll { $0.correlation == correlation }
                let text = "node \(key.node) did not answer in time"
                request.completion(.failure(PeerFailure(code: .disconnected, text: text)))
            }
        }
    }
}

extension PeerMessage {
    /// Whether an answer of this kind may have many bytes.
    fileprivate var isLong: Bool {
        switch self {
        case .done, .failed, .proposed: false
        default: true
        }
    }
}
