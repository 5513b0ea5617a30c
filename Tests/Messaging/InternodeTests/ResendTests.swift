import Catalog
import ClusterLog
import Internode
import NIOCore
import NIOPosix
import PeerMessages
import Synchronization
import Testing
import TokenPlacement

/// A request whose connection breaks is sent once more.
struct ResendTests {
    private let peer = NodeID(high: 0, low: 9)

    /// Welcomes whoever connects, takes one message and closes the connection.
    private final class BreakingPeer: Sendable {
        /// The connections over which a message came.
        let taken = Mutex(0)
        /// What happens before each is closed.
        let beforeClosing = Mutex<@Sendable () async throws -> Void>({})
        private let listener = Mutex<(any Channel)?>(nil)

        /// Its connections; each has a state of its own, on its own loop.
        private final class Handler: ChannelInboundHandler, @unchecked Sendable {
            typealias InboundIn = ByteBuffer
            typealias OutboundOut = ByteBuffer

            private let peer: BreakingPeer
            private var isWelcomed = false
            private var isTaken = false

            init(_ peer: BreakingPeer) { self.peer = peer }

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                guard isWelcomed else {
                    isWelcomed = true
                    context.writeAndFlush(wrapOutboundOut(TestNode.welcome(of: 9)), promise: nil)
                    return
                }
                guard !isTaken else { return }
                isTaken = true
                peer.taken.withLock { $0 += 1 }
                let before = peer.beforeClosing.withLock { $0 }
                let channel = context.channel
                Task {
                    try await before()
                    try await channel.close()
                }
            }
        }

        func listen() async throws -> SocketAddress {
            let bound = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { [self] channel in
                    channel.pipeline.addHandler(Handler(self))
                }
                .bind(host: "127.0.0.1", port: 0).get()
            listener.withLock { $0 = bound }
            return try #require(bound.localAddress)
        }

        func stopListening() async throws {
            let bound = listener.withLock { listener in
                defer { listener = nil }
                return listener
            }
            try await bound?.close()
        }
    }

    private func withBreakingPeer(
        reconnectDelay: Duration = .zero,
        _ body: (TestNode, BreakingPeer) async throws -> Void
    ) async throws {
        var configuration = InternodeConfiguration()
        configuration.connectTimeout = .seconds(30)
        configuration.reconnectDelay = reconnectDelay
        let breaking = BreakingPeer()
        let address = try await breaking.listen()
        let node = try await TestNode(NodeID(high: 0, low: 1), configuration: configuration)
        let peer = peer
        try await node.withPeers { $0.addresses[peer] = address }
        try await body(node, breaking)
        try await node.stop()
        try await breaking.stopListening()
    }

    private func fetch(_ offset: Int = 5) throws -> PeerMessage {
        let hash = try #require(ModelHash([UInt8](repeating: 7, count: 32)))
        return .fetchModel(hash, offset: offset, count: 3)
    }

    @Test func `a request outlives its connection where the peer makes a new one`() async throws {
        try await withBreakingPeer { node, breaking in
            let next = try await TestNode(peer)
            let listener = try await next.listen()
            let peer = peer
            breaking.beforeClosing.withLock {
                $0 = {
                    let address = next.address
                    try await node.withPeers { $0.addresses[peer] = address }
                }
            }
            let answer = await node.request(try fetch(), to: peer)
            #expect(try answer.get() == .modelBytes([5, 5, 5]))
            #expect(breaking.taken.withLock { $0 } == 1)
            #expect(try await node.lost == [peer])
            try await listener.close()
            try await next.stop()
        }
    }

    @Test func `it is sent twice at the most`() async throws {
        try await withBreakingPeer { node, breaking in
            let failure = await node.request(try fetch(), to: peer).failure
            #expect(failure?.code == .disconnected)
            #expect(breaking.taken.withLock { $0 } == 2)
            #expect(try await node.lost == [peer, peer])
        }
    }

    @Test
    func `requests come again in their order, one-way messages do not`() async throws {
        try await withBreakingPeer { node, breaking in
            let next = try await TestNode(peer)
            let listener = try await next.listen()
            let peer = peer
            breaking.beforeClosing.withLock {
                $0 = {
                    let address = next.address
                    try await node.withPeers { $0.addresses[peer] = address }
                }
            }
            let messages = try (0..<20).map { try fetch($0) }
            try await node.withPeers { peers in
                peers.send(.gossip([1]), to: peer, class: .request)
                for message in messages {
                    peers.request(message, to: peer, class: .request) { _ in }
                }
            }
            #expect(try await eventually { try await next.messages.count >= messages.count })
            #expect(try await next.messages == messages)
            try await listener.close()
            try await next.stop()
        }
    }

    @Test func `a connection that breaks as soon as it was made is not made again at once`()
        async throws
    {
        try await withBreakingPeer(reconnectDelay: .seconds(600)) { node, breaking in
            let failures = try await node.requestAgain(try fetch(), to: peer)
            #expect(failures.map { $0?.code } == [.disconnected, .disconnected])
            #expect(failures[1]?.text.contains("cannot be reached") == true)
            #expect(breaking.taken.withLock { $0 } == 1)
            #expect(try await node.lost == [peer])
        }
    }

    @Test func `the end of a connection that was given up does not touch the next one`()
        async throws
    {
        try await withBreakingPeer { node, breaking in
            let next = try await TestNode(peer)
            let listener = try await next.listen()
            let peer = peer
            breaking.beforeClosing.withLock {
                $0 = {
                    let address = next.address
                    try await node.withPeers {
                        $0.addresses[peer] = address
                        $0.giveUp(on: peer)
                    }
                }
            }
            // The second is asked, and its connection attempted, before the first one is closed.
            let failures = try await node.requestAgain(try fetch(), to: peer)
            #expect(failures[0]?.text.contains("it is held dead") == true)
            #expect(failures[1] == nil)
            try await listener.close()
            try await next.stop()
        }
    }

    @Test func `a refusal of what was sent twice tells nothing, and a proposal is sent once`()
        async throws
    {
        try await withBreakingPeer { node, breaking in
            let change = ClusterChange.dropKeyspace("ks")
            let failure = await node.request(.propose(change), to: peer).failure
            #expect(failure?.code == .disconnected)
            #expect(breaking.taken.withLock { $0 } == 1)
        }
        for code in [PeerFailure.Code.overloaded, .invalid, .unreadable, .tooOld, .unknownTable] {
            let refusal = PeerFailure(code: code, text: "no")
            let failure = PeerMessage.write([]).failureAfterSecondSending(refusal)
            #expect(failure.code == .disconnected && failure.text.contains("no"))
            #expect(try fetch().failureAfterSecondSending(refusal) == refusal)
        }
    }

    @Test func `it fails where the peer is gone`() async throws {
        try await withBreakingPeer { node, breaking in
            breaking.beforeClosing.withLock {
                $0 = { try await breaking.stopListening() }
            }
            let failure = await node.request(try fetch(), to: peer).failure
            #expect(failure?.code == .disconnected)
            #expect(breaking.taken.withLock { $0 } == 1)
        }
    }

    @Test func `to a node that is held dead nothing is sent once more`() async throws {
        try await withBreakingPeer { node, breaking in
            let peer = peer
            breaking.beforeClosing.withLock {
                $0 = { try await node.withPeers { $0.giveUp(on: peer) } }
            }
            let failure = await node.request(try fetch(), to: peer).failure
            #expect(failure?.text.contains("it is held dead") == true)
            #expect(breaking.taken.withLock { $0 } == 1)
        }
    }
}
