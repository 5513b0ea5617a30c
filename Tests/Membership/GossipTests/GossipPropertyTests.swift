import Gossip
import Testing

/// What must hold in every run of the protocol: completeness, accuracy and convergence.
@Suite struct GossipPropertyTests {
    static let runs: [(size: Int, seed: UInt64)] = (3...10).flatMap { size in
        (1...3).map { (size, UInt64($0)) }
    }

    /// Round-robin's bound on the first probe (SWIM, section 4.3), the probe, the suspicion, the rumor.
    static func detectionBound(size: Int) -> Duration {
        .milliseconds(500) * (2 * size - 1 + 1 + size) + .seconds(3)
    }

    @Test(arguments: runs)
    func `all nodes of a new cluster hold each other alive within a second`(
        size: Int,
        seed: UInt64
    ) throws {
        var network = try GossipNetwork(size: size, seed: seed)
        #expect(network.run(atMost: .seconds(1)) { $0.agrees } != nil)
    }

    @Test(arguments: runs)
    func `without loss nobody is ever suspected`(size: Int, seed: UInt64) throws {
        var network = try GossipNetwork(size: size, seed: seed)
        _ = network.run(atMost: .seconds(60))
        #expect(network.changes.allSatisfy { $0.status == .alive })
        #expect(network.changes.count == size * (size - 1))
    }

    @Test(arguments: runs)
    func `a killed node is held dead by all within the bound, and no other one is`(
        size: Int,
        seed: UInt64
    ) throws {
        var network = try GossipNetwork(size: size, seed: seed)
        _ = network.run(atMost: .seconds(5))
        let victim = Int(seed) % size
        network.kill(victim)
        let taken = network.run(atMost: Self.detectionBound(size: size)) { $0.agrees }
        #expect(taken != nil)
        #expect(try #require(taken) >= .seconds(3))
        let doubted = network.changes.filter { $0.status != .alive }.map(\.member)
        #expect(Set(doubted) == [victim])
    }

    @Test(arguments: runs)
    func `a restarted node is alive everywhere within two periods`(
        size: Int,
        seed: UInt64
    ) throws {
        var network = try GossipNetwork(size: size, seed: seed)
        network.kill(0)
        #expect(network.run(atMost: .seconds(30)) { $0.agrees } == nil, "unheard is never dead")
        try network.start(0, incarnation: 2_000)
        #expect(network.run(atMost: .seconds(1)) { $0.agrees } != nil)
        network.kill(0)
        #expect(network.run(atMost: Self.detectionBound(size: size)) { $0.agrees } != nil)
        try network.start(0, incarnation: 3_000)
        #expect(network.run(atMost: .seconds(1)) { $0.agrees } != nil)
    }

    @Test(arguments: runs)
    func `a node that restarts with its clock set back is alive everywhere too`(
        size: Int,
        seed: UInt64
    ) throws {
        var network = try GossipNetwork(size: size, seed: seed)
        _ = network.run(atMost: .seconds(2))
        network.kill(0)
        #expect(network.run(atMost: Self.detectionBound(size: size)) { $0.agrees } != nil)
        try network.start(0, incarnation: 5)
        #expect(network.run(atMost: .seconds(1)) { $0.agrees } != nil)
        #expect(try #require(network.machines[0]).incarnation.number > 1_000)
    }

    @Test(arguments: runs)
    func `with a fifth of the messages lost a dead node is found and the rest converges`(
        size: Int,
        seed: UInt64
    ) throws {
        var network = try GossipNetwork(size: size, seed: seed)
        _ = network.run(atMost: .seconds(2))
        network.lossPerMille = 200
        _ = network.run(atMost: .seconds(10))
        let victim = Int(seed) % size
        network.kill(victim)
        // A lost message may delay, not prevent: there is one moment at which all hold it dead.
        let isFound = { (network: GossipNetwork) in
            network.machines.allSatisfy { machine in
                machine.map { $0.status(of: GossipNetwork.id(victim)) == .dead } ?? true
            }
        }
        let bound = Self.detectionBound(size: size) * 2
        #expect(network.run(atMost: bound, until: isFound) != nil)
        network.lossPerMille = 0
        _ = network.run(atMost: .seconds(1))  // Probes that lost a message are still under way.
        #expect(network.run(atMost: .seconds(15)) { $0.agrees } != nil)
        let changesBefore = network.changes.count
        _ = network.run(atMost: .seconds(30))
        #expect(network.changes.count == changesBefore, "the agreement is stable")
    }

    @Test(arguments: runs)
    func `a partition makes both sides hold each other dead, and heals`(
        size: Int,
        seed: UInt64
    ) throws {
        var network = try GossipNetwork(size: size, seed: seed)
        _ = network.run(atMost: .seconds(2))
        let sides = (0..<size).map { $0 % 2 }
        network.sides = sides
        let isSplit = { (network: GossipNetwork) in
            network.machines.indices.allSatisfy { observer in
                network.machines.indices.allSatisfy { member in
                    let status = network.machines[observer]?.status(of: GossipNetwork.id(member))
                    return status == (sides[observer] == sides[member] ? .alive : .dead)
                }
            }
        }
        #expect(network.run(atMost: .seconds(30), until: isSplit) != nil)
        _ = network.run(atMost: .seconds(30))
        #expect(isSplit(network))
        network.sides = []
        #expect(network.run(atMost: .seconds(6)) { $0.agrees } != nil)
    }

    @Test func `a lossy network with one seed gives one trace, with another seed another`() throws {
        func trace(seed: UInt64) throws -> [String] {
            var network = try GossipNetwork(size: 6, seed: seed)
            network.lossPerMille = 300
            network.isTracing = true
            _ = network.run(atMost: .seconds(20))
            return network.trace
        }
        let first = try trace(seed: 7)
        #expect(first.count > 500)
        #expect(try trace(seed: 7) == first)
        #expect(try trace(seed: 8) != first)
    }

    @Test func `a quiet cluster sends two messages per node and period`() throws {
        var network = try GossipNetwork(size: 10, seed: 3)
        _ = network.run(atMost: .seconds(10))
        let before = network.messagesSent
        _ = network.run(atMost: .seconds(50))
        let perNodeAndPeriod = Double(network.messagesSent - before) / 10 / 100
        #expect(abs(perNodeAndPeriod - 2) < 0.05)
        #expect(network.encodedBytesMax <= 434)
    }

    @Test func `thirty nodes agree, lose a third at once, and agree again`() throws {
        var network = try GossipNetwork(size: 30, seed: 11)
        #expect(network.run(atMost: .seconds(8)) { $0.agrees } != nil)
        for index in 0..<10 { network.kill(index * 3) }
        #expect(network.run(atMost: .seconds(40)) { $0.agrees } != nil)
        let doubted = network.changes.filter { $0.status == .dead }.map(\.member)
        #expect(Set(doubted) == Set((0..<10).map { $0 * 3 }))
    }
}
