import Gossip
import TokenPlacement

/// Some machines on a network in virtual time, with seeded delays, losses, crashes and partitions.
struct GossipNetwork {
    private struct Delivery {
        let at: Duration
        let order: Int
        let message: GossipMessage
        let sender: Int
        let receiver: Int
    }

    private let configuration: GossipConfiguration
    private(set) var machines: [GossipMachine?]
    private var deadlines: [Duration?]
    private(set) var now: Duration = .zero
    /// Everything that was believed and sent, to compare two runs; only if ``isTracing``.
    private(set) var trace: [String] = []
    /// Every change of belief: who, of whom, what.
    private(set) var changes: [(observer: Int, member: Int, status: MemberStatus)] = []
    private(set) var messagesSent = 0
    private(set) var encodedBytesMax = 0

    var isTracing = false
    /// Of 1,000 messages, so many are lost.
    var lossPerMille = 0
    /// Messages between nodes of different sides are lost; empty means one side.
    var sides: [Int] = []

    private var inFlight: [Delivery] = []
    private var sent = 0
    private var random: XorShift

    init(size: Int, seed: UInt64, configuration: GossipConfiguration = .init()) throws {
        self.configuration = configuration
        random = XorShift(seed: seed)
        machines = Array(repeating: nil, count: size)
        deadlines = Array(repeating: nil, count: size)
        for index in 0..<size { try start(index, incarnation: 1_000) }
    }

    mutating func start(_ index: Int, incarnation: UInt64) throws {
        let machine = try GossipMachine(
            configuration: configuration,
            localNode: Self.id(index),
            incarnation: Incarnation(clamping: incarnation),
            seed: random.next(),
            now: now
        )
        machines[index] = machine
        let ids = machines.indices.map { Self.id($0) }
        perform(at: index) { machine, now, actions in
            machine.membersChanged(to: ids, now: now, into: &actions)
        }
    }

    mutating func kill(_ index: Int) {
        machines[index] = nil
        deadlines[index] = nil
    }

    /// Runs until a condition holds, and returns how long that took; nil if it did not in time.
    mutating func run(
        atMost limit: Duration,
        until isDone: (GossipNetwork) -> Bool = { _ in false }
    ) -> Duration? {
        let start = now
        while !isDone(self) {
            let timer = deadlines.indices
                .compactMap { index in deadlines[index].map { ($0, index) } }
                .min { $0 < $1 }
            let delivery = inFlight.indices.min {
                (inFlight[$0].at, inFlight[$0].order) < (inFlight[$1].at, inFlight[$1].order)
            }
            let deliveryAt = delivery.map { inFlight[$0].at }
            let next = [timer?.0, deliveryAt].compactMap(\.self).min() ?? start + limit
            guard next < start + limit else {
                now = start + limit
                return isDone(self) ? limit : nil
            }
            now = max(now, next)
            if let delivery, deliveryAt == next {
                deliver(inFlight.remove(at: delivery))
            } else if let timer {
                perform(at: timer.1) { machine, now, actions in
                    machine.timerFired(now: now, into: &actions)
                }
            }
        }
        return now - start
    }

    /// Whether all running machines hold exactly the running ones alive, and these not suspect.
    var agrees: Bool {
        machines.indices.allSatisfy { observer in
            guard let machine = machines[observer] else { return true }
            return machines.indices.allSatisfy { member in
                let status = machine.status(of: Self.id(member))
                return machines[member] == nil ? status == .dead : status == .alive
            }
        }
    }

    static func id(_ index: Int) -> NodeID {
        NodeID(high: 0, low: UInt64(index + 1))
    }

    private mutating func deliver(_ delivery: Delivery) {
        perform(at: delivery.receiver) { machine, now, actions in
            machine.messageReceived(
                delivery.message,
                from: Self.id(delivery.sender),
                now: now,
                into: &actions
            )
        }
    }

    private mutating func perform(
        at index: Int,
        _ event: (inout GossipMachine, Duration, inout [GossipMachine.Action]) -> Void
    ) {
        guard var machine = machines[index] else { return }
        machines[index] = nil  // Else the event would copy the machine.
        var actions: [GossipMachine.Action] = []
        event(&machine, now, &actions)
        deadlines[index] = machine.nextDeadline
        machines[index] = machine
        for action in actions {
            switch action {
            case .send(let message, let receiver):
                transmit(message, from: index, to: Int(receiver.low) - 1)
            case .statusChanged(let id, let status):
                changes.append((index, Int(id.low) - 1, status))
                guard isTracing else { continue }
                trace.append("\(now) \(index): \(id.low - 1) \(status)")
            }
        }
    }

    private mutating func transmit(_ message: GossipMessage, from sender: Int, to receiver: Int) {
        messagesSent += 1
        if isTracing { trace.append("\(now) \(sender) -> \(receiver) \(message)") }
        let bytes = message.encoded
        encodedBytesMax = max(encodedBytesMax, bytes.count)
        let isLost = random.next() % 1_000 < UInt64(lossPerMille)
        let delay = Duration.milliseconds(Int64(1 + random.next() % 20))
        let isCut = !sides.isEmpty && sides[sender] != sides[receiver]
        // What is sent travels as bytes, so that the codec takes part in every property.
        guard !isLost, !isCut, machines[receiver] != nil,
            let decoded = try? GossipMessage(decoding: bytes)
        else { return }
        sent += 1
        inFlight.append(
            Delivery(
                at: now + delay,
                order: sent,
                message: decoded,
                sender: sender,
                receiver: receiver
            )
        )
    }
}

/// Marsaglia's xorshift64: the network's randomness, apart from the machines' own.
struct XorShift: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed &* 0x2545_F491_4F6C_DD1D | 1
    }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
