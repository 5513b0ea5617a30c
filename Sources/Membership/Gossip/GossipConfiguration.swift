/// The times and bounds of the gossip protocol; all members should use the same.
///
/// With the defaults a node that is killed is held dead by all others about 3.5 s after a connection
/// to it broke, or after its next probe if none did.
package struct GossipConfiguration: Hashable, Sendable {
    /// How often a member is probed, and how long a probe takes at most (T' in SWIM, section 3.1).
    ///
    /// 10 ms to 60 s; default 500 ms.
    package var protocolPeriod: Duration

    /// How long a ping waits for its ack before other members are asked to ping.
    ///
    /// At least 1 ms and shorter than the period, the rest of which is for the indirect answers;
    /// default 200 ms. It should lie well over a round trip between the farthest members.
    package var pingTimeout: Duration

    /// How many members are asked to ping in one's stead (k in SWIM, section 3.1).
    ///
    /// 0 to 16; default 3.
    package var indirectProbes: Int

    /// How long a suspect has to refute, in a cluster of up to ten nodes (SWIM, section 4.2).
    ///
    /// Two periods to 10 min; default 3 s. A larger cluster of n nodes waits log10(n) times as long,
    /// since rumour and refutation need that many more rounds.
    package var suspicionTimeout: Duration

    /// How often one of the members that are dead or unheard is probed.
    ///
    /// One period to 1 h; default 2 s. This is what reconnects the two sides of a partition once it
    /// has healed; they would never speak again otherwise.
    package var absentProbeInterval: Duration

    /// Each update is sent this often times log2 of the cluster's size (lambda in SWIM, section 4.1).
    ///
    /// 1 to 32; default 3.
    package var disseminationFactor: Int

    /// How many updates a message carries at most.
    ///
    /// 4 to ``GossipMessage/updatesMax``; default 16, which makes a message of at most 434 bytes.
    package var updatesPerMessageMax: Int

    /// How many probes may start in one period beside the one whose turn it is.
    ///
    /// 1 to 256; default 8. They serve members newly registered, suspect, absent, or whose
    /// connection broke; what does not fit waits for the next period.
    package var outOfTurnProbesMax: Int

    /// How many pings may be under way at once in other members' stead.
    ///
    /// 1 to 65,536; default 256. A ping-request over that is dropped, as if the message were lost.
    package var relaysMax: Int

    /// A configuration; what is not given has its default.
    package init(
        protocolPeriod: Duration = .milliseconds(500),
        pingTimeout: Duration = .milliseconds(200),
        indirectProbes: Int = 3,
        suspicionTimeout: Duration = .seconds(3),
        absentProbeInterval: Duration = .seconds(2),
        disseminationFactor: Int = 3,
        updatesPerMessageMax: Int = 16,
        outOfTurnProbesMax: Int = 8,
        relaysMax: Int = 256
    ) {
        self.protocolPeriod = protocolPeriod
        self.pingTimeout = pingTimeout
        self.indirectProbes = indirectProbes
        self.suspicionTimeout = suspicionTimeout
        self.absentProbeInterval = absentProbeInterval
        self.disseminationFactor = disseminationFactor
        self.updatesPerMessageMax = updatesPerMessageMax
        self.outOfTurnProbesMax = outOfTurnProbesMax
        self.relaysMax = relaysMax
    }

    /// Checks every bound, and tells all that is wrong at once.
    ///
    /// - Throws: one error with a line for each field that is out of its bounds.
    package func validate() throws(GossipConfigurationError) {
        var problems: [String] = []
        func require<Value: Comparable>(
            _ value: Value,
            in range: ClosedRange<Value>,
            _ field: String
        ) {
            guard !range.contains(value) else { return }
            problems.append(
                "\(field) is \(value); choose \(range.lowerBound) to \(range.upperBound)"
            )
        }
        require(protocolPeriod, in: .milliseconds(10)...(.seconds(60)), "protocolPeriod")
        // The bounds of the next three follow from the period, whatever it is.
        let period = min(max(protocolPeriod, .milliseconds(10)), .seconds(60))
        require(pingTimeout, in: .milliseconds(1)...(period - .milliseconds(1)), "pingTimeout")
        require(suspicionTimeout, in: (period * 2)...(.seconds(600)), "suspicionTimeout")
        require(absentProbeInterval, in: period...(.seconds(3600)), "absentProbeInterval")
        require(indirectProbes, in: 0...16, "indirectProbes")
        require(disseminationFactor, in: 1...32, "disseminationFactor")
        require(updatesPerMessageMax, in: 4...GossipMessage.updatesMax, "updatesPerMessageMax")
        require(outOfTurnProbesMax, in: 1...256, "outOfTurnProbesMax")
        require(relaysMax, in: 1...65_536, "relaysMax")
        guard problems.isEmpty else { throw GossipConfigurationError(problems: problems) }
    }

    /// How long a suspect has to refute in a cluster of this size.
    ///
    /// - Parameter clusterSize: all registered nodes, this one among them.
    /// - Returns: ``suspicionTimeout``, times log10 of the size if that is over one.
    package func suspicionTimeout(clusterSize: Int) -> Duration {
        suspicionTimeout * max(1_000, Self.log10Thousandths(clusterSize)) / 1_000
    }

    /// How often one update is sent by each member in a cluster of this size.
    ///
    /// - Parameter clusterSize: all registered nodes, this one among them.
    /// - Returns: the factor times the number of bits of the size, at least the factor.
    package func transmissions(clusterSize: Int) -> Int {
        // The bits of a number n are log2(n + 1), rounded up.
        disseminationFactor * (Int.bitWidth - max(1, clusterSize).leadingZeroBitCount)
    }

    /// The share of a probe that is left for the indirect answers.
    var indirectTimeout: Duration { protocolPeriod - pingTimeout }

    /// 1,000 times the decimal logarithm, digit by digit: the standard library has no logarithm.
    private static func log10Thousandths(_ number: Int) -> Int {
        var rest = Double(max(1, number))
        var result = 0
        for digit in [1_000, 100, 10, 1] {
            while rest >= 10 {
                rest /= 10
                result += digit
            }
            let square = rest * rest
            let fourth = square * square
            rest = fourth * fourth * square
        }
        return result
    }
}

/// Every field of a gossip configuration that is out of its bounds.
package struct GossipConfigurationError: Error, Hashable, CustomStringConvertible {
    /// One line for each field: its name, its value, and the bounds.
    package let problems: [String]

    package var description: String {
        "the gossip configuration is refused: " + problems.joined(separator: "; ")
    }
}
