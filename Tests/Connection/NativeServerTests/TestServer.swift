import Catalog
import NIOCore
import NIOPosix
import NativeProtocol
import NativeServer

/// Answers queries by their text, and keeps those that shall wait.
final class FakeExecutor: RequestExecutor {
    private(set) var executedCount = 0
    /// The session of the last request.
    private(set) var session: Session?
    private var waiting: [(stream: Int16, respond: ([UInt8]) -> Void)] = []

    /// - `wait`: no answer until ``release()``.
    /// - `twice`: VOID, and an error behind it.
    /// - `big N`: a frame with a body of N bytes.
    /// - `use K`: sets the session's keyspace.
    /// - `keyspace`: the session's keyspace.
    /// - anything else: VOID.
    func execute(
        _ request: RequestMessage,
        session: Session,
        respond: @escaping ([UInt8]) -> Void
    ) {
        executedCount += 1
        self.session = session
        guard case .query(let text, _) = request.request else {
            respond(Response.void.encode(stream: request.stream))
            return
        }
        let words = text.split(separator: " ")
        switch words.first {
        case "wait": waiting.append((request.stream, respond))
        case "twice":
            respond(Response.void.encode(stream: request.stream))
            respond(Response.error(ErrorResponse(.serverError, "")).encode(stream: request.stream))
        case "big": respond(Self.frame(request.stream, bodyCount: Int(words[1]) ?? 4))
        case "use":
            session.keyspace = String(words[1])
            respond(Response.setKeyspace(String(words[1])).encode(stream: request.stream))
        case "keyspace":
            respond(Response.setKeyspace(session.keyspace ?? "").encode(stream: request.stream))
        default: respond(Response.void.encode(stream: request.stream))
        }
    }

    /// Answers what waits with VOID, the last first.
    func release() {
        let released = waiting
        waiting = []
        for (stream, respond) in released.reversed() {
            respond(Response.void.encode(stream: stream))
        }
    }

    /// VOID, and bytes behind it that clients ignore.
    private static func frame(_ stream: Int16, bodyCount: Int) -> [UInt8] {
        var bytes: [UInt8] = [0x84, 0, UInt8(stream >> 8), UInt8(stream & 0xFF), 0x08]
        withUnsafeBytes(of: UInt32(bodyCount).bigEndian) { bytes += $0 }
        bytes += [0, 0, 0, 1]
        bytes += [UInt8](repeating: 0, count: bodyCount - 4)
        return bytes
    }
}

/// A server on a free port of loopback with one loop.
struct TestServer: Sendable {
    let group: MultiThreadedEventLoopGroup
    let address: SocketAddress
    private let server: NativeServer
    private let executor: NIOLoopBound<FakeExecutor>
    private let connections: NIOLoopBound<LoopConnections>

    init(_ configuration: NativeServerConfiguration = NativeServerConfiguration()) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let bound: NIOLoopBound<NativeLoop>
        (executor, connections, bound) = try await loop.submit {
            let executor = FakeExecutor()
            let connections = LoopConnections()
            let native = NativeLoop(executor: executor, connections: connections)
            return (
                NIOLoopBound(executor, eventLoop: loop), NIOLoopBound(connections, eventLoop: loop),
                NIOLoopBound(native, eventLoop: loop)
            )
        }.get()
        address = try await freeAddress(on: group)
        self.group = group
        server = try await NativeServer.bind(
            to: address,
            group: group,
            loops: [bound],
            configuration: configuration
        )
    }

    /// Runs a server for a test.
    static func run(
        _ configuration: NativeServerConfiguration = NativeServerConfiguration(),
        _ body: (TestServer) async throws -> Void
    ) async throws {
        let server = try await TestServer(configuration)
        try await body(server)
        try await server.server.close()
        try await server.closeClients()
        try await server.group.shutdownGracefully()
    }

    func release() async throws {
        let executor = executor
        try await group.next().submit { executor.value.release() }.get()
    }

    var executedCount: Int {
        get async throws {
            let executor = executor
            return try await group.next().submit { executor.value.executedCount }.get()
        }
    }

    /// Whether the connection of the last request is gone, as its executor sees it.
    var isSessionClosed: Bool {
        get async throws {
            let executor = executor
            return try await group.next().submit { executor.value.session?.isClosed == true }.get()
        }
    }

    var connectionCount: Int {
        get async throws {
            let connections = connections
            return try await group.next().submit { connections.value.count }.get()
        }
    }

    func broadcast(_ event: Event) async throws {
        let connections = connections
        try await group.next().submit { connections.value.broadcast(event) }.get()
    }

    func closeClients() async throws {
        let connections = connections
        try await group.next().submit { connections.value.closeAll() }.get()
    }
}

