internal import Catalog
package import NIOCore
internal import NativeProtocol

/// One client's connection: reads frames, answers what needs no data, and hands over the rest.
///
/// Bad input is answered on the stream that it came on; only what leaves the stream of bytes
/// without meaning closes the connection.
package final class NativeConnection: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private enum State {
        /// Exits: STARTUP (ready), a frame that cannot be read (closed).
        case starting
        case ready
        /// Says its last word; what comes is ignored.
        case closing
    }

    private let configuration: NativeServerConfiguration
    private let executor: any RequestExecutor
    private unowned let connections: LoopConnections
    private let session = Session()
    private var state = State.starting
    private var decoder: FrameDecoder
    private var outputs: [FrameDecoder.Output] = []
    private var streamsInFlight: Set<Int16> = []
    private var outgoing: ByteBuffer?
    private var pendingOutputBytes = 0
    private var context: ChannelHandlerContext?
    private var isReading = false
    private var isFlushScheduled = false

    init(
        configuration: NativeServerConfiguration,
        executor: any RequestExecutor,
        connections: LoopConnections
    ) {
        self.configuration = configuration
        self.executor = executor
        self.connections = connections
        decoder = FrameDecoder(FrameAdmission(role: .server, limits: configuration.limits))
    }

    /// Sends an event if the client asked for its type.
    func send(_ event: Event) {
        guard case .ready = state, session.eventTypes.contains(event.type) else { return }
        write(Response.event(event).encode(stream: Response.eventStream))
    }

    /// Closes the connection.
    func close() { context?.close(promise: nil) }

    // MARK: Channel events

    package func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelInactive(context: ChannelHandlerContext) {
        state = .closing
        session.isClosed = true
        connections.remove(self)
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        state = .closing
        context.close(promise: nil)
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        isReading = true
        buffer.withUnsafeReadableBytes { decoder.receive($0, into: &outputs) }
        let received = outputs
        outputs.removeAll(keepingCapacity: true)
        for output in received { handle(output) }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush()
        context.fireChannelReadComplete()
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        // A client that does not read its answers is not read from either.
        let isWritable = context.channel.isWritable
        context.channel.setOption(.autoRead, value: isWritable).whenFailure { _ in }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Requests

    private func handle(_ output: FrameDecoder.Output) {
        if case .closing = state { return }
        switch output {
        case .frame(let frame): handle(frame)
        case .reject(let stream, let error):
            write(Response.error(error.response).encode(stream: stream))
        case .close(let stream, let error): sayLast(error.response, stream: stream)
        }
    }

    private func handle(_ frame: Frame) {
        let message: RequestMessage
        do {
            message = try RequestMessage(decoding: frame, limits: configuration.limits)
        } catch {
            write(Response.error(error.response).encode(stream: frame.stream))
            return
        }
        switch (message.request, state) {
        case (.options, _): write(supported.encode(stream: message.stream))
        case (.startup(let options), .starting): start(options, message.stream)
        case (.startup, _): refuse(message.stream, "STARTUP came twice on one connection")
        case (_, .starting): refuse(message.stream, "the first request must be STARTUP or OPTIONS")
        case (.register(let types), _):
            session.eventTypes.formUnion(types)
            write(Response.ready.encode(stream: message.stream))
        case (.authResponse, _):
            refuse(message.stream, "AUTH_RESPONSE came without an AUTHENTICATE")
        case (.query, _), (.prepare, _), (.execute, _), (.batch, _): execute(message)
        }
    }

    private var supported: Response {
        .supported([
            "COMPRESSION": [],
            "CQL_VERSION": ["3.4.7"],
            "PROTOCOL_VERSIONS": ProtocolVersion.allCases.map(\.supportedText),
        ])
    }

    private func start(_ options: [String: String], _ stream: Int16) {
        if let compression = options["COMPRESSION"], !compression.isEmpty {
            refuse(stream, "compression \(compression) was not offered; connect without it")
            return
        }
        guard let version = options["CQL_VERSION"] else {
            refuse(stream, "STARTUP has no CQL_VERSION; send 3.0.0 or later")
            return
        }
        guard version.hasPrefix("3.") else {
            refuse(stream, "CQL_VERSION is \(version); this server speaks 3.4.7")
            return
        }
        state = .ready
        write(Response.ready.encode(stream: stream))
    }

    private func execute(_ message: RequestMessage) {
        let stream = message.stream
        guard streamsInFlight.count < configuration.requestsInFlightMax else {
            let text = """
                \(configuration.requestsInFlightMax) requests of this connection wait for their \
                answers already (native.requests_in_flight_max); wait, or open more connections
                """
            write(Response.error(ErrorResponse(.overloaded, text)).encode(stream: stream))
            return
        }
        guard pendingOutputBytes <= configuration.pendingOutputBytesSoftMax else {
            let text = """
                \(pendingOutputBytes) bytes of answers wait for this client to read them, the \
                limit is \(configuration.pendingOutputBytesSoftMax); read them, or ask for less
                """
            write(Response.error(ErrorResponse(.overloaded, text)).encode(stream: stream))
            return
        }
        guard streamsInFlight.insert(stream).inserted else {
            refuse(stream, "stream \(stream) waits for an answer already; use another one")
            return
        }
        var isAnswered = false
        executor.execute(message, session: session) { [weak self] response in
            // A second answer would be taken for that of the stream's next request.
            guard let self, !isAnswered else { return }
            isAnswered = true
            streamsInFlight.remove(stream)
            guard response.count <= configuration.responseBytesMax else {
                let error = ErrorResponse.answerTooLong(limit: configuration.responseBytesMax)
                write(Response.error(error).encode(stream: stream))
                return
            }
            write(response)
        }
    }

    // MARK: Answers

    private func refuse(_ stream: Int16, _ text: String) {
        write(Response.error(ErrorResponse(.protocolError, text)).encode(stream: stream))
    }

    private func sayLast(_ error: ErrorResponse, stream: Int16) {
        write(Response.error(error).encode(stream: stream))
        state = .closing
        flush()
        guard let context else { return }
        // What was written before goes out first.
        context.close(mode: .output, promise: nil)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .seconds(1)) { bound.value.close() }
    }

    private func write(_ response: [UInt8]) {
        guard let context else { return }
        if case .closing = state { return }
        pendingOutputBytes += response.count
        guard pendingOutputBytes <= configuration.pendingOutputBytesMax else {
            state = .closing
            context.close(promise: nil)
            return
        }
        var buffer = outgoing ?? context.channel.allocator.buffer(capacity: response.count)
        outgoing = nil
        buffer.writeBytes(response)
        outgoing = buffer
        guard !isReading, !isFlushScheduled else { return }
        isFlushScheduled = true
        context.eventLoop.assumeIsolated().execute { [weak self] in
            self?.isFlushScheduled = false
            self?.flush()
        }
    }

    private func flush() {
        guard let buffer = outgoing, let context else { return }
        outgoing = nil
        let count = buffer.readableBytes
        context.writeAndFlush(wrapOutboundOut(buffer))
            .assumeIsolated()
            .whenComplete { [weak self] _ in self?.pendingOutputBytes -= count }
    }
}
