import Catalog
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NativeProtocol
import TokenPlacement

/// A node that answers as a test tells it.
final class FakeServer: Sendable {
    enum Reply: Sendable {
        case response(Response, ResponseExtras = ResponseExtras())
        case rows(Table, ResponseExtras = ResponseExtras())
        /// Nothing comes, ever.
        case silence
        /// The connection is closed.
        case drop
        /// The bytes go out as they are.
        case bytes([UInt8])
    }

    /// Rows with their columns.
    struct Table: Sendable {
        var columns: [(String, CQLType)]
        var rows: [[[UInt8]?]]
        var keyspace = "ks"
        var table = "t"

        func frame(stream: Int16, extras: ResponseExtras = ResponseExtras()) -> [UInt8] {
            var writer = RowsWriter(
                stream: stream,
                metadata: RowsMetadata(
                    columns: columns.map {
                        ColumnSpecification(
                            keyspace: keyspace,
                            table: table,
                            name: $0.0,
                            type: $0.1
                        )
                    }
                ),
                extras: extras
            )
            for row in rows {
                for cell in row {
                    if let cell { writer.appendCell(cell) } else { writer.appendNull() }
                }
            }
            return writer.finish()
        }
    }

    struct State {
        var requests: [Request] = []
        var channels: [any Channel] = []
        var isSlicing = false
        var peers: [Peer] = []
        var keyspaces: [String: [(String, String)]] = [:]
    }

    struct Peer: Sendable {
        var id: NodeID
        var port: Int
        var datacenter = "dc1"
        var rack = "r1"
        var tokens: [Int64]
    }

    typealias Behaviour = @Sendable (Request, Int) -> Reply?

    private let state = NIOLockedValueBox(State())
    let local: NIOLockedValueBox<Peer>
    private let channel: NIOLockedValueBox<(any Channel)?> = NIOLockedValueBox(nil)
    private let behaviour: Behaviour

    /// A server whose `behaviour` answers a request and its number; nil leaves it to the server.
    init(_ peer: Peer, behaviour: @escaping Behaviour = { _, _ in nil }) {
        local = NIOLockedValueBox(peer)
        self.behaviour = behaviour
    }

    static func start(
        id: UInt64 = 1,
        datacenter: String = "dc1",
        tokens: [Int64] = [.max],
        behaviour: @escaping Behaviour = { _, _ in nil }
    ) async throws -> FakeServer {
        let peer = Peer(
            id: NodeID(high: 0, low: id),
            port: 0,
            datacenter: datacenter,
            tokens: tokens
        )
        let server = FakeServer(peer, behaviour: behaviour)
        try await server.listen(port: 0)
        return server
    }

