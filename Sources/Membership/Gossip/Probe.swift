import TokenPlacement

/// A probe of one member that is under way (SWIM, section 3.1).
struct Probe: Sendable {
    /// How far the probe has come.
    ///
    /// Every ack of its sequence, from the target or a helper, ends it.
    enum Stage: Sendable {
        /// Pinged, no ack yet. Exits: an ack ends the probe; the time runs out or the connection
        /// breaks -> indirect.
        case direct(until: Duration)
        /// The helpers were asked to ping. Exits: an ack ends the probe, a late one from the target
        /// too; the time runs out -> the probe failed.
        case indirect(until: Duration)
    }

    let sequence: ProbeSequence
    let target: NodeID
    /// The target's incarnation when it was pinged; none while the target is unheard.
    ///
    /// Only that one may be suspected, so that a refutation heard in the meantime stands.
    let incarnation: Incarnation?
    var stage: Stage
    /// The members that were asked to ping.
    var helpers: [NodeID] = []

    /// When the stage is over.
    var deadline: Duration {
        switch stage {
        case .direct(let until), .indirect(let until): until
        }
    }
}

/// A ping in another member's stead: the helper's side of an indirect probe.
struct Relay: Sendable {
    /// The sequence of the helper's own ping.
    let sequence: ProbeSequence
    let target: NodeID
    /// Who asked, and the sequence under which it expects the ack.
    let origin: NodeID
    let originSequence: ProbeSequence
    /// When the origin has given up waiting.
    let expiresAt: Duration
}
