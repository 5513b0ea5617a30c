import Gossip
import Testing

/// The configuration's bounds and what follows from the cluster's size.
@Suite struct GossipConfigurationTests {
    @Test func `the defaults are valid`() throws {
        try GossipConfiguration().validate()
    }

    @Test func `the ends of every bound are valid`() throws {
        try GossipConfiguration(
            protocolPeriod: .milliseconds(10),
            pingTimeout: .milliseconds(9),
            indirectProbes: 0,
            suspicionTimeout: .milliseconds(20),
            absentProbeInterval: .milliseconds(10),
            disseminationFactor: 1,
            updatesPerMessageMax: 4,
            outOfTurnProbesMax: 1,
            relaysMax: 1
        ).validate()
        try GossipConfiguration(
            protocolPeriod: .seconds(60),
            pingTimeout: .milliseconds(59_999),
            indirectProbes: 16,
            suspicionTimeout: .seconds(600),
            absentProbeInterval: .seconds(3600),
            disseminationFactor: 32,
            updatesPerMessageMax: 64,
            outOfTurnProbesMax: 256,
            relaysMax: 65_536
        ).validate()
    }

    @Test func `all that is wrong is told at once`() throws {
        let configuration = GossipConfiguration(
            protocolPeriod: .milliseconds(9),
            pingTimeout: .zero,
            indirectProbes: 17,
            suspicionTimeout: .milliseconds(19),
            absentProbeInterval: .seconds(3601),
            disseminationFactor: 0,
            updatesPerMessageMax: 65,
            outOfTurnProbesMax: 0,
            relaysMax: 0
        )
        let error = try #require(throws: GossipConfigurationError.self) {
            try configuration.validate()
        }
        let fields = error.problems.map { $0.prefix { $0 != " " } }
        #expect(
            fields == [
                "protocolPeriod", "pingTimeout", "suspicionTimeout", "absentProbeInterval",
                "indirectProbes", "disseminationFactor", "updatesPerMessageMax",
                "outOfTurnProbesMax", "relaysMax",
            ]
        )
        #expect(error.description.contains("indirectProbes is 17; choose 0 to 16"))
    }

    @Test func `a ping timeout as long as the period is refused`() {
        let configuration = GossipConfiguration(pingTimeout: .milliseconds(500))
        #expect(throws: GossipConfigurationError.self) { try configuration.validate() }
        #expect(throws: GossipConfigurationError.self) {
            try GossipMachine(
                configuration: configuration,
                localNode: node("a"),
                incarnation: Incarnation(clamping: 1),
                seed: 1,
                now: .zero
            )
        }
    }

    @Test(arguments: [
        (0, 3_000), (1, 3_000), (10, 3_000), (20, 3_903), (100, 6_000), (1_000, 9_000),
        (5_000, 11_094),
    ])
    func `the suspicion timeout grows with the decimal logarithm`(size: Int, milliseconds: Int) {
        let timeout = GossipConfiguration().suspicionTimeout(clusterSize: size)
        #expect(timeout == .milliseconds(milliseconds))
    }

    @Test(arguments: [(0, 3), (1, 3), (2, 6), (3, 6), (4, 9), (7, 9), (8, 12), (1_000, 30)])
    func `updates are sent a logarithmic number of times`(size: Int, transmissions: Int) {
        #expect(GossipConfiguration().transmissions(clusterSize: size) == transmissions)
    }

    @Test func `the greatest incarnation is followed by itself`() {
        #expect(Incarnation(clamping: 1).next == Incarnation(clamping: 2))
        #expect(Incarnation(clamping: .max) == .max)
        #expect(Incarnation.max.next == .max)
        #expect(Incarnation.max.number == 0x7FFF_FFFF_FFFF_FFFF)
    }
}
