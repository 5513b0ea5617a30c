import Catalog
import Internode
import NIOCore
import NIOPosix
import PeerMessages
import Testing
import TokenPlacement

/// What waits for a peer that does not read is bounded.
struct BackpressureTests {
    private let deaf = NodeID(high: 0, low: 9)

    /// Welcomes whoever connects, and reads nothing more.
    ///
    /// `@unchecked Sendable`: it has no state.
    private final class DeafPeer: ChannelInboundHandler, @unchecked Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.writeAndFlush(wrapOutboundOut(TestNode.welcome(of: 9)), promise: nil)
            _ = context.channel.setOption(.autoRead, value: false)
        }
    }

    private func write() -> PeerMessage {
        .write([
            Mutation(
                table: TableID(1),
                partition: PartitionRef(key: [1]),
                operand: [UInt8](repeating: 1, count: 1 << 20)
            )
        ])
    }

    @Test
    func `requests to a peer that does not read are overloaded, and its connection is given up`()
        async throws
    {
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { $0.pipeline.addHandler(DeafPeer()) }
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(listener.localAddress)
        var configuration = InternodeConfiguration()
        configuration.waitingBytesMax = 8 << 20
        configuration.requestTimeout = .seconds(5)
        // Longer than the connection may be stalled: it is the connection that fails.
        let timeout = Duration.seconds(600)
        let node = try await TestNode(NodeID(high: 0, low: 1), configuration: configuration)
        try await node.withPeers { $0.addresses[NodeID(high: 0, low: 9)] = address }
        // Sockets take some megabytes; what is over that and the bound is refused.
        let failures = await withTaskGroup(of: PeerFailure?.self) { group in
            for _ in 0..<64 {
                group.addTask { await node.request(write(), to: deaf, timeout: timeout).failure }
                // Not all at once: what waits for the connection to be made is bounded by count.
                try? await Task.sleep(for: .milliseconds(10))
            }
            return await group.reduce(into: [PeerFailure]()) { all, failure in
                if let failure { all.append(failure) }
            }
        }
        #expect(failures.count == 64)
        let refused = failures.filter { $0.code == .overloaded }
        #expect(!refused.isEmpty)
        #expect(refused.allSatisfy { $0.text.contains("nothing was sent") })
        // The others are told that nobody knows, once the peer is held stalled, and the connection over
        // which they are sent once more.
        #expect(failures.filter { $0.code == .disconnected }.count == 64 - refused.count)
        #expect(try await node.lost == [deaf, deaf])
        try await node.stop()
        try await listener.close()
    }

    /// Asks for long answers, reads none of them for a while, then all.
    private final class SlowPeer: ChannelInboundHandler, @unchecked Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let frames: [UInt8]
        private let expected: Int
        private let done: EventLoopPromise<[UInt8]>
        private var received: [UInt8] = []

        init(_ frames: [UInt8], expecting expected: Int, _ done: EventLoopPromise<[UInt8]>) {
            self.frames = frames
            self.expected = expected
            self.done = done
        }

        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(
                wrapOutboundOut(context.channel.allocator.buffer(bytes: frames)),
                promise: nil
            )
            _ = context.channel.setOption(.autoRead, value: false)
            let channel = context.channel
            context.eventLoop.scheduleTask(in: .seconds(2)) {
                channel.setOption(.autoRead, value: true)
            }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received += Array(unwrapInboundIn(data).readableBytesView)
            if received.count >= expected { done.succeed(received) }
        }

        func channelInactive(context: ChannelHandlerContext) { done.succeed(received) }
    }

    @Test func `a peer that reads slowly gets its long answer, and others are overloaded`()
        async throws
    {
        var configuration = InternodeConfiguration()
        configuration.waitingBytesMax = 8 << 20
        let node = try await TestNode(NodeID(high: 0, low: 1), configuration: configuration)
        let listener = try await node.listen()
        let hash = try #require(ModelHash([UInt8](repeating: 7, count: 32)))
        let long = 40 << 20
        // The first answer is over the bound by itself; the others find it full.
        var frames: [UInt8] = Array("MRTL".utf8) + [2, TrafficClass.request.rawValue]
        for part in [TestNode.cluster.high, TestNode.cluster.low, 0, 9] {
            frames += withUnsafeBytes(of: part.bigEndian) { Array($0) }
        }
        for correlation in UInt64(1)...4 {
            let message = PeerEnvelope(
                epoch: Epoch(1),
                correlation: correlation,
                message: .fetchModel(hash, offset: 3, count: correlation == 1 ? long : 4 << 20)
            ).encoded()
            let header = PeerFrame.header(of: message)
            frames += withUnsafeBytes(of: header.length.bigEndian) { Array($0) }
            frames += withUnsafeBytes(of: header.checksum.bigEndian) { Array($0) }
            frames += message
        }
        let done = node.loop.makePromise(of: [UInt8].self)
        let sent = frames
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.pipeline.addHandler(SlowPeer(sent, expecting: long + 300, done))
            }
            .connect(to: node.address).get()
        let received = try await done.futureResult.get()
        // The welcome, the long answer and three short ones; not a connection that was closed.
        #expect(received.count > long + 300 && received.count < long + 4096)
        let text = String(decoding: received.suffix(600), as: UTF8.self)
        #expect(text.contains("bytes of answers wait already"))
        try await client.close()
        try await listener.close()
        try await node.stop()
    }
}
