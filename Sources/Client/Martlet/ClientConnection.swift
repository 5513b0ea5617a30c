internal import Catalog
internal import Foundation
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix
package import NativeProtocol

/// A connection to one node, on which many requests are under way at once.
package final class ClientConnection: Sendable {
    /// What a connection needs to know.
    package struct Settings: Sendable {
        /// The most requests that are sent and not answered.
        package var requestsInFlightMax: Int
        /// The most requests that wait for a stream.
        package var requestsQueuedMax: Int
        /// How long the connection and its handshake may take.
        package var connectTimeout: Duration
        /// The silence after which the server is asked whether it lives.
        package var heartbeatInterval: Duration
        /// The keyspace to use, or nil.
        package var keyspace: String?
        /// The most bytes of a frame.
        package var frameBytesMax: Int

        /// The settings that a client's configuration asks for.
        package init(_ configuration: ClientConfiguration) {
            requestsInFlightMax = configuration.requestsInFlightMax
            requestsQueuedMax = configuration.requestsQueuedMax
            connectTimeout = configuration.connectTimeout
            heartbeatInterval = configuration.heartbeatInterval
            keyspace = configuration.keyspace
            frameBytesMax = configuration.frameBytesMax
        }

        var limits: NativeProtocolLimits {
            var limits = NativeProtocolLimits()
            limits.frameBodyBytesMax = frameBytesMax
            return limits
        }
    }

    /// The node's address and port, for errors.
    package let node: String

    private let channel: any Channel
    private let handler: NIOLoopBound<ConnectionHandler>
    private let mailbox: NIOLockedValueBox<ConnectionMailbox>
    private let limits: NativeProtocolLimits
    private let outstandingMax: Int

    private init(
        node: String,
        channel: any Channel,
        handler: NIOLoopBound<ConnectionHandler>,
        mailbox: NIOLockedValueBox<ConnectionMailbox>,
        settings: Settings
    ) {
        self.node = node
        self.channel = channel
        self.handler = handler
        self.mailbox = mailbox
        limits = settings.limits
        outstandingMax = settings.requestsInFlightMax + settings.requestsQueuedMax
    }

    /// Connects to a node and shakes hands.
    ///
    /// - Parameters:
    ///   - host: a name or an address.
    ///   - port: the port of the native protocol.
    ///   - settings: bounds and time-outs.
    ///   - onEvent: is told of events, on the event loop.
    /// - Returns: a connection that is ready.
    /// - Throws: ``MartletError``, whose outcome is always `notDone`.
    package static func open(
        host: String,
        port: Int,
        settings: Settings,
        onEvent: @escaping @Sendable (Event) -> Void = { _ in }
    ) async throws -> ClientConnection {
        let node = ContactPoint(host: host, port: port).description
        let mailbox = NIOLockedValueBox(ConnectionMailbox())
        let connection: ClientConnection
        do {
            connection =
                try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(TimeAmount(settings.connectTimeout))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connect(host: host, port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let handler = ConnectionHandler(
                            mailbox: mailbox,
                            limits: settings.limits,
                            requestsInFlightMax: settings.requestsInFlightMax,
                            heartbeatInterval: settings.heartbeatInterval,
                            onEvent: onEvent
                        )
                        try channel.pipeline.syncOperations.addHandler(handler)
                        return ClientConnection(
                            node: node,
                            channel: channel,
                            handler: NIOLoopBound(handler, eventLoop: channel.eventLoop),
                            mailbox: mailbox,
                            settings: settings
                        )
                    }
                }
        } catch {
            throw MartletError(
                .connectionFailed,
                "cannot connect: \(connectProblem(error))",
                node: node,
                outcome: .notDone
            )
        }
        do {
            try await connection.shakeHands(settings)
        } catch {
            connection.close("the handshake failed")
            throw error
        }
        return connection
    }

    private func shakeHands(_ settings: Settings) async throws {
        let options = ["CQL_VERSION": "3.0.0", "DRIVER_NAME": "Martlet"]
        let timeout = settings.connectTimeout
        switch try await request(.startup(options: options), timeout: timeout).response {
        case .ready: break
        case .authenticate(let name):
            throw MartletError(
                .unauthorized,
                "the server asks for credentials (\(name)), which this client does not have",
                node: node,
                outcome: .notDone
            )
        case .error(let error): throw MartletError(error, node: node, isRead: false)
        case let other: throw MartletError.unexpected(other, to: "STARTUP", node: node)
        }
        guard let keyspace = settings.keyspace else { return }
        let quoted =
            "\""
            + keyspace.split(separator: "\"", omittingEmptySubsequences: false)
            .joined(separator: "\"\"") + "\""
        let use = Request.query("USE \(quoted)", QueryParameters(consistency: .one))
        switch try await request(use, timeout: timeout).response {
        case .setKeyspace: break
        case .error(let error): throw MartletError(error, node: node, isRead: false)
        case let other: throw MartletError.unexpected(other, to: "USE", node: node)
        }
    }

    /// Sends a request and waits for its answer, which may be an ERROR.
    ///
    /// - Parameters:
    ///   - request: the request.
    ///   - timeout: how long the answer may take.
    ///   - isRead: whether the request changes nothing.
    /// - Returns: the answer.
    /// - Throws: ``MartletError`` if no answer came or it is unreadable; `CancellationError`.
    package func request(
        _ request: Request,
        timeout: Duration,
        isRead: Bool = false
    ) async throws -> ResponseMessage {
        do {
            return try await send(request, timeout: timeout)
        } catch .cancelled {
            throw CancellationError()
        } catch {
            throw MartletError(error, node: node, isRead: isRead)
        }
    }

    /// As ``request(_:timeout:isRead:)``, but tells how far the request got.
    func send(
        _ request: Request,
        timeout: Duration
    ) async throws(RequestFailure) -> ResponseMessage {
        let bytes: [UInt8]
        do {
            bytes = try RequestMessage(request, stream: 0).encode(limits: limits)
        } catch {
            throw .unencodable(error.message)
        }
        let pending = PendingRequest(frame: bytes, timeout: timeout)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard pending.wait({ continuation.resume(returning: $0) }) else {
                    continuation.resume(returning: .failure(.cancelled))
                    return
                }
                submit(pending)
            }
        } onCancel: {
            pending.finish(.failure(.cancelled))
        }
        let frame = try result.get()
        do {
            return try ResponseMessage(decoding: frame, limits: limits)
        } catch {
            throw .protocolViolation(error.message)
        }
    }

    private func submit(_ request: PendingRequest) {
        enum Verdict {
            case submitted(wakesLoop: Bool)
            case refused(RequestFailure)
        }
        let verdict = mailbox.withLockedValue { mailbox -> Verdict in
            if let reason = mailbox.closed { return .refused(.notSent(reason)) }
            guard mailbox.outstanding < outstandingMax else {
                return .refused(.queueFull(limit: outstandingMax))
            }
            mailbox.outstanding += 1
            mailbox.requests.append(request)
            return .submitted(wakesLoop: mailbox.requests.count == 1)
        }
        switch verdict {
        case .submitted(wakesLoop: false): break
        case .submitted(wakesLoop: true):
            channel.eventLoop.execute { self.handler.value.drain() }
        case .refused(let failure): request.finish(.failure(failure))
        }
    }

    /// Whether requests are still taken.
    package var isOpen: Bool { mailbox.withLockedValue { $0.closed == nil } }

    /// The requests that are not finished.
    package var outstanding: Int { mailbox.withLockedValue { $0.outstanding } }

    /// Closes at once; requests under way fail.
    package func close(_ reason: String = "the client closed the connection") {
        channel.eventLoop.execute { self.handler.value.close(reason) }
    }

    /// Takes no more requests, and closes once those under way are answered, or the time is over.
    package func closeGracefully(within timeout: Duration) async {
        channel.eventLoop.execute { self.handler.value.closeWhenIdle() }
        let limit = channel.eventLoop.scheduleTask(in: TimeAmount(timeout)) {
            self.handler.value.close("the client closed the connection")
        }
        await waitUntilClosed()
        limit.cancel()
    }

    /// Returns once the connection is closed.
    package func waitUntilClosed() async {
        try? await channel.closeFuture.get()
    }
}

/// Why a connection could not be opened, in words.
private func connectProblem(_ error: any Error) -> String {
    var cause = error
    if let error = error as? NIOConnectionError {
        cause =
            error.connectionErrors.first?.error ?? error.dnsAError ?? error.dnsAAAAError
            ?? error
    }
    if let error = cause as? IOError { return String(cString: strerror(error.errnoCode)) }
    return "\(cause)"
}
