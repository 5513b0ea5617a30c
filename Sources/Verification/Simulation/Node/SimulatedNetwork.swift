internal import ByteCoding
package import HistoryChecking
internal import PeerMessages
internal import Storage
internal import TokenPlacement

/// What the network does to frames.
package struct NetworkFaults: Hashable, Sendable {
    /// The least one-way delay.
    package var delayMin: Nanoseconds = .microseconds(50)
    /// The mean of what comes on top, exponentially distributed.
    package var delayMean: Nanoseconds = .microseconds(100)
    /// The probability that a frame is lost.
    package var loss = 0.0
    /// The probability that a frame comes twice.
    package var duplication = 0.0
    /// The probability that a bit of a frame flips.
    package var corruption = 0.0
    /// Whether frames overtake each other.
    package var isReordering = false
    /// Whether loss, duplication and reordering hit requests and answers too, as no TCP would.
    package var hitsRequests = false
    /// Whether what is sent over a cut link comes once it heals; else it is lost.
    package var holdsFrames = false

    /// A network without faults.
    package init() {}
}

/// Brings encoded frames from node to node, late, twice, broken or not at all.
package final class SimulatedNetwork {
    /// What it does to frames; may change while the run goes on.
    package var faults = NetworkFaults()
    /// Takes the lines of the nodes' logs, if anybody wants them.
    package var log: ((String) -> Void)?
    /// Hears which hints a node is about to delete: nobody else sees all nodes at once.
    var hintsWillGo: ((NodeLife, [[UInt8]]) -> Void)?
    /// Hears which keys a node is about to drop.
    var rangeWillGo: ((NodeLife, KeyRange) -> Void)?
    /// Hears what a node's cache says of a row, nil: that there is none.
    var cacheAnswered: ((NodeLife, RowKey, [UInt8]?) -> Void)?
    /// Hears of the lives whose store takes no more writes.
    var storeFailed: ((NodeLife) -> Void)?
    /// Frames that were sent.
    package private(set) var frameCount = 0

    let nodeCount: Int

    private let kernel: Kernel
    private var random: SimulatedRandom
    private let ids: [NodeID]
    private let indices: [NodeID: Int]
    private var lives: [NodeLife?]
    private var blocked: [Bool]
    private var cloggedUntil: [Nanoseconds]
    private var held: [(source: Int, target: Int, frame: [UInt8], arrive: ([UInt8]) -> Void)] = []

    private static let heldMax = 4096

    init(kernel: Kernel, ids: [NodeID], random: SimulatedRandom) {
        self.kernel = kernel
        self.random = random
        self.ids = ids
        nodeCount = ids.count
        var indices: [NodeID: Int] = [:]
        for (index, id) in ids.enumerated() { indices[id] = index }
        self.indices = indices
        lives = Array(repeating: nil, count: ids.count)
        blocked = Array(repeating: false, count: ids.count * ids.count)
        cloggedUntil = Array(repeating: 0, count: ids.count * ids.count)
    }

    // MARK: Who is there

    func index(of id: NodeID) -> Int? { indices[id] }

    func id(of index: Int) -> NodeID { ids[index] }

    func life(of node: Int) -> NodeLife? { lives[node] }

    func pickLoop(of count: Int) -> Int { random.below(count) }

    func nodeStarted(_ life: NodeLife) { lives[life.node] = life }

    /// A node is gone.
    ///
    /// If its machine still runs, it resets its connections; without power nobody
    /// hears anything.
    func nodeEnded(_ node: Int, isHeard: Bool) {
        lives[node] = nil
        guard isHeard else { return }
        for life in lives.compactMap({ $0 }) {
            for loop in life.loops {
                for link in loop.links(to: node) { link.reset() }
            }
        }
    }

    // MARK: Faults

    /// Cuts or heals the way from one node to another.
    func setBlocked(_ isBlocked: Bool, from source: Int, to target: Int) {
        blocked[source * nodeCount + target] = isBlocked
        guard !isBlocked else { return }
        let released = held.filter { $0.source == source && $0.target == target }
        held.removeAll { $0.source == source && $0.target == target }
        for entry in released {
            arrive(entry.frame, source, target, after: delay(source, target), entry.arrive)
        }
    }

    /// Whether the way from one node to another is cut.
    func isBlocked(_ source: Int, _ target: Int) -> Bool { blocked[source * nodeCount + target] }

    /// Heals all ways.
    func healAll() {
        for source in 0..<nodeCount {
            for target in 0..<nodeCount where isBlocked(source, target) {
                setBlocked(false, from: source, to: target)
            }
        }
        cloggedUntil = cloggedUntil.map { _ in 0 }
    }

    /// Lets nothing through from one node to another until a time; what waits comes then.
    func clog(from source: Int, to target: Int, until time: Nanoseconds) {
        cloggedUntil[source * nodeCount + target] = time
    }

    /// Resets one of the open connections.
    func resetOneConnection() {
        let links = lives.compactMap { $0 }.flatMap(\.loops).flatMap(\.openLinks)
        guard !links.isEmpty else { return }
        random.pick(links).reset()
    }

    // MARK: Frames

    /// How long a frame takes.
    func delay(_ source: Int, _ target: Int) -> Nanoseconds {
        let clog = max(0, cloggedUntil[source * nodeCount + target] - kernel.now)
        return faults.delayMin + random.exponential(mean: faults.delayMean) + clog
    }

    /// Sends a frame; `arrive` gets it at the other end, maybe.
    func transmit(
        _ frame: [UInt8],
        _ source: Int,
        _ target: Int,
        floor: inout Nanoseconds,
        isOneWay: Bool,
        _ arrive: @escaping ([UInt8]) -> Void
    ) {
        frameCount += 1
        let isHit = isOneWay || faults.hitsRequests
        if isHit, random.chance(faults.loss) { return }
        var span = delay(source, target)
        if !(isHit && faults.isReordering) {
            span = max(span, floor - kernel.now)
            floor = kernel.now + span
        }
        let frame = random.chance(faults.corruption) ? flipped(frame) : frame
        self.arrive(frame, source, target, after: span, arrive)
        if isHit, random.chance(faults.duplication) {
            self.arrive(frame, source, target, after: delay(source, target), arrive)
        }
    }

    /// A message in its frame.
    static func frame(_ envelope: PeerEnvelope) -> [UInt8] {
        let message = envelope.encoded()
        let header = PeerFrame.header(of: message)
        var writer = ByteWriter(capacity: PeerFrame.headerBytes + message.count)
        writer.writeUInt32(header.length)
        writer.writeUInt32(header.checksum)
        writer.writeBytes(message)
        return writer.bytes
    }

    /// The message in a frame, or nil if it is broken.
    func decode(_ frame: [UInt8]) -> PeerEnvelope? {
        var reader = ByteReader(frame)
        guard let length = try? reader.readUInt32("length"),
            let checksum = try? reader.readUInt32("checksum"),
            Int(length) == reader.remaining
        else { return nil }
        let message = Array(frame[reader.position...])
        let envelope = try? PeerEnvelope(decoding: message)
        // Decoders meet damaged bytes all the same: they must live with them.
        guard (try? PeerFrame.check(message, checksum: checksum)) != nil else { return nil }
        return envelope
    }

    private func arrive(
        _ frame: [UInt8],
        _ source: Int,
        _ target: Int,
        after span: Nanoseconds,
        _ arrive: @escaping ([UInt8]) -> Void
    ) {
        let digest = TraceHash.digest(frame) ^ UInt64(source) << 8 ^ UInt64(target)
        kernel.schedule(
            after: span,
            node: Kernel.world,
            kind: .frame,
            digest: digest
        ) { [unowned self] in
            guard isBlocked(source, target) else {
                arrive(frame)
                return
            }
            if faults.holdsFrames, held.count < Self.heldMax {
                held.append((source, target, frame, arrive))
            }
        }
    }

    private func flipped(_ frame: [UInt8]) -> [UInt8] {
        guard !frame.isEmpty else { return frame }
        var broken = frame
        broken[random.below(frame.count)] ^= 1 << UInt8(random.below(8))
        return broken
    }

    /// Forgets what is under way.
    func removeAll() {
        held = []
        hintsWillGo = nil
        rangeWillGo = nil
        cacheAnswered = nil
        storeFailed = nil
        lives = lives.map { _ in nil }
    }
}
