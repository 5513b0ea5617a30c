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
            var welcome = context.channel.allocator.buffer(capacity: 35)
            welcome.writeInteger(UInt8(0))
            for part in [TestNode.cluster.high, TestNode.cluster.low, 0, 9] {
                welcome.writeInteger(part)
            }
            welcome.writeInteger(UInt16(0))
            context.writeAndFlush(wrapOutboundOut(welcome), promise: nil)
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
        let node = try await TestNode(NodeID(high: 0, low: 1), configuration: configuration)
        try await node.withPeers { $0.addresses[NodeID(high: 0, low: 9)] = address }
        // Sockets take some megabytes; what is over that and the bound is refused.
        let failures = await withTaskGroup(of: PeerFailure?.self) { group in
            for _ in 0..<64 {
                group.addTask { await node.request(write(), to: deaf).failure }
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
        // The others are told that nobody knows, once the peer is held stalled.
        #expect(failures.filter { $0.code == .disconnected }.count == 64 - refused.count)
        try await node.stop()
        try await listener.close()
    }
}
