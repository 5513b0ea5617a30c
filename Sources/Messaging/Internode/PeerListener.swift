package import NIOCore
internal import NIOPosix

/// Accepts the connections of other nodes and gives each to the peers of its event loop.
package final class PeerListener: Sendable {
    private let channel: any Channel

    private init(channel: any Channel) { self.channel = channel }

    /// Listens at an address.
    ///
    /// - Parameters:
    ///   - address: where to listen.
    ///   - group: the loops that serve the connections.
    ///   - peers: the peers of every loop of the group, each bound to its loop.
    /// - Returns: the listener, already open.
    /// - Throws: the operating system's error if the address cannot be had.
    package static func bind(
        to address: SocketAddress,
        group: any EventLoopGroup,
        peers: [NIOLoopBound<LoopPeers>]
    ) async throws -> PeerListener {
        let loops = Array(group.makeIterator())
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let index = loops.firstIndex(where: { $0 === channel.eventLoop }) else {
                        preconditionFailure("a channel on a loop that is not of the group")
                    }
                    let handler = peers[index].value.acceptConnection()
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(to: address)
            .get()
        return PeerListener(channel: channel)
    }

    /// Accepts no more connections.
    package func close() async throws {
        try await channel.close().get()
    }
}
