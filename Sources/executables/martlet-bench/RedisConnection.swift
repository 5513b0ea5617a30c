internal import NIOCore
internal import NIOPosix

/// Counts the replies of a Redis server (RESP2) without keeping their values.
struct ReplyCounter {
    /// What the replies held.
    struct Content: Sendable {
        /// Replies that are whole, elements of arrays not counted.
        var replies = 0
        /// Values that are not null, elements of arrays included.
        var values = 0
        /// Arrays all of whose elements are null.
        var emptyArrays = 0
        /// The first error, if there is any.
        var error: String?
    }

    private var buffer: [UInt8] = []
    private var position = 0
    /// Elements that the array which is being read still lacks; no arrays stand in arrays here.
    private var elementsLeft = 0
    private var valuesBefore = 0

    /// Takes bytes and adds what they complete.
    mutating func receive(_ bytes: UnsafeRawBufferPointer, into content: inout Content) throws {
        buffer.append(contentsOf: bytes)
        while let (kind, number, text, end) = try header() {
            switch kind {
            case UInt8(ascii: "*"):
                position = end
                elementsLeft = max(0, number)
                valuesBefore = content.values
                if elementsLeft == 0 { content.replies += 1 }
                continue
            case UInt8(ascii: "$"):
                let total = number < 0 ? end : end + number + 2
                guard total <= buffer.count else { return compact() }
                position = total
                if number >= 0 { content.values += 1 }
            case UInt8(ascii: "-"):
                position = end
                content.error = content.error ?? text
            default:
                position = end
                content.values += 1
            }
            guard elementsLeft > 0 else {
                content.replies += 1
                continue
            }
            elementsLeft -= 1
            if elementsLeft == 0 {
                content.replies += 1
                if content.values == valuesBefore { content.emptyArrays += 1 }
            }
        }
        compact()
    }

    /// The next line: its first byte, its number, its text, and where it ends; nil if it is not
    /// whole yet.
    private func header() throws -> (kind: UInt8, number: Int, text: String?, end: Int)? {
        guard position < buffer.count,
            let end = buffer[position...].firstIndex(of: UInt8(ascii: "\n"))
        else { return nil }
        let kind = buffer[position]
        let line = buffer[(position + 1)..<max(position + 1, end - 1)]
        switch kind {
        case UInt8(ascii: "$"), UInt8(ascii: "*"):
            var number = 0
            var sign = 1
            for byte in line {
                if byte == UInt8(ascii: "-") {
                    sign = -1
                } else if (0x30...0x39).contains(byte) {
                    number = number * 10 + Int(byte - 0x30)
                } else {
                    throw BenchError("redis sent a length that is no number")
                }
            }
            return (kind, sign * number, nil, end + 1)
        case UInt8(ascii: "-"):
            return (kind, 0, String(decoding: line, as: UTF8.self), end + 1)
        case UInt8(ascii: "+"), UInt8(ascii: ":"): return (kind, 0, nil, end + 1)
        default: throw BenchError("redis sent a reply of the unknown kind \(kind)")
        }
    }

    private mutating func compact() {
        buffer.removeFirst(position)
        position = 0
    }
}

/// A connection to a Redis server with one request, of one or many commands, under way.
final class RedisConnection: Sendable {
    private let channel: any Channel
    private let handler: NIOLoopBound<RedisHandler>

    private init(channel: any Channel, handler: NIOLoopBound<RedisHandler>) {
        self.channel = channel
        self.handler = handler
    }

    static func open(host: String, port: Int) async throws -> RedisConnection {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = RedisHandler()
                    try channel.pipeline.syncOperations.addHandler(handler)
                    return RedisConnection(
                        channel: channel,
                        handler: NIOLoopBound(handler, eventLoop: channel.eventLoop)
                    )
                }
            }
    }

    /// Sends commands and waits for as many replies.
    func send(_ commands: ByteBuffer, replies: Int) async throws -> ReplyCounter.Content {
        try await withCheckedThrowingContinuation { continuation in
            channel.eventLoop.execute {
                self.handler.value.send(commands, replies: replies) {
                    continuation.resume(with: $0)
                }
            }
        }
    }

    func close() { channel.close(promise: nil) }
}

private final class RedisHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    typealias Completion = (Result<ReplyCounter.Content, any Error>) -> Void

    private var context: ChannelHandlerContext?
    private var counter = ReplyCounter()
    private var content = ReplyCounter.Content()
    private var wanted = 0
    private var completion: Completion?

    func send(_ commands: ByteBuffer, replies: Int, _ completion: @escaping Completion) {
        guard let context, self.completion == nil else {
            completion(.failure(BenchError("the connection to redis is closed or busy")))
            return
        }
        content = ReplyCounter.Content()
        wanted = replies
        self.completion = completion
        context.writeAndFlush(wrapOutboundOut(commands), promise: nil)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        finish(.failure(BenchError("redis closed the connection")))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        do {
            try unwrapInboundIn(data).withUnsafeReadableBytes {
                try counter.receive($0, into: &content)
            }
        } catch {
            finish(.failure(error))
            context.close(promise: nil)
            return
        }
        guard completion != nil, content.replies >= wanted else { return }
        if let error = content.error {
            finish(.failure(BenchError("redis: \(error)")))
        } else {
            finish(.success(content))
        }
    }

    private func finish(_ result: Result<ReplyCounter.Content, any Error>) {
        let told = completion
        completion = nil
        told?(result)
    }
}