/// An address of loopback where nobody listens.
///
/// Not 127.0.0.1: between this and the listening, any connection could be given the port.
func freeAddress(on group: any EventLoopGroup) async throws -> SocketAddress {
    let host =
        "127.\(Int.random(in: 1...254)).\(Int.random(in: 1...254)).\(Int.random(in: 1...254))"
    let probe = try await ServerBootstrap(group: group).bind(host: host, port: 0).get()
    let address = try SocketAddress(ipAddress: host, port: probe.localAddress?.port ?? 0)
    try await probe.close().get()
    return address
}

/// Waits until something is so, at most half a minute: other tests may hold the cores.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < end {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(5))
    }
    return try await condition()
}

/// A client that sends whatever bytes it is told to, and decodes what comes.
final class TestClient: Sendable {
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private var decoder = FrameDecoder(FrameAdmission(role: .client))
        private(set) var frames: [Frame] = []

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var outputs: [FrameDecoder.Output] = []
            let buffer = unwrapInboundIn(data)
            buffer.withUnsafeReadableBytes { decoder.receive($0, into: &outputs) }
            for case .frame(let frame) in outputs { frames.append(frame) }
        }
    }

    private let channel: any Channel
    private let collector: NIOLoopBound<Collector>

    /// Connects; without `isReading` nothing is read until ``read()``.
    init(_ server: TestServer, isReading: Bool = true) async throws {
        let channel = try await ClientBootstrap(group: server.group)
            .channelOption(.autoRead, value: isReading)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(to: server.address).get()
        self.channel = channel
        collector = try await channel.eventLoop.submit {
            let collector = Collector()
            try channel.pipeline.syncOperations.addHandler(collector)
            return NIOLoopBound(collector, eventLoop: channel.eventLoop)
        }.get()
    }

    /// A client that has sent STARTUP and got READY.
    static func ready(_ server: TestServer, isReading: Bool = true) async throws -> TestClient {
        let client = try await TestClient(server, isReading: isReading)
        try await client.send(.startup(options: ["CQL_VERSION": "3.0.0"]), 0)
        if isReading { _ = try await client.responses(1) }
        return client
    }

    static func bytes(_ request: Request, _ stream: Int16) throws -> [UInt8] {
        try RequestMessage(request, stream: stream).encode()
    }

    func send(bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(channel.allocator.buffer(bytes: bytes)).get()
    }

    func send(_ request: Request, _ stream: Int16) async throws {
        try await send(bytes: try Self.bytes(request, stream))
    }

    func query(_ text: String, _ stream: Int16) async throws {
        try await send(.query(text, QueryParameters(consistency: .one)), stream)
    }

    /// Sends without waiting until the bytes are gone.
    func post(_ bytes: [UInt8]) {
        channel.writeAndFlush(channel.allocator.buffer(bytes: bytes), promise: nil)
    }

    func read() async throws { try await channel.setOption(.autoRead, value: true).get() }

    func close() async throws { try await channel.close().get() }

    var isClosed: Bool { !channel.isActive }

    /// All responses so far, once there are `count` of them (or the wait is over).
    func responses(_ count: Int) async throws -> [ResponseMessage] {
        let collector = collector
        var frames: [Frame] = []
        _ = try await eventually {
            frames = try await channel.eventLoop.submit { collector.value.frames }.get()
            return frames.count >= count
        }
        return try frames.map { try ResponseMessage(decoding: $0) }
    }

    /// Sends a request, and gives the one response that follows `count` others.
    func ask(_ request: Request, _ stream: Int16, after count: Int) async throws -> ResponseMessage?
    {
        try await send(request, stream)
        return try await responses(count + 1).dropFirst(count).first
    }
}

extension ResponseMessage {
    /// The kind of the error, if it is one.
    var error: ErrorResponse? {
        if case .error(let error) = response { error } else { nil }
    }
}
