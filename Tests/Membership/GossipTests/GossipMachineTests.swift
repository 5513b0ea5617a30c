import Gossip
import Testing
import TokenPlacement

/// The machine's edges: who is a member, what is believed, and every bound.
@Suite struct GossipMachineTests {
    typealias Action = GossipMachine.Action

    static func machine(
        members: [NodeID] = [],
        configuration: GossipConfiguration = GossipConfiguration(),
        incarnation: UInt64 = 1
    ) throws -> GossipMachine {
        var machine = try GossipMachine(
            configuration: configuration,
            localNode: NodeID(high: 0, low: 1),
            incarnation: Incarnation(clamping: incarnation),
            seed: 5,
            now: .zero
        )
        var actions: [Action] = []
        machine.membersChanged(to: members, now: .zero, into: &actions)
        return machine
    }

    static func ids(_ numbers: ClosedRange<UInt64>) -> [NodeID] {
        numbers.map { NodeID(high: 0, low: $0) }
    }

    /// The messages of some actions, with their receivers.
    static func messages(_ actions: [Action]) -> [(message: GossipMessage, receiver: NodeID)] {
        actions.compactMap { action in
            switch action {
            case .send(let message, let receiver): (message, receiver)
            case .statusChanged: nil
            }
        }
    }

    static func receive(
        _ body: GossipMessage.Body,
        from sender: NodeID,
        incarnation: UInt64 = 10,
        saying updates: [MemberUpdate] = [],
        at now: Duration = .milliseconds(1),
        by machine: inout GossipMachine
    ) -> [Action] {
        var actions: [Action] = []
        let message = GossipMessage(
            body,
            incarnation: Incarnation(clamping: incarnation),
            updates: updates
        )
        machine.messageReceived(message, from: sender, now: now, into: &actions)
        return actions
    }

    @Test func `a node alone is alive and only counts its periods`() throws {
        var machine = try Self.machine()
        var actions: [Action] = []
        for period in 1...5 {
            #expect(machine.nextDeadline == .milliseconds(500 * period))
            machine.timerFired(now: machine.nextDeadline, into: &actions)
        }
        #expect(actions.isEmpty)
        #expect(machine.isAlive(NodeID(high: 0, low: 1)))
        #expect(machine.members.map(\.id) == Self.ids(1...1))
    }

    @Test func `a timer before the deadline changes nothing`() throws {
        var machine = try Self.machine(members: Self.ids(1...3))
        var actions: [Action] = []
        let deadline = machine.nextDeadline
        #expect(deadline == .milliseconds(200))
        machine.timerFired(now: deadline - .nanoseconds(1), into: &actions)
        #expect(actions.isEmpty)
        #expect(machine.nextDeadline == deadline)
    }

    @Test func `members are sorted, and hold the local node whether listed or not`() throws {
        let listed = try Self.machine(members: Self.ids(1...4).reversed() + Self.ids(2...3))
        let unlisted = try Self.machine(members: Self.ids(2...4))
        #expect(listed.members == unlisted.members)
        #expect(listed.members.map(\.id) == Self.ids(1...4))
        #expect(listed.members.map(\.status) == [.alive, .unheard, .unheard, .unheard])
    }

    @Test func `alive and suspect count as alive, unheard and dead and strangers do not`() throws {
        var machine = try Self.machine(members: Self.ids(1...5))
        let updates = [update("c", .suspect, 1), update("d", .dead, 1)]
        _ = Self.receive(.ack(ProbeSequence(1)), from: node("b"), saying: updates, by: &machine)
        let statuses = Self.ids(1...6).map { machine.status(of: $0) }
        #expect(statuses == [.alive, .alive, .suspect, .dead, .unheard, nil])
        let alive = Self.ids(1...6).map { machine.isAlive($0) }
        #expect(alive == [true, true, true, false, false, false])
    }

    @Test func `a stranger gets its ack, but nothing that it says is believed`() throws {
        var machine = try Self.machine(members: Self.ids(1...3))
        let before = machine.members
        let updates = [update("b", .dead, 99), update("a", .dead, 99)]
        let ping = GossipMessage.Body.ping(ProbeSequence(4))
        let actions = Self.receive(ping, from: node("z"), saying: updates, by: &machine)
        let ack = GossipMessage(.ack(ProbeSequence(4)), incarnation: Incarnation(clamping: 1))
        #expect(actions == [.send(ack, to: node("z"))])
        let request = GossipMessage.Body.pingRequest(ProbeSequence(4), target: node("b"))
        #expect(Self.receive(request, from: node("z"), by: &machine).isEmpty)
        #expect(machine.members == before)
    }

