import Catalog
import Internode
import NIOCore
import NIOPosix
import PeerMessages
import TokenPlacement

/// What a node got, and how it answers.
final class RecordingReceiver: PeerReceiver {
    private(set) var messages: [PeerMessage] = []
    private(set) var epochs: Set<Epoch> = []
    private(set) var lost: [NodeID] = []

    /// Answers `fetchModel` with as many bytes as it asks for, each the offset's last byte;
    /// everything else is only kept, so that the request waits.
    func messageReceived(
        _ message: PeerMessage,
        from peer: NodeID,
        reply: @escaping (PeerMessage) -> Void
    ) {
        messages.append(message)
        guard case .fetchModel(_, let offset, let count) = message else { return }
        reply(.modelBytes([UInt8](repeating: UInt8(truncatingIfNeeded: offset), count: count)))
    }

    func epochSeen(_ epoch: Epoch, from peer: NodeID) { epochs.insert(epoch) }

    func connectionLost(to peer: NodeID) { lost.append(peer) }
}

/// A node on a loop of its own that listens on loopback.
struct TestNode: Sendable {
    static let cluster = NodeID(high: 0xC, low: 1)

    let id: NodeID
    let group: MultiThreadedEventLoopGroup
    let loop: any EventLoop
    let address: SocketAddress
    private let peers: NIOLoopBound<LoopPeers>
    private let receiver: NIOLoopBound<RecordingReceiver>

    init(
        _ id: NodeID,
        cluster: NodeID? = cluster,
        epoch: Epoch = Epoch(1),
        configuration: InternodeConfiguration = InternodeConfiguration()
    ) async throws {
        self.id = id
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        self.loop = loop
        (peers, receiver) = try await loop.submit {
            let peers = LoopPeers(node: id, eventLoop: loop, configuration: configuration)
            let receiver = RecordingReceiver()
            peers.localIdentity.cluster = cluster
            peers.localEpoch = epoch
            peers.receiver = receiver
            return (
                NIOLoopBound(peers, eventLoop: loop), NIOLoopBound(receiver, eventLoop: loop)
            )
        }.get()
        address = try await freeAddress(on: group)
    }

    /// What a node with a low number for its id says to who connects to it.
    static func welcome(of number: UInt64) -> ByteBuffer {
        var welcome = ByteBuffer()
        welcome.writeInteger(UInt8(0))
        for part in [cluster.high, cluster.low, 0, number] { welcome.writeInteger(part) }
        welcome.writeInteger(UInt16(0))
        return welcome
    }

    func listen() async throws -> PeerListener {
        try await PeerListener.bind(to: address, group: group, peers: [peers])
    }

    /// Does something with the peers on their loop.
    func withPeers<Value: Sendable>(
        _ body: @escaping @Sendable (LoopPeers) -> Value
    ) async throws -> Value {
        let peers = peers
        return try await loop.submit { body(peers.value) }.get()
    }

    func knows(_ other: TestNode, as id: NodeID? = nil) async throws {
        let address = other.address
        let known = id ?? other.id
        try await withPeers { $0.addresses[known] = address }
    }

    func request(
        _ message: PeerMessage,
        to node: NodeID,
        class trafficClass: TrafficClass = .request,
        timeout: Duration? = nil
    ) async -> Result<PeerMessage, PeerFailure> {
        let peers = peers
        let promise = loop.makePromise(of: Result<PeerMessage, PeerFailure>.self)
        loop.execute {
            peers.value.request(
                message,
                to: node,
                class: trafficClass,
                timeout: timeout
            ) { result in
                promise.succeed(result.map(\.message))
            }
        }
        do {
            return try await promise.futureResult.get()
        } catch {
            return .failure(PeerFailure(code: .failed, text: "\(error)"))
        }
    }

    /// Asks, and where that fails asks again at once; gives what became of both.
    func requestAgain(
        _ message: PeerMessage,
        to node: NodeID
    ) async throws -> [PeerFailure?] {
        let peers = peers
        let promise = loop.makePromise(of: [PeerFailure?].self)
        loop.execute {
            peers.value.request(message, to: node, class: .request) { first in
                peers.value.request(message, to: node, class: .request) { second in
                    promise.succeed([
                        first.map(\.message).failure, second.map(\.message).failure,
                    ])
                }
            }
        }
        return try await promise.futureResult.get()
    }

    var messages: [PeerMessage] {
        get async throws {
            let receiver = receiver
            return try await loop.submit { receiver.value.messages }.get()
        }
    }

    var epochs: Set<Epoch> {
        get async throws {
            let receiver = receiver
            return try await loop.submit { receiver.value.epochs }.get()
        }
    }

    var lost: [NodeID] {
        get async throws {
            let receiver = receiver
            return try await loop.submit { receiver.value.lost }.get()
        }
    }

    func stop() async throws {
        try await withPeers { $0.stop() }
        try await group.shutdownGracefully()
    }
}

extension Result where Failure == PeerFailure {
    /// The failure, nil where there is none.
    var failure: PeerFailure? {
        if case .failure(let failure) = self { failure } else { nil }
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

/// A connection without a protocol: what a program that is no node would send.
final class RawClient: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    let channel: any Channel
    private let collected: NIOLoopBoundBox<[UInt8]>

    private init(channel: any Channel, collected: NIOLoopBoundBox<[UInt8]>) {
        self.channel = channel
        self.collected = collected
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        collected.value += buffer.readBytes(length: buffer.readableBytes) ?? []
    }

    static func connect(to node: TestNode) async throws -> RawClient {
        let channel = try await ClientBootstrap(group: node.group)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(to: node.address).get()
        return try await channel.eventLoop.submit {
            let client = RawClient(
                channel: channel,
                collected: NIOLoopBoundBox([], eventLoop: channel.eventLoop)
            )
            try channel.pipeline.syncOperations.addHandler(client)
            return client
        }.get()
    }

    func send(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(channel.allocator.buffer(bytes: bytes)).get()
    }

    var received: [UInt8] {
        get async throws {
            let collected = collected
            return try await channel.eventLoop.submit { collected.value }.get()
        }
    }

    var isClosed: Bool { !channel.isActive }

    /// The handshake of a node.
    static func handshake(
        _ node: NodeID,
        cluster: NodeID = TestNode.cluster,
        magic: String = "MRTL",
        version: UInt8 = 2,
        class trafficClass: UInt8 = 2
    ) -> [UInt8] {
        Array(magic.utf8) + [version, trafficClass] + cluster.bytes + node.bytes
    }

    /// A message in its frame.
    static func frame(_ message: PeerMessage, correlation: UInt64) -> [UInt8] {
        frame(
            PeerEnvelope(epoch: Epoch(1), correlation: correlation, message: message).encoded()
        )
    }

    /// Bytes in a frame, whatever they are.
    static func frame(_ bytes: [UInt8]) -> [UInt8] {
        let header = PeerFrame.header(of: bytes)
        return [header.length, header.checksum].flatMap { number in
            withUnsafeBytes(of: number.bigEndian) { Array($0) }
        } + bytes
    }
}
