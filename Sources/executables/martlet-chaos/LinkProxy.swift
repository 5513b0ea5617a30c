internal import Foundation
internal import NIOCore
internal import NIOPosix

/// What may be wrong with the bytes from one node to another.
struct LinkFault: Hashable, Sendable {
    /// Bytes wait until the link is whole again.
    var isCut = false
    /// How much later bytes arrive.
    var delay = TimeAmount.zero
}

/// Carries all bytes between nodes, so that links can be cut, slowed and broken without rights that
/// only an administrator has.
///
/// Each node is reached at a port of this proxy. Who has connected is read off the handshake of the
/// internode protocol ("MRTL", version, class, cluster id, node id). A cut link loses nothing, as
/// with TCP: its bytes arrive when it is whole again, unless a side gives up before.
final class LinkProxy: @unchecked Sendable {
    /// All state is of this one loop.
    fileprivate let loop: any EventLoop
    private let addresses: [String]
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private var places: [UUID: Int] = [:]
    private var faults: [Int: LinkFault] = [:]
    private var tunnels: [ObjectIdentifier: Tunnel] = [:]

    init(addresses: [String]) {
        self.addresses = addresses
        loop = group.next()
    }

    /// Listens in the place of every node.
    func listen() async throws {
        for (index, address) in addresses.enumerated() {
            _ = try await ServerBootstrap(group: group)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { [unowned self] channel in
                    channel.eventLoop.makeCompletedFuture {
                        let tunnel = Tunnel(self, target: index, front: channel)
                        self.tunnels[ObjectIdentifier(tunnel)] = tunnel
                        try channel.pipeline.syncOperations.addHandler(
                            TunnelEnd(tunnel, isFront: true)
                        )
                    }
                }
                .bind(host: address, port: ChaosPorts.advertised).get()
        }
    }

    /// A node has a place.
    func identify(_ node: UUID, as index: Int) {
        loop.execute { self.places[node] = index }
    }

    /// What the proxy cannot tell of its connections, or nil.
    func whatIsUnknown() async throws -> String? {
        try await loop.submit {
            if let stranger = self.tunnels.values.compactMap(\.stranger).first {
                return "node \(stranger)"
            }
            let sources = Set(self.tunnels.values.compactMap(\.source))
            let silent = self.addresses.indices.first { !sources.contains($0) }
            return silent.map { "a connection of \(self.addresses[$0])" }
        }.get()
    }

    /// Changes what is wrong with the bytes from one node to another.
    func set(_ fault: LinkFault, from source: Int, to target: Int) {
        loop.execute {
            self.faults[source * self.addresses.count + target] = fault
            for tunnel in self.tunnels.values { tunnel.faultsChanged() }
        }
    }

    /// Nothing is wrong any more.
    func healAll() {
        loop.execute {
            self.faults = [:]
            for tunnel in self.tunnels.values { tunnel.faultsChanged() }
        }
    }

    /// Breaks all connections between two nodes, or all of one.
    func reset(_ first: Int, _ second: Int?) {
        loop.execute {
            for tunnel in self.tunnels.values {
                let ends = [tunnel.source, tunnel.target]
                guard ends.contains(first), second.map(ends.contains) ?? true else { continue }
                tunnel.close()
            }
        }
    }

    fileprivate func address(_ index: Int) -> String { addresses[index] }

    fileprivate func place(of node: UUID) -> Int? { places[node] }

    fileprivate func fault(from source: Int?, to target: Int?) -> LinkFault {
        guard let source, let target else { return LinkFault() }
        return faults[source * addresses.count + target] ?? LinkFault()
    }

    fileprivate func ended(_ tunnel: Tunnel) { tunnels[ObjectIdentifier(tunnel)] = nil }
}

/// One connection through the proxy; all of it happens on the proxy's loop.
private final class Tunnel: @unchecked Sendable {
    private static let handshakeBytes = 38
    private static let nodeOffset = 22

    let target: Int
    private unowned let proxy: LinkProxy
    private let front: any Channel
    private var back: (any Channel)?
    private var node: UUID?
    private var greeting = ByteBuffer()
    private var isClosed = false
    private let toBack: Pipe
    private let toFront: Pipe