    func listen(port: Int) async throws {
        let bound = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FakeConnection(server: self))
                }
            }
            .bind(host: "127.0.0.1", port: port)
            .get()
        channel.withLockedValue { $0 = bound }
        local.withLockedValue { $0.port = bound.localAddress?.port ?? 0 }
    }

    var peer: Peer { local.withLockedValue { $0 } }
    var address: String { "127.0.0.1:\(peer.port)" }
    var requests: [Request] { state.withLockedValue { $0.requests } }
    var channels: [any Channel] { state.withLockedValue { $0.channels } }

    /// The data statements that came, system tables left out.
    var statements: [String] {
        requests.compactMap { request in
            switch request {
            case .query(let text, _) where !text.contains("system"): "QUERY \(text)"
            case .prepare(let text): "PREPARE \(text)"
            case .execute(let id, _): "EXECUTE \(String(decoding: id, as: UTF8.self))"
            case .batch: "BATCH"
            default: nil
            }
        }
    }

    /// Stops listening and drops all connections.
    func stop() async throws {
        try await channel.withLockedValue { $0 }?.close()
        for channel in channels { try? await channel.close() }
    }

    /// Changes what the server tells of its cluster, and how it sends.
    func change(_ body: (inout State) -> Void) { state.withLockedValue { body(&$0) } }

    fileprivate var isSlicing: Bool { state.withLockedValue { $0.isSlicing } }

    fileprivate func add(_ channel: any Channel) {
        state.withLockedValue { $0.channels.append(channel) }
    }

    func send(_ event: Event) {
        for channel in channels {
            channel.writeAndFlush(
                ByteBuffer(bytes: Response.event(event).encode(stream: -1)),
                promise: nil
            )
        }
    }

    func reply(to request: Request) -> Reply {
        let number = state.withLockedValue { state in
            state.requests.append(request)
            return state.requests.count
        }
        if let reply = behaviour(request, number) { return reply }
        switch request {
        case .startup, .register: return .response(.ready)
        case .options: return .response(.supported([:]))
        case .prepare(let text): return .response(.prepared(prepared(text)))
        case .query(let text, _) where text.contains("system.local"): return .rows(localTable)
        case .query(let text, _) where text.contains("system.peers_v2"): return .rows(peersTable)
        case .query(let text, _) where text.contains("system_schema.keyspaces"):
            return .rows(keyspacesTable)
        case .query(let text, _) where text.hasPrefix("USE "):
            return .response(.setKeyspace(text))
        default: return .response(.void)
        }
    }

    /// A preparation with one marker, the partition key `id int`, of the table ks.t.
    func prepared(_ text: String) -> PreparedResult {
        PreparedResult(
            id: Array(text.utf8),
            markers: [ColumnSpecification(keyspace: "ks", table: "t", name: "id", type: .int)],
            partitionKeyIndexes: [0],
            result: RowsMetadata(columnCount: 0)
        )
    }

    private static func tokens(_ tokens: [Int64]) -> [UInt8] {
        CollectionCoding.encode(tokens.map { Array(String($0).utf8) })
    }

    private static func port(_ port: Int) -> [UInt8] {
        withUnsafeBytes(of: Int32(port).bigEndian) { Array($0) }
    }

    private var localTable: Table {
        let node = peer
        return Table(
            columns: [
                ("key", .text), ("data_center", .text), ("host_id", .uuid), ("rack", .text),
                ("rpc_address", .inet), ("rpc_port", .int), ("schema_version", .uuid),
                ("tokens", .set(.text)),
            ],
            rows: [
                [
                    Array("local".utf8), Array(node.datacenter.utf8), node.id.bytes,
                    Array(node.rack.utf8), [127, 0, 0, 1], Self.port(node.port),
                    NodeID(high: 7, low: 7).bytes, Self.tokens(node.tokens),
                ]
            ]
        )
    }

    private var peersTable: Table {
        Table(
            columns: [
                ("peer", .inet), ("peer_port", .int), ("data_center", .text), ("host_id", .uuid),
                ("native_address", .inet), ("native_port", .int), ("rack", .text),
                ("schema_version", .uuid), ("tokens", .set(.text)),
            ],
            rows: state.withLockedValue { $0.peers }.map { node in
                [
                    [127, 0, 0, 1], Self.port(7000), Array(node.datacenter.utf8), node.id.bytes,
                    [127, 0, 0, 1], Self.port(node.port), Array(node.rack.utf8),
                    NodeID(high: 7, low: 7).bytes, Self.tokens(node.tokens),
                ]
            }
        )
    }

    private var keyspacesTable: Table {
        Table(
            columns: [("keyspace_name", .text), ("replication", .map(.text, .text))],
            rows: state.withLockedValue { $0.keyspaces }.sorted { $0.key < $1.key }.map {
                [
                    Array($0.key.utf8),
                    CollectionCoding.encode(
                        $0.value.map { (key: Array($0.0.utf8), value: Array($0.1.utf8)) }
                    ),
                ]
            }
        )
    }
}

/// One connection of the server.
private final class FakeConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let server: FakeServer
    private var decoder = FrameDecoder(FrameAdmission(role: .server))

    init(server: FakeServer) { self.server = server }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        server.add(channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var outputs: [FrameDecoder.Output] = []
        unwrapInboundIn(data).withUnsafeReadableBytes { decoder.receive($0, into: &outputs) }
        for case .frame(let frame) in outputs {
            guard let message = try? RequestMessage(decoding: frame) else { continue }
            switch server.reply(to: message.request) {
            case .response(let response, let extras):
                write(response.encode(stream: message.stream, extras: extras), context)
            case .rows(let table, let extras):
                write(table.frame(stream: message.stream, extras: extras), context)
            case .silence: break
            case .drop: context.close(promise: nil)
            case .bytes(let bytes): write(bytes, context)
            }
        }
    }

    private func write(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        guard server.isSlicing else {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
            return
        }
        for start in stride(from: 0, to: bytes.count, by: 7) {
            let slice = bytes[start..<min(start + 7, bytes.count)]
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: slice)), promise: nil)
        }
    }
}
