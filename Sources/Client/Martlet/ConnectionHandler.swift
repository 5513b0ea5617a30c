internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NativeProtocol

/// What the threads that submit requests share with a connection's event loop.
struct ConnectionMailbox: Sendable {
    /// What the loop has not taken yet.
    var requests: [PendingRequest] = []
    /// Requests that are not finished: in the mailbox, queued or sent.
    var outstanding = 0
    /// Why nothing is taken any more.
    var closed: String?
}

/// One connection's event-loop-bound end: gives streams to requests, and answers to streams.
///
/// All requests that arrive while the loop is busy leave in one write; a server that does not read
/// stops the sending, and then the bounded queue fills.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Slot {
        case free
        case sent(PendingRequest)
        /// Given up, but its answer may still come: the stream must not be used before.
        case orphaned
    }

    private static let writeBytesMax = 1 << 20

    private let mailbox: NIOLockedValueBox<ConnectionMailbox>
    private let requestsInFlightMax: Int
    private let heartbeatInterval: TimeAmount
    private let onEvent: @Sendable (Event) -> Void
    private var decoder: FrameDecoder
    private var outputs: [FrameDecoder.Output] = []
    private var slots: [Slot] = []
    private var freeStreams: [Int] = []
    private var queue = CircularBuffer<PendingRequest>()
    private var outgoing: ByteBuffer?
    private var inFlightCount = 0
    private var orphanCount = 0
    /// What is answered or given up, and not told yet.
    private var finished: [(request: PendingRequest, result: Result<Frame, RequestFailure>)] = []
    private var isReading = false
    private var isSweeping = false
    private var hasReadSinceHeartbeat = true
    private var isClosing = false
    private var closeReason = "the server closed the connection"
    private var context: ChannelHandlerContext?

    init(
        mailbox: NIOLockedValueBox<ConnectionMailbox>,
        limits: NativeProtocolLimits,
        requestsInFlightMax: Int,
        heartbeatInterval: Duration,
        onEvent: @escaping @Sendable (Event) -> Void
    ) {
        self.mailbox = mailbox
        self.requestsInFlightMax = requestsInFlightMax
        self.heartbeatInterval = TimeAmount(heartbeatInterval)
        self.onEvent = onEvent
        decoder = FrameDecoder(FrameAdmission(role: .client, limits: limits))
    }

    // MARK: From the client

    /// Takes what was submitted since the last time.
    func drain() {
        let requests = mailbox.withLockedValue { mailbox in
            let requests = mailbox.requests
            mailbox.requests = []
            return requests
        }
        queue.append(contentsOf: requests)
        if context == nil { failAll(closeReason) }
        pump()
        startSweep()
        reportFinished()
    }

    /// Lets what is under way end, and takes nothing more; then closes.
    func closeWhenIdle() {
        isClosing = true
        closeReason = "the client closed the connection"
        mailbox.withLockedValue { $0.closed = closeReason }
        drain()
        closeIfIdle()
    }

    /// Closes at once.
    func close(_ reason: String) {
        closeReason = reason
        context?.close(promise: nil)
    }

    private func closeIfIdle() {
        guard isClosing, inFlightCount == 0, queue.isEmpty else { return }
        context?.close(promise: nil)
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        scheduleHeartbeat(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        failAll(closeReason)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        closeReason = "the connection broke: \(error)"
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        hasReadSinceHeartbeat = true
        unwrapInboundIn(data).withUnsafeReadableBytes { decoder.receive($0, into: &outputs) }
        let received = outputs
        outputs.removeAll(keepingCapacity: true)
        for output in received { handle(output) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        pump()
        reportFinished()
        closeIfIdle()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pump()
        context.fireChannelWritabilityChanged()
    }

    // MARK: Answers

    private func handle(_ output: FrameDecoder.Output) {
        switch output {
        case .frame(let frame) where frame.opcode == .event: handleEvent(frame)
        case .frame(let frame): answer(frame.stream, .success(frame))
        case .reject(let stream, let error):
            answer(stream, .failure(.protocolViolation(error.message)))
        case .close(let stream, let error):
            if stream >= 0, Int(stream) < slots.count, case .sent = slots[Int(stream)] {
                answer(stream, .failure(.protocolViolation(error.message)))
            }
            close("the server broke the protocol: \(error.message)")
        }
    }

    private func handleEvent(_ frame: Frame) {
        // An event that this client does not know is none of its business.
        guard let message = try? ResponseMessage(decoding: frame),
            case .event(let event) = message.response
        else { return }
        onEvent(event)
    }

    private func answer(_ stream: Int16, _ result: Result<Frame, RequestFailure>) {
        let index = Int(stream)
        guard slots.indices.contains(index) else {
            close("the server answered stream \(stream), on which nothing was asked")
            return
        }
        switch slots[index] {
        case .free:
            close("the server answered stream \(stream), on which nothing was asked")
            return
        case .orphaned: orphanCount -= 1
        case .sent(let request):
            inFlightCount -= 1
            finished.append((request, result))
        }
        slots[index] = .free
        freeStreams.append(index)
    }

    // MARK: Sending

    private func nextStream() -> Int? {
        if let stream = freeStreams.popLast() { return stream }
        guard slots.count < requestsInFlightMax else { return nil }
        slots.append(.free)
        return slots.count - 1
    }

    private func pump() {
        guard let context, !isReading else { return }
        while let request = queue.first, context.channel.isWritable {
            if request.isFinished {
                queue.removeFirst()
                finished.append((request, .failure(.cancelled)))
                continue
            }
            guard let stream = nextStream() else { break }
            queue.removeFirst()
            slots[stream] = .sent(request)
            inFlightCount += 1
            append(request.frame, stream: stream, context)
        }
        flush(context)
    }

    private func append(_ frame: [UInt8], stream: Int, _ context: ChannelHandlerContext) {
        var buffer = outgoing ?? context.channel.allocator.buffer(capacity: frame.count)
        outgoing = nil
        let start = buffer.writerIndex
        buffer.writeBytes(frame)
        buffer.setInteger(UInt16(stream), at: start + 2)
        outgoing = buffer
        if buffer.readableBytes >= Self.writeBytesMax { flush(context) }
    }

    private func flush(_ context: ChannelHandlerContext) {
        guard let buffer = outgoing else { return }
        outgoing = nil
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }

    // MARK: Time

    private func startSweep() {
        guard let context, !isSweeping, inFlightCount + queue.count > 0 else { return }
        isSweeping = true
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .milliseconds(20)) { handler.value.sweep() }
    }

    /// Gives up what is over its deadline.
    private func sweep() {
        isSweeping = false
        let now = NIODeadline.now()
        for index in slots.indices {
            guard case .sent(let request) = slots[index] else { continue }
            guard request.deadline <= now || request.isFinished else { continue }
            slots[index] = .orphaned
            orphanCount += 1
            inFlightCount -= 1
            let failure = RequestFailure.timedOut(after: request.timeout, wasSent: true)
            finished.append((request, .failure(failure)))
        }
        while let request = queue.first, request.deadline <= now || request.isFinished {
            queue.removeFirst()
            let failure = RequestFailure.timedOut(after: request.timeout, wasSent: false)
            finished.append((request, .failure(failure)))
        }
        if orphanCount > requestsInFlightMax / 2 {
            close("\(orphanCount) requests on the connection were never answered")
        }
        reportFinished()
        closeIfIdle()
        startSweep()
    }

    private func scheduleHeartbeat(_ context: ChannelHandlerContext) {
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: heartbeatInterval) { handler.value.heartbeat() }
    }

    private func heartbeat() {
        guard let context else { return }
        scheduleHeartbeat(context)
        defer { hasReadSinceHeartbeat = false }
        guard !hasReadSinceHeartbeat, !isClosing,
            let frame = try? RequestMessage(.options, stream: 0).encode()
        else { return }
        let request = PendingRequest(frame: frame, timeout: Duration(heartbeatInterval))
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        _ = request.wait { result in
            guard case .failure(.timedOut) = result else { return }
            handler.value.close("the server does not answer any more")
        }
        mailbox.withLockedValue { $0.outstanding += 1 }
        queue.append(request)
        pump()
        startSweep()
    }

    // MARK: The end

    private func failAll(_ reason: String) {
        let unseen = mailbox.withLockedValue { mailbox in
            mailbox.closed = mailbox.closed ?? reason
            let requests = mailbox.requests
            mailbox.requests = []
            return requests
        }
        for index in slots.indices {
            if case .sent(let request) = slots[index] {
                finished.append((request, .failure(.lost(reason))))
            }
        }
        slots = []
        freeStreams = []
        inFlightCount = 0
        orphanCount = 0
        let waiting = Array(queue) + unseen
        queue.removeAll()
        for request in waiting {
            finished.append((request, .failure(.notSent(reason))))
        }
        reportFinished()
    }

    /// Tells the waiting tasks, after making room for what they send next.
    private func reportFinished() {
        guard !finished.isEmpty else { return }
        let told = finished
        finished.removeAll(keepingCapacity: true)
        mailbox.withLockedValue { $0.outstanding -= told.count }
        for (request, result) in told { request.finish(result) }
    }
}

extension TimeAmount {
    /// The same time, as NIO counts it.
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}

extension Duration {
    /// The same time, as the standard library counts it.
    init(_ amount: TimeAmount) { self = .nanoseconds(amount.nanoseconds) }
}
