import Gossip
import TokenPlacement

/// One machine, node a, on a stage: the test plays the other nodes, and everything is written down.
struct GossipPlay {
    /// The transcript: every message and every change of belief on a line of its own.
    private(set) var transcript: [String] = []
    private(set) var machine: GossipMachine
    private var now: Duration = .zero
    private var start: Duration = .zero
    private var unanswered: [(ping: ProbeSequence, by: Character)] = []

    init(
        members: String,
        configuration: GossipConfiguration = GossipConfiguration(),
        seed: UInt64 = 1
    ) throws {
        machine = try GossipMachine(
            configuration: configuration,
            localNode: node("a"),
            incarnation: Incarnation(clamping: 1),
            seed: seed,
            now: .zero
        )
        perform { machine, now, actions in
            machine.membersChanged(to: members.map { node($0) }, now: now, into: &actions)
        }
    }

    /// All peers, at incarnation 10, have answered every ping for so long that no news are left.
    ///
    /// The transcript's clock starts there, half a second before the next period.
    init(met members: String, seed: UInt64 = 1) throws {
        try self.init(members: members, seed: seed)
        ackAllPings()
        while now < .seconds(20) {
            wait(until: Int(now / .milliseconds(1)) + 100)
            ackAllPings()
        }
        transcript = []
        start = now
    }

    /// Lets the time pass, and fires the timer at each deadline up to this one.
    mutating func wait(until milliseconds: Int) {
        let end = start + .milliseconds(milliseconds)
        while machine.nextDeadline <= end {
            now = machine.nextDeadline
            perform { machine, now, actions in machine.timerFired(now: now, into: &actions) }
        }
        now = end
    }

    mutating func receive(
        _ body: GossipMessage.Body,
        from name: Character,
        _ incarnation: UInt64,
        saying updates: [MemberUpdate] = [],
        at milliseconds: Int
    ) {
        wait(until: milliseconds)
        let message = GossipMessage(
            body,
            incarnation: Incarnation(clamping: incarnation),
            updates: updates
        )
        transcript.append("\(clock)  \(text(of: message, from: name, to: "a"))")
        perform { machine, now, actions in
            machine.messageReceived(message, from: node(name), now: now, into: &actions)
        }
    }

    mutating func loseConnection(to name: Character, at milliseconds: Int) {
        wait(until: milliseconds)
        transcript.append("\(clock)  connection to \(name) lost")
        perform { machine, now, actions in
            machine.connectionLost(to: node(name), now: now, into: &actions)
        }
    }

    /// Fires the timer long after its deadline.
    mutating func sleep(until milliseconds: Int) {
        now = start + .milliseconds(milliseconds)
        transcript.append("\(clock)  awake again")
        perform { machine, now, actions in machine.timerFired(now: now, into: &actions) }
    }

    mutating func changeMembers(to members: String) {
        perform { machine, now, actions in
            machine.membersChanged(to: members.map { node($0) }, now: now, into: &actions)
        }
    }

    private mutating func ackAllPings() {
        for (ping, name) in unanswered {
            receive(.ack(ping), from: name, 10, at: Int(now / .milliseconds(1)))
        }
        unanswered = []
    }

    private mutating func perform(
        _ event: (inout GossipMachine, Duration, inout [GossipMachine.Action]) -> Void
    ) {
        var actions: [GossipMachine.Action] = []
        event(&machine, now, &actions)
        for action in actions {
            switch action {
            case .send(let message, let receiver):
                let line = text(of: message, from: "a", to: name(of: receiver))
                transcript.append("\(clock)  \(line)")
                if case .ping(let sequence) = message.body {
                    unanswered.append((sequence, name(of: receiver)))
                }
            case .statusChanged(let id, let status):
                transcript.append("\(clock)  a holds \(name(of: id)) \(status)")
            }
        }
    }

    private var clock: String { clockText(now - start) }
}

/// Node a is number 1, b number 2, and so on.
func node(_ name: Character) -> NodeID {
    NodeID(high: 0, low: UInt64(name.asciiValue ?? 0) - 96)
}

func name(of id: NodeID) -> Character {
    Character(UnicodeScalar(UInt8(id.low + 96)))
}

func update(
    _ name: Character,
    _ claim: MemberUpdate.Claim,
    _ incarnation: UInt64
) -> MemberUpdate {
    MemberUpdate(node: node(name), incarnation: Incarnation(clamping: incarnation), claim: claim)
}

/// A message on one line, such as `b@10 -> a  ack 1, c suspect@10`.
func text(of message: GossipMessage, from sender: Character, to receiver: Character) -> String {
    let body =
        switch message.body {
        case .ping(let sequence): "ping \(sequence)"
        case .pingRequest(let sequence, let target):
            "ping-request \(sequence) for \(name(of: target))"
        case .ack(let sequence): "ack \(sequence)"
        }
    let claims = message.updates.map { ", \(name(of: $0.node)) \($0.claim)@\($0.incarnation)" }
    return "\(sender)@\(message.incarnation) -> \(receiver)  \(body)\(claims.joined())"
}

/// Seconds with three decimals.
func clockText(_ time: Duration) -> String {
    let milliseconds = Int(time / .milliseconds(1))
    let fraction = String(1_000 + milliseconds % 1_000).dropFirst()
    return "\(milliseconds / 1_000).\(fraction)"
}