    @Test func `a claim about a node that is not registered is not believed nor told`() throws {
        var machine = try Self.machine(members: Self.ids(1...3))
        let actions = Self.receive(
            .ping(ProbeSequence(1)),
            from: node("b"),
            saying: [update("z", .alive, 5)],
            by: &machine
        )
        #expect(machine.status(of: node("z")) == nil)
        #expect(Self.messages(actions).allSatisfy { $0.message.updates.isEmpty })
    }

    @Test func `of a member that is gone nothing is left`() throws {
        var machine = try Self.machine(members: Self.ids(1...3))
        _ = Self.receive(
            .ack(ProbeSequence(1)),
            from: node("b"),
            saying: [update("c", .suspect, 7)],
            by: &machine
        )
        var actions: [Action] = []
        machine.membersChanged(to: [node("b")], now: .milliseconds(2), into: &actions)
        #expect(actions.isEmpty)
        #expect(machine.status(of: node("c")) == nil)
        for _ in 0..<40 {
            let now = machine.nextDeadline
            machine.timerFired(now: now, into: &actions)
            for (message, receiver) in Self.messages(actions) {
                #expect(receiver == node("b"))
                #expect(!message.updates.contains { $0.node == node("c") })
                guard case .ping(let sequence) = message.body else { continue }
                _ = Self.receive(.ack(sequence), from: receiver, at: now, by: &machine)
            }
            actions = []
        }
        machine.membersChanged(to: Self.ids(1...3), now: .seconds(30), into: &actions)
        #expect(machine.status(of: node("c")) == .unheard)
        #expect(machine.status(of: node("b")) == .alive)
    }

    @Test func `in whatever order claims arrive the same belief is the last`() throws {
        let claims = [
            update("c", .alive, 5), update("c", .suspect, 5), update("c", .dead, 5),
            update("c", .alive, 6), update("c", .suspect, 4),
        ]
        var random = XorShift(seed: 9)
        for kept in 1...claims.count {
            var shuffled = Array(claims.prefix(kept))
            var beliefs: Set<Member> = []
            for _ in 0..<50 {
                shuffled.shuffle(using: &random)
                var machine = try Self.machine(members: Self.ids(1...3))
                for claim in shuffled {
                    let ping = GossipMessage.Body.ping(ProbeSequence(1))
                    _ = Self.receive(ping, from: node("b"), saying: [claim], by: &machine)
                }
                beliefs.insert(machine.members[2])
            }
            #expect(beliefs.count == 1)
            let expected: [MemberStatus] = [.alive, .suspect, .dead, .alive, .alive]
            #expect(beliefs.first?.status == expected[kept - 1])
        }
    }

    @Test func `a lost connection counts only for a member that is alive`() throws {
        var machine = try Self.machine(members: Self.ids(1...5))
        let updates = [update("c", .suspect, 1), update("d", .dead, 1)]
        _ = Self.receive(.ack(ProbeSequence(1)), from: node("b"), saying: updates, by: &machine)
        var actions: [Action] = []
        for name: Character in ["a", "c", "d", "e", "z"] {
            machine.connectionLost(to: node(name), now: .milliseconds(2), into: &actions)
        }
        #expect(actions.isEmpty)
        machine.connectionLost(to: node("b"), now: .milliseconds(2), into: &actions)
        #expect(Self.messages(actions).map(\.receiver) == [node("b")])
        #expect(machine.status(of: node("b")) == .alive)
    }

    @Test func `probes out of turn are bounded in each period`() throws {
        var machine = try Self.machine()
        var actions: [Action] = []
        machine.membersChanged(to: Self.ids(2...21), now: .zero, into: &actions)
        #expect(Self.messages(actions).map(\.receiver) == Self.ids(2...9))
        var pinged: [NodeID] = []
        while machine.nextDeadline <= .milliseconds(1_000) {
            actions = []
            machine.timerFired(now: machine.nextDeadline, into: &actions)
            pinged += Self.messages(actions).map(\.receiver)
        }
        #expect(pinged == Self.ids(10...21))
    }

