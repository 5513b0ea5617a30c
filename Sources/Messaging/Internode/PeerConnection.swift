internal import ByteCoding
internal import Catalog
package import NIOCore
internal import PeerMessages
internal import TokenPlacement

/// The first thing that each side of a connection sends.
///
/// ```
/// initiator: "MRTL" · version u8 · class u8 · cluster id (16) · node id (16)
/// acceptor:  status u8 (0: welcome) · cluster id (16) · node id (16) · reason (u16 length, UTF-8)
/// ```
/// A cluster id of zeros is that of a node that has not joined yet.
struct Handshake: Equatable {
    static let magic: UInt32 = 0x4D52_544C
    static let version: UInt8 = 2
    static let byteCount = 38
    static let noCluster = NodeID(high: 0, low: 0)

    var trafficClass: TrafficClass
    var cluster: NodeID
    var node: NodeID

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: Self.byteCount)
        writer.writeUInt32(Self.magic)
        writer.writeUInt8(Self.version)
        writer.writeUInt8(trafficClass.rawValue)
        writer.writeUInt64(cluster.high)
        writer.writeUInt64(cluster.low)
        writer.writeUInt64(node.high)
        writer.writeUInt64(node.low)
        return writer.bytes
    }

    init(trafficClass: TrafficClass, cluster: NodeID, node: NodeID) {
        self.trafficClass = trafficClass
        self.cluster = cluster
        self.node = node
    }

    init(decoding bytes: [UInt8]) throws(ByteDecodingError) {
        var reader = ByteReader(bytes)
        guard try reader.readUInt32("magic") == Self.magic else {
            throw .invalid(what: "handshake: not a Martlet node")
        }
        let version = try reader.readUInt8("version")
        guard version == Self.version else {
            throw .invalid(
                what: "handshake: version \(version), this program speaks \(Self.version)"
            )
        }
        let rawClass = try reader.readUInt8("traffic class")
        guard let trafficClass = TrafficClass(rawValue: rawClass) else {
            throw .invalid(what: "handshake: traffic class \(rawClass)")
        }
        self.trafficClass = trafficClass
        cluster = NodeID(
            high: try reader.readUInt64("cluster"),
            low: try reader.readUInt64("cluster")
        )
        node = NodeID(high: try reader.readUInt64("node"), low: try reader.readUInt64("node"))
    }
}

/// The acceptor's answer to a handshake.
struct Welcome: Equatable {
    var isAccepted: Bool
    var cluster: NodeID
    var node: NodeID
    var reason: String

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 64)
        writer.writeUInt8(isAccepted ? 0 : 1)
        writer.writeUInt64(cluster.high)
        writer.writeUInt64(cluster.low)
        writer.writeUInt64(node.high)
        writer.writeUInt64(node.low)
        let text = Array(reason.utf8.prefix(1000))
        writer.writeUInt16(UInt16(text.count))
        writer.writeBytes(text)
        return writer.bytes
    }

    /// The welcome at the start of some bytes and its length, or nil while it is not whole.
    static func decode(_ bytes: [UInt8]) throws(ByteDecodingError) -> (Welcome, Int)? {
        guard bytes.count >= 35 else { return nil }
        var reader = ByteReader(bytes)
        let status = try reader.readUInt8("status")
        let cluster = NodeID(
            high: try reader.readUInt64("cluster"),
            low: try reader.readUInt64("cluster")
        )
        let node = NodeID(
            high: try reader.readUInt64("node"),
            low: try reader.readUInt64("node")
        )
        let length = Int(try reader.readUInt16("reason"))
        guard reader.remaining >= length else { return nil }
        let reason = String(decoding: try reader.readBytes(length), as: UTF8.self)
        let welcome = Welcome(
            isAccepted: status == 0,
            cluster: cluster,
            node: node,
            reason: reason
        )
        return (welcome, reader.position)
    }
}

/// What a connection tells its owner; all calls come on the connection's event loop.
protocol PeerConnectionOwner: AnyObject {
    /// Who this node is, and which cluster it belongs to (nil: none yet).
    var localIdentity: (node: NodeID, cluster: NodeID?) { get }
    /// This node's epoch, which every message carries.
    var localEpoch: Epoch { get }
    /// The handshake is done.
    func connectionOpened(_ connection: PeerConnection)
    /// A message came.
    func connection(_ connection: PeerConnection, received envelope: PeerEnvelope, bytes: Int)
    /// The connection is gone; called once.
    func connectionClosed(_ connection: PeerConnection, reason: String)
}