    init(_ proxy: LinkProxy, target: Int, front: any Channel) {
        self.proxy = proxy
        self.target = target
        self.front = front
        toBack = Pipe(proxy.loop)
        toFront = Pipe(proxy.loop)
        toFront.sink = front
        toBack.source = front
        connect()
    }

    /// Who made the connection, once that is known.
    var source: Int? { node.flatMap(proxy.place(of:)) }

    /// Who made it, if that node has no place.
    var stranger: UUID? { source == nil ? node : nil }

    private func connect() {
        ClientBootstrap(group: proxy.loop)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .connectTimeout(.seconds(5))
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(TunnelEnd(self, isFront: false))
                }
            }
            .connect(host: proxy.address(target), port: ChaosPorts.internode)
            .assumeIsolated()
            .whenComplete { [self] result in
                switch result {
                case .success(let channel):
                    back = channel
                    toBack.sink = channel
                    toFront.source = channel
                    if isClosed { channel.close(promise: nil) } else { faultsChanged() }
                case .failure: close()
                }
            }
    }

    func received(_ bytes: ByteBuffer, fromFront: Bool) {
        if fromFront, node == nil {
            var bytes = bytes
            greeting.writeBuffer(&bytes)
            guard greeting.readableBytes >= Self.handshakeBytes,
                let id = greeting.getBytes(at: Self.nodeOffset, length: 16)
            else { return }
            node = id.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
            faultsChanged()
            toBack.add(greeting)
            return
        }
        (fromFront ? toBack : toFront).add(bytes)
    }

    func faultsChanged() {
        toBack.fault = proxy.fault(from: source, to: target)
        toFront.fault = proxy.fault(from: target, to: source)
        toBack.pump()
        toFront.pump()
    }

    /// One side is gone; the other learns it when the link lets it.
    func ended(atFront: Bool) {
        let pipe = atFront ? toBack : toFront
        pipe.isEnding = true
        pipe.pump()
        if front.isActive == false, back?.isActive != true { close() }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        front.close(promise: nil)
        back?.close(promise: nil)
        proxy.ended(self)
    }
}

/// The bytes of one direction of a connection, in order; all of it happens on the proxy's loop.
private final class Pipe: @unchecked Sendable {
    private static let bytesMax = 1 << 20

    var source: (any Channel)?
    var sink: (any Channel)?
    var fault = LinkFault()
    var isEnding = false
    private let loop: any EventLoop
    private var waiting: [(time: NIODeadline, bytes: ByteBuffer)] = []
    private var waitingBytes = 0
    private var isScheduled = false
    private var isHeld = false

    init(_ loop: any EventLoop) { self.loop = loop }

    func add(_ bytes: ByteBuffer) {
        let time = max(NIODeadline.now() + fault.delay, waiting.last?.time ?? .uptimeNanoseconds(0))
        waiting.append((time, bytes))
        waitingBytes += bytes.readableBytes
        pump()
    }

    func pump() {
        defer { holdSource() }
        guard !fault.isCut, let sink else { return }
        let now = NIODeadline.now()
        var count = 0
        while count < waiting.count, waiting[count].time <= now {
            waitingBytes -= waiting[count].bytes.readableBytes
            sink.write(waiting[count].bytes, promise: nil)
            count += 1
        }
        waiting.removeFirst(count)
        if count > 0 { sink.flush() }
        if let next = waiting.first {
            guard !isScheduled else { return }
            isScheduled = true
            loop.assumeIsolated().scheduleTask(deadline: next.time) { [self] in
                isScheduled = false
                pump()
            }
        } else if isEnding {
            sink.close(promise: nil)
        }
    }

    /// What waits is bounded: the source is not read meanwhile.
    private func holdSource() {
        let shallHold = waitingBytes > Self.bytesMax
        guard shallHold != isHeld, let source else { return }
        isHeld = shallHold
        source.setOption(.autoRead, value: !shallHold).whenFailure { _ in }
    }
}

/// Hands what a channel of a tunnel receives to the tunnel.
private final class TunnelEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let tunnel: Tunnel
    private let isFront: Bool

    init(_ tunnel: Tunnel, isFront: Bool) {
        self.tunnel = tunnel
        self.isFront = isFront
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        tunnel.received(unwrapInboundIn(data), fromFront: isFront)
    }

    func channelInactive(context: ChannelHandlerContext) { tunnel.ended(atFront: isFront) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