    @Test func `pings in others' stead are bounded, and expire`() throws {
        let configuration = GossipConfiguration(relaysMax: 2)
        var machine = try Self.machine(members: Self.ids(1...3), configuration: configuration)
        func request(_ number: UInt64, at now: Duration) -> Int {
            let body = GossipMessage.Body.pingRequest(ProbeSequence(number), target: node("c"))
            return Self.messages(
                Self.receive(body, from: node("b"), at: now, by: &machine)
            ).count
        }
        #expect(request(1, at: .milliseconds(1)) == 1)
        #expect(request(2, at: .milliseconds(1)) == 1)
        #expect(request(3, at: .milliseconds(1)) == 0)
        var actions: [Action] = []
        while machine.nextDeadline <= .milliseconds(700) {
            machine.timerFired(now: machine.nextDeadline, into: &actions)
        }
        #expect(request(4, at: .milliseconds(701)) == 1)
    }

    @Test func `a helper answers for itself, and not for a stranger`() throws {
        var machine = try Self.machine(members: Self.ids(1...3))
        let own = GossipMessage.Body.pingRequest(ProbeSequence(8), target: node("a"))
        let bodies = Self.messages(Self.receive(own, from: node("b"), by: &machine))
        #expect(bodies.map(\.message.body) == [.ack(ProbeSequence(8))])
        let stranger = GossipMessage.Body.pingRequest(ProbeSequence(9), target: node("z"))
        #expect(Self.receive(stranger, from: node("b"), by: &machine).isEmpty)
    }

    @Test func `updates are bounded in each message, and each is told so often and no more`() throws
    {
        let configuration = GossipConfiguration(disseminationFactor: 2, updatesPerMessageMax: 4)
        var machine = try Self.machine(members: Self.ids(1...7), configuration: configuration)
        let claims = "cdefg".map { update($0, .alive, 3) }
        var told: [NodeID: Int] = [:]
        for round in 0..<40 {
            let ping = GossipMessage.Body.ping(ProbeSequence(UInt64(round)))
            let saying = round == 0 ? claims : []
            let actions = Self.receive(ping, from: node("b"), saying: saying, by: &machine)
            for (message, _) in Self.messages(actions) {
                #expect(message.updates.count <= 4)
                if round == 1 { #expect(message.updates.contains { $0.node == node("c") }) }
                for update in message.updates { told[update.node, default: 0] += 1 }
            }
        }
        // Seven nodes: three bits, twice. Of b nothing is told to b.
        #expect(told == Dictionary(uniqueKeysWithValues: "cdefg".map { (node($0), 6) }))
    }

    @Test func `every member is probed once in each round`() throws {
        var machine = try Self.machine(members: Self.ids(1...7))
        for (index, id) in Self.ids(2...7).enumerated() {
            let ack = GossipMessage.Body.ack(ProbeSequence(UInt64(index + 1)))
            _ = Self.receive(ack, from: id, by: &machine)
        }
        var probed: [NodeID] = []
        var actions: [Action] = []
        while probed.count < 60 {
            let now = machine.nextDeadline
            actions = []
            machine.timerFired(now: now, into: &actions)
            for (message, receiver) in Self.messages(actions) {
                guard case .ping(let sequence) = message.body else { continue }
                probed.append(receiver)
                _ = Self.receive(.ack(sequence), from: receiver, at: now, by: &machine)
            }
        }
        let rounds = stride(from: 0, to: 60, by: 6).map { Array(probed[$0..<$0 + 6]) }
        for round in rounds { #expect(round.sorted() == Self.ids(2...7)) }
        #expect(Set(rounds).count > 1, "each round is shuffled anew")
    }

    @Test func `at the greatest incarnation nothing can be refuted, and nothing breaks`() throws {
        var machine = try Self.machine(members: Self.ids(1...3), incarnation: .max)
        let claim = MemberUpdate(node: node("a"), incarnation: .max, claim: .dead)
        let ping = GossipMessage.Body.ping(ProbeSequence(1))
        let actions = Self.receive(ping, from: node("b"), saying: [claim], by: &machine)
        #expect(machine.incarnation == .max)
        #expect(!actions.isEmpty)
    }

    @Test func `a message from this node itself is ignored`() throws {
        var machine = try Self.machine(members: Self.ids(1...3))
        let ping = GossipMessage.Body.ping(ProbeSequence(1))
        #expect(Self.receive(ping, from: node("a"), by: &machine).isEmpty)
    }
}