/// One connection between two nodes, of one traffic class; a handler of its channel.
///
/// After the handshake both sides send frames (``PeerFrame``).
package final class PeerConnection: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private enum State {
        /// Waits for the other side's handshake. Exits: it came (open), or is refused (closed).
        case greeting
        /// Exits: either side closes.
        case open
        case closed
    }

    /// Whether this node made the connection.
    let isInitiator: Bool
    /// The other node; for a connection that this node makes, nil until the handshake.
    private(set) var peer: NodeID?
    private(set) var trafficClass: TrafficClass

    private let frameBytesMax: Int
    private let handshakeTimeout: Duration
    private unowned let owner: any PeerConnectionOwner
    /// What is handed to the socket as one: a slow peer makes progress piece by piece.
    private static let pieceBytesMax = 1 << 20

    private var state = State.greeting
    private var received = ByteBuffer()
    private var outgoing: ByteBuffer?
    private var context: ChannelHandlerContext?
    private var isReading = false
    private var isFlushScheduled = false
    /// Bytes that were handed to the socket and that it did not take yet.
    private var flushingBytes = 0
    /// When the socket last took something, or had nothing to take.
    private var progressed = NIODeadline.now()

    init(
        isInitiator: Bool,
        peer: NodeID?,
        trafficClass: TrafficClass,
        frameBytesMax: Int,
        handshakeTimeout: Duration,
        owner: any PeerConnectionOwner
    ) {
        self.isInitiator = isInitiator
        self.peer = peer
        self.trafficClass = trafficClass
        self.frameBytesMax = frameBytesMax
        self.handshakeTimeout = handshakeTimeout
        self.owner = owner
    }

    /// Whether messages can be sent.
    var isOpen: Bool {
        if case .open = state { true } else { false }
    }

    /// The bytes that wait for the other side to read.
    var waitingBytes: Int { flushingBytes + (outgoing?.readableBytes ?? 0) }

    /// Whether bytes have waited for so long without a piece of them going out.
    func isStalled(for span: Duration, now: NIODeadline) -> Bool {
        flushingBytes > 0 && progressed + TimeAmount(span) < now
    }

    /// Sends a message; what is sent in one tick leaves in one write.
    ///
    /// - Returns: the message's length in bytes, or nil if the connection is not open or the
    ///   message is over the limit.
    @discardableResult
    func send(_ message: PeerMessage, correlation: UInt64) -> Int? {
        guard case .open = state, let context else { return nil }
        let bytes = PeerEnvelope(
            epoch: owner.localEpoch,
            correlation: correlation,
            message: message
        ).encoded()
        guard bytes.count <= frameBytesMax else { return nil }
        var buffer =
            outgoing
            ?? context.channel.allocator.buffer(capacity: bytes.count + PeerFrame.headerBytes)
        outgoing = nil
        let header = PeerFrame.header(of: bytes)
        buffer.writeInteger(header.length)
        buffer.writeInteger(header.checksum)
        buffer.writeBytes(bytes)
        outgoing = buffer
        scheduleFlush(context)
        return bytes.count
    }

    /// Closes the connection.
    func close() { context?.close(promise: nil) }

    // MARK: Channel events

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { greet(context) }
    }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelActive(context: ChannelHandlerContext) {
        greet(context)
        context.fireChannelActive()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        if received.readableBytes == 0 {
            received = buffer
        } else {
            received.writeBuffer(&buffer)
        }
        isReading = true
        do {
            if case .greeting = state, try !readHandshake(context) { return }
            while case .open = state, let frame = try nextFrame() {
                let envelope = try PeerEnvelope(decoding: frame)
                owner.connection(self, received: envelope, bytes: frame.count)
            }
            if received.readableBytes == 0 {
                received = ByteBuffer()
            } else {
                received.discardReadBytes()
            }
        } catch {
            closed("broken message: \(error)")
            context.close(promise: nil)
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush(context)
        context.fireChannelReadComplete()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        closed("connection closed by the other side")
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        closed("\(error)")
        context.close(promise: nil)
    }

    // MARK: Helpers

    private func greet(_ context: ChannelHandlerContext) {
        // Who never says who it is must not hold a connection, nor keep this node from another try.
        context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(handshakeTimeout)) {
            [weak self] in
            guard let self, case .greeting = state else { return }
            closed("no handshake within \(handshakeTimeout)")
            close()
        }
        guard isInitiator else { return }
        let (node, cluster) = owner.localIdentity
        let handshake = Handshake(
            trafficClass: trafficClass,
            cluster: cluster ?? Handshake.noCluster,
            node: node
        )
        write(handshake.encoded(), context)
    }

    private func write(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        context.writeAndFlush(
            wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)),
            promise: nil
        )
    }

    /// Reads the other side's handshake if it is whole, and says whether the connection is open.
    private func readHandshake(_ context: ChannelHandlerContext) throws -> Bool {
        let (node, cluster) = owner.localIdentity
        if isInitiator {
            let bytes = Array(received.readableBytesView.prefix(2048))
            guard let (welcome, length) = try Welcome.decode(bytes) else { return false }
            received.moveReaderIndex(forwardBy: length)
            guard welcome.isAccepted else {
                throw ByteDecodingError.invalid(what: "handshake: refused: \(welcome.reason)")
            }
            if let peer, peer != welcome.node {
                throw ByteDecodingError.invalid(
                    what: "handshake: node \(welcome.node) answers where \(peer) was expected"
                )
            }
            if let cluster, welcome.cluster != cluster {
                throw ByteDecodingError.invalid(
                    what: "handshake: cluster \(welcome.cluster), this node belongs to \(cluster)"
                )
            }
            peer = welcome.node
        } else {
            guard received.readableBytes >= Handshake.byteCount,
                let bytes = received.readBytes(length: Handshake.byteCount)
            else { return false }
            let handshake = try Handshake(decoding: bytes)
            let refusal: String? =
                if cluster == nil {
                    "node \(node) has not joined a cluster yet"
                } else if handshake.cluster != Handshake.noCluster, handshake.cluster != cluster {
                    "node \(node) belongs to another cluster"
                } else if handshake.node == node {
                    "two nodes have the id \(node): was a data folder copied?"
                } else { nil }
            let welcome = Welcome(
                isAccepted: refusal == nil,
                cluster: cluster ?? Handshake.noCluster,
                node: node,
                reason: refusal ?? ""
            )
            write(welcome.encoded(), context)
            if let refusal {
                throw ByteDecodingError.invalid(what: "handshake: \(refusal)")
            }
            peer = handshake.node
            trafficClass = handshake.trafficClass
        }
        state = .open
        owner.connectionOpened(self)
        return true
    }

    private func nextFrame() throws(ByteDecodingError) -> [UInt8]? {
        guard let length = received.getInteger(at: received.readerIndex, as: UInt32.self) else {
            return nil
        }
        guard length <= frameBytesMax else {
            throw .overLimit(what: "frame", limit: frameBytesMax, actual: Int(length))
        }
        guard received.readableBytes >= PeerFrame.headerBytes + Int(length) else { return nil }
        received.moveReaderIndex(forwardBy: 4)
        guard let checksum = received.readInteger(as: UInt32.self),
            let message = received.readBytes(length: Int(length))
        else { return nil }
        try PeerFrame.check(message, checksum: checksum)
        return message
    }

    private func scheduleFlush(_ context: ChannelHandlerContext) {
        guard !isReading, !isFlushScheduled else { return }
        isFlushScheduled = true
        context.eventLoop.assumeIsolated().execute { [self] in
            isFlushScheduled = false
            if let context = self.context { flush(context) }
        }
    }

    private func flush(_ context: ChannelHandlerContext) {
        guard var buffer = outgoing else { return }
        outgoing = nil
        if flushingBytes == 0 { progressed = .now() }
        flushingBytes += buffer.readableBytes
        while let piece = buffer.readSlice(length: min(buffer.readableBytes, Self.pieceBytesMax)) {
            let count = piece.readableBytes
            context.write(wrapOutboundOut(piece)).assumeIsolated().whenComplete {
                [weak self] _ in
                self?.flushingBytes -= count
                self?.progressed = .now()
            }
            if buffer.readableBytes == 0 { break }
        }
        context.flush()
    }

    private func closed(_ reason: String) {
        if case .closed = state { return }
        state = .closed
        outgoing = nil
        owner.connectionClosed(self, reason: reason)
    }
}
