import TokenPlacement

/// The failure detector: periods, probes and their indirect answers (SWIM, section 3.1).
extension GossipMachine {
    /// Gives the others the time back in which this node slept or was too busy to listen.
    ///
    /// A timer that fires over a period late means that acks and refutations may lie unread: no
    /// probe is judged, and every suspect gets the lost time in addition.
    mutating func forgiveOwnSleep(now: Duration) {
        let late = now - nextDeadline
        guard late > configuration.protocolPeriod else { return }
        probes.removeAll()
        table.extendSuspicions(by: late)
    }

    /// Begins a period: one member in turn, all suspects, and now and then one that is absent.
    mutating func startPeriod(now: Duration, into actions: inout [Action]) {
        nextPeriodAt += configuration.protocolPeriod
        if nextPeriodAt <= now { nextPeriodAt = now + configuration.protocolPeriod }
        outOfTurnLeft = configuration.outOfTurnProbesMax

        let target = round.next(using: &generator) { [table, probes] id in
            table.status(of: id) == .alive && !probes.contains { $0.target == id }
        }
        if let target { startProbe(of: target, now: now, into: &actions) }

        for suspect in table.ids(where: { $0 == .suspect }) { enqueueOutOfTurn(suspect) }
        if now >= nextAbsentProbeAt {
            nextAbsentProbeAt = now + configuration.absentProbeInterval
            enqueueNextAbsent()
        }
    }

    /// Moves every probe on whose time has run out.
    mutating func advanceProbes(now: Duration, into actions: inout [Action]) {
        var failed: [Probe] = []
        for index in probes.indices where probes[index].deadline <= now {
            switch probes[index].stage {
            case .direct: requestIndirectPings(forProbeAt: index, now: now, into: &actions)
            case .indirect: failed.append(probes[index])
            }
        }
        for probe in failed {
            probes.removeAll { $0.sequence == probe.sequence }
            // An absent member stays absent, a suspect stays suspect.
            guard table.status(of: probe.target) == .alive, let incarnation = probe.incarnation
            else { continue }
            let suspicion = MemberUpdate(
                node: probe.target,
                incarnation: incarnation,
                claim: .suspect
            )
            _ = adopt(suspicion, now: now, into: &actions)
        }
    }

    /// Asks randomly chosen live members to ping in this node's stead.
    mutating func requestIndirectPings(
        forProbeAt index: Int,
        now: Duration,
        into actions: inout [Action]
    ) {
        let probe = probes[index]
        var helpers = table.ids { $0 == .alive }
        helpers.removeAll { $0 == probe.target }
        generator.shuffleFront(configuration.indirectProbes, of: &helpers)
        helpers = Array(helpers.prefix(configuration.indirectProbes))
        probes[index].stage = .indirect(until: now + configuration.indirectTimeout)
        probes[index].helpers = helpers
        // A helper that does not know of a doubt could not let the target refute it.
        let claims = doubt(about: probe.target).map { [$0] } ?? []
        for helper in helpers {
            let body = GossipMessage.Body.pingRequest(probe.sequence, target: probe.target)
            send(body, to: helper, saying: claims, into: &actions)
        }
    }

    /// Pings a target for a member that could not reach it, unless too many such pings are under way.
    mutating func relay(
        _ sequence: ProbeSequence,
        to target: NodeID,
        for origin: NodeID,
        now: Duration,
        into actions: inout [Action]
    ) {
        if target == localNode {
            send(.ack(sequence), to: origin, into: &actions)
            return
        }
        guard relays.count < configuration.relaysMax, table.status(of: target) != nil else {
            return
        }
        let relay = Relay(
            sequence: nextSequence(),
            target: target,
            origin: origin,
            originSequence: sequence,
            expiresAt: now + configuration.protocolPeriod
        )
        relays.append(relay)
        send(.ping(relay.sequence), to: target, into: &actions)
    }

    /// Ends the probe that an ack belongs to, or passes the ack on to the member that waits for it.
    mutating func ackReceived(
        _ sequence: ProbeSequence,
        from sender: NodeID,
        into actions: inout [Action]
    ) {
        probes.removeAll { probe in
            probe.sequence == sequence
                && (probe.target == sender || probe.helpers.contains(sender))
        }
        let isAnswered = { (relay: Relay) in relay.sequence == sequence && relay.target == sender }
        let answered = relays.filter(isAnswered)
        relays.removeAll(where: isAnswered)
        for relay in answered {
            // The belief carries the target's incarnation, which the ack itself cannot.
            let belief = table.belief(about: relay.target).map { [$0] } ?? []
            send(.ack(relay.originSequence), to: relay.origin, saying: belief, into: &actions)
        }
    }

    /// Puts a member behind those that wait for a probe out of turn.
    mutating func enqueueOutOfTurn(_ id: NodeID) {
        guard !outOfTurn.contains(id) else { return }
        outOfTurn.append(id)
    }

    /// Starts the probes that wait, as far as this period's bound allows.
    mutating func startOutOfTurnProbes(now: Duration, into actions: inout [Action]) {
        while outOfTurnLeft > 0, !outOfTurn.isEmpty {
            let target = outOfTurn.removeFirst()
            // Who is being probed will be judged by that probe.
            guard !probes.contains(where: { $0.target == target }) else { continue }
            outOfTurnLeft -= 1
            startProbe(of: target, now: now, into: &actions)
        }
    }

    private mutating func enqueueNextAbsent() {
        let absent = table.ids { !$0.isAlive }
        let next = absent.first { id in lastAbsent.map { $0 < id } ?? true } ?? absent.first
        lastAbsent = next
        if let next { enqueueOutOfTurn(next) }
    }

    private mutating func startProbe(
        of target: NodeID,
        now: Duration,
        into actions: inout [Action]
    ) {
        let probe = Probe(
            sequence: nextSequence(),
            target: target,
            incarnation: table.belief(about: target)?.incarnation,
            stage: .direct(until: now + configuration.pingTimeout)
        )
        probes.append(probe)
        send(.ping(probe.sequence), to: target, into: &actions)
    }

    private mutating func nextSequence() -> ProbeSequence {
        lastSequence += 1
        return ProbeSequence(lastSequence)
    }
}
