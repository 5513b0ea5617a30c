internal import NIOConcurrencyHelpers
package import NIOCore
internal import NIOPosix

/// What a connection's loop brings: its executor and the other connections.
package struct NativeLoop {
    /// Answers the requests.
    package let executor: any RequestExecutor
    /// The connections of the loop.
    package let connections: LoopConnections

    /// A loop's part of the server.
    package init(executor: any RequestExecutor, connections: LoopConnections) {
        self.executor = executor
        self.connections = connections
    }
}

/// Accepts clients of the native protocol.
package final class NativeServer: Sendable {
    private let channel: any Channel

    private init(channel: any Channel) { self.channel = channel }

    /// Listens at an address.
    ///
    /// - Parameters:
    ///   - address: where to listen.
    ///   - group: the loops that serve the connections.
    ///   - loops: what each loop of the group brings, bound to it, in the group's order.
    ///   - configuration: the bounds.
    /// - Returns: the server, already open.
    /// - Throws: the operating system's error if the address cannot be had.
    package static func bind(
        to address: SocketAddress,
        group: any EventLoopGroup,
        loops: [NIOLoopBound<NativeLoop>],
        configuration: NativeServerConfiguration
    ) async throws -> NativeServer {
        let eventLoops = Array(group.makeIterator())
        let connectionCount = NIOLockedValueBox(0)
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(
                .writeBufferWaterMark,
                value: .init(low: 1 << 20, high: 4 << 20)
            )
            .childChannelInitializer { channel in
                let isOver = connectionCount.withLockedValue { count in
                    guard count < configuration.connectionsMax else { return true }
                    count += 1
                    return false
                }
                // A refused connection is closed at once: the client sees it and tries elsewhere.
                guard !isOver else { return channel.close() }
                channel.closeFuture.whenComplete { _ in
                    connectionCount.withLockedValue { $0 -= 1 }
                }
                return channel.eventLoop.makeCompletedFuture {
                    guard
                        let index = eventLoops.firstIndex(where: { $0 === channel.eventLoop })
                    else {
                        preconditionFailure("a channel on a loop that is not of the group")
                    }
                    let loop = loops[index].value
                    let connection = NativeConnection(
                        configuration: configuration,
                        executor: loop.executor,
                        connections: loop.connections
                    )
                    loop.connections.add(connection)
                    try channel.pipeline.syncOperations.addHandler(connection)
                }
            }
            .bind(to: address)
            .get()
        return NativeServer(channel: channel)
    }

    /// Accepts no more clients.
    package func close() async throws {
        try await channel.close().get()
    }
}
