import Catalog
import Internode
import NIOCore
import NIOPosix
import PeerMessages
import Testing
import TokenPlacement

struct InternodeTests {
    private let first = NodeID(high: 0, low: 1)
    private let second = NodeID(high: 0, low: 2)

    private func fetch(_ offset: Int, count: Int = 1) throws -> PeerMessage {
        let hash = try #require(ModelHash([UInt8](repeating: 7, count: 32)))
        return .fetchModel(hash, offset: offset, count: count)
    }

    /// Nothing times out because other tests hold the cores.
    private static var patient: InternodeConfiguration {
        var configuration = InternodeConfiguration()
        configuration.connectTimeout = .seconds(30)
        return configuration
    }

    /// Two nodes of which the first knows the second, which listens.
    private func withPair(
        _ configuration: InternodeConfiguration = InternodeTests.patient,
        cluster: NodeID? = TestNode.cluster,
        second id: NodeID = NodeID(high: 0, low: 2),
        _ body: (TestNode, TestNode) async throws -> Void
    ) async throws {
        let one = try await TestNode(first, configuration: configuration)
        let two = try await TestNode(
            id,
            cluster: cluster,
            epoch: Epoch(9),
            configuration: configuration
        )
        let listener = try await two.listen()
        try await one.knows(two, as: second)
        try await body(one, two)
        try await listener.close()
        try await one.stop()
        try await two.stop()
    }

    // MARK: Requests

    @Test(arguments: TrafficClass.allCases)
    func `a request is answered, and both sides learn the other's epoch`(
        trafficClass: TrafficClass
    ) async throws {
        try await withPair { one, two in
            let answer = await one.request(
                try fetch(5, count: 3),
                to: second,
                class: trafficClass
            )
            #expect(try answer.get() == .modelBytes([5, 5, 5]))
            #expect(try await two.epochs == [Epoch(1)])
            #expect(try await one.epochs == [Epoch(9)])
        }
    }

    @Test func `many requests in flight get each its own answer`() async throws {
        try await withPair { one, _ in
            let messages = try (0..<500).map { try fetch($0, count: 1 + $0 % 40) }
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for (place, message) in messages.enumerated() {
                    group.addTask {
                        let answer = try await one.request(message, to: second).get()
                        let byte = UInt8(truncatingIfNeeded: place)
                        let bytes = [UInt8](repeating: byte, count: 1 + place % 40)
                        return answer == .modelBytes(bytes)
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test func `an answer longer than a read of the socket comes whole`() async throws {
        try await withPair { one, _ in
            let answer = try await one.request(try fetch(3, count: 5 << 20), to: second).get()
            #expect(answer == .modelBytes([UInt8](repeating: 3, count: 5 << 20)))
        }
    }

    @Test
    func `one-way messages arrive in order, those from before the connection first`() async throws {
        try await withPair { one, two in
            try await one.withPeers { peers in
                for byte in UInt8(0)..<100 {
                    peers.send(.gossip([byte]), to: NodeID(high: 0, low: 2), class: .urgent)
                }
            }
            #expect(try await eventually { try await two.messages.count == 100 })
            try await one.withPeers { peers in
                for byte in UInt8(100)..<200 {
                    peers.send(.gossip([byte]), to: NodeID(high: 0, low: 2), class: .urgent)
                }
            }
            #expect(try await eventually { try await two.messages.count == 200 })
            #expect(try await two.messages == (0..<200).map { .gossip([$0]) })
        }
    }

    @Test func `one-way messages that wait for a connection are bounded`() async throws {
        try await withPair { one, two in
            try await one.withPeers { peers in
                for _ in 0..<1000 {
                    peers.send(.gossip([1]), to: NodeID(high: 0, low: 2), class: .urgent)
                }
            }
            #expect(try await eventually { try await two.messages.count == 256 })
        }
    }

    @Test func `more requests than may wait are overloaded`() async throws {
        var configuration = Self.patient
        configuration.pendingRequestsMax = 2
        try await withPair(configuration) { one, two in
            let waiting = (1...2).map { epoch in
                Task { await one.request(.awaitEpoch(Epoch(epoch)), to: second) }
            }
            #expect(try await eventually { try await two.messages.count == 2 })
            let refused = await one.request(.awaitEpoch(Epoch(3)), to: second).failure
            #expect(refused?.code == .overloaded)
            try await one.withPeers { $0.stop() }
            for request in waiting {
                #expect(await request.value.failure?.code == .disconnected)
            }
        }
    }

    // MARK: Handshake

    @Test func `a node of another cluster is refused, with the reason`() async throws {
        try await withPair(cluster: NodeID(high: 0xC, low: 2)) { one, two in
            let failure = await one.request(try fetch(1), to: second).failure
            #expect(failure?.code == .disconnected)
            #expect(failure?.text.contains("belongs to another cluster") == true)
            #expect(try await two.messages == [])
        }
    }

    @Test func `a node without a cluster takes no messages`() async throws {
        try await withPair(cluster: nil) { one, two in
            let failure = await one.request(try fetch(1), to: second).failure
            #expect(failure?.text.contains("has not joined a cluster yet") == true)
            #expect(try await two.messages == [])
        }
    }

    @Test func `a copied data folder shows as two nodes with one id`() async throws {
        try await withPair(second: first) { one, _ in
            let failure = await one.request(try fetch(1), to: second).failure
            #expect(failure?.text.contains("two nodes have the id \(first)") == true)
        }
    }

    @Test func `another node at a known address is refused`() async throws {
        let stranger = NodeID(high: 0, low: 3)
        try await withPair(second: stranger) { one, _ in
            let failure = await one.request(try fetch(1), to: second).failure
            #expect(failure?.text.contains("\(stranger) answers where \(second)") == true)
        }
    }

    // MARK: Failures

    @Test func `a node whose address is not known fails at once`() async throws {
        try await withPair { one, _ in
            let failure = await one.request(try fetch(1), to: NodeID(high: 0, low: 9)).failure
            #expect(failure?.code == .disconnected)
            #expect(failure?.text.contains("its address is not known") == true)
        }
    }

    @Test func `nobody listens, then somebody does: the connection is made again`() async throws {
        var configuration = Self.patient
        configuration.reconnectDelay = .milliseconds(100)
        let one = try await TestNode(first, configuration: configuration)
        let two = try await TestNode(second, configuration: configuration)
        try await one.knows(two)
        let failures = try await one.requestAgain(try fetch(1), to: second)
        #expect(failures.map { $0?.code } == [.disconnected, .disconnected])
        #expect(failures[0]?.text.contains("the connection to node") == true)
        #expect(failures[1]?.text.contains("cannot be reached") == true, "not so soon again")
        let listener = try await two.listen()
        let message = try fetch(4)
        #expect(
            try await eventually {
                await one.request(message, to: second) == .success(.modelBytes([4]))
            }
        )
        try await listener.close()
        try await one.stop()
        try await two.stop()
    }

    @Test func `a lost connection fails what waits on it, and its owner is told`() async throws {
        var configuration = Self.patient
        configuration.reconnectDelay = .milliseconds(1)
        try await withPair(configuration) { one, two in
            let waiting = (0..<20).map { place in
                Task { await one.request(.awaitEpoch(Epoch(UInt64(place))), to: second) }
            }
            #expect(try await eventually { try await two.messages.count == 20 })
            // The second node drops all its connections, but lives on.
            try await two.withPeers { $0.stop() }
            for task in waiting { #expect(await task.value.failure?.code == .disconnected) }
            // Also the connection over which they were sent once more.
            #expect(try await one.lost.allSatisfy { $0 == second })
            #expect((1...2).contains(try await one.lost.count))
        }
    }

    @Test
    func `what waits for a node that is held dead fails, and it can come back`() async throws {
        var configuration = Self.patient
        configuration.reconnectDelay = .milliseconds(1)
        try await withPair(configuration) { one, two in
            let waiting = Task { await one.request(.awaitEpoch(Epoch(5)), to: second) }
            let came = try await eventually { try await two.messages.count == 1 }
            #expect(came)
            try await one.withPeers { $0.giveUp(on: NodeID(high: 0, low: 2)) }
            let failure = await waiting.value.failure
            #expect(failure?.code == .disconnected)
            #expect(failure?.text.contains("it is held dead") == true)
            let answer = await one.request(try fetch(1), to: second)
            #expect(answer == .success(.modelBytes([1])))
        }
    }

    @Test func `a request that is never answered fails after the time-out`() async throws {
        var configuration = Self.patient
        configuration.requestTimeout = .seconds(3)
        try await withPair(configuration) { one, two in
            let failure = await one.request(.awaitEpoch(Epoch(5)), to: second).failure
            #expect(failure?.code == .disconnected)
            #expect(failure?.text.contains("did not answer in time") == true)
            let messages = try await two.messages
            #expect(messages.count == 1)
            let answer = await one.request(try fetch(1), to: second)
            #expect(answer == .success(.modelBytes([1])))
        }
    }

    @Test func `a peer that accepts and says nothing fails the request in time`() async throws {
        var configuration = Self.patient
        configuration.connectTimeout = .seconds(3)
        let one = try await TestNode(first, configuration: configuration)
        let two = try await TestNode(second)
        let mute = try await ServerBootstrap(group: two.group).bind(to: two.address).get()
        try await one.knows(two)
        let failure = await one.request(try fetch(1), to: second).failure
        #expect(failure?.code == .disconnected)
        #expect(failure?.text.contains("no handshake within 3.0 seconds") == true)
        try await mute.close().get()
        try await one.stop()
        try await two.stop()
    }

    @Test
    func `stopping fails what waits, also for a connection that is not made yet`() async throws {
        let one = try await TestNode(first, configuration: Self.patient)
        let two = try await TestNode(second)
        let mute = try await ServerBootstrap(group: two.group).bind(to: two.address).get()
        try await one.knows(two)
        let message = try fetch(1)
        let waiting = Task { await one.request(message, to: second) }
        try await Task.sleep(for: .milliseconds(50))
        try await one.withPeers { $0.stop() }
        #expect(await waiting.value.failure?.text.contains("this node stops") == true)
        #expect(await one.request(message, to: second).failure?.code == .disconnected)
        try await mute.close().get()
        try await one.stop()
        try await two.stop()
    }

    // MARK: Limits and broken bytes

    @Test func `a message over the limit fails by itself, the connection lives on`() async throws {
        var configuration = Self.patient
        configuration.frameBytesMax = 1000
        try await withPair(configuration) { one, _ in
            let long = PeerMessage.write([
                Mutation(
                    table: TableID(1),
                    partition: PartitionRef(key: [1]),
                    operand: [UInt8](repeating: 1, count: 1000)
                )
            ])
            #expect(try await one.request(try fetch(1), to: second).get() == .modelBytes([1]))
            let sent = await one.request(long, to: second).failure
            #expect(sent?.code == .invalid)
            #expect(sent?.text.contains("longer than 1000 bytes") == true)
            let answered = await one.request(try fetch(1, count: 2000), to: second).failure
            #expect(answered?.code == .invalid)
            #expect(answered?.text.contains("the answer is longer") == true)
            #expect(try await one.request(try fetch(2), to: second).get() == .modelBytes([2]))
        }
    }

    @Test func `a frame that announces more than the limit closes the connection`() async throws {
        try await withPair { one, two in
            let client = try await RawClient.connect(to: two)
            try await client.send(RawClient.handshake(NodeID(high: 0, low: 8)))
            #expect(try await eventually { try await client.received.count == 35 })
            try await client.send([0x7F, 0xFF, 0xFF, 0xFF, 1])
            #expect(try await eventually { client.isClosed })
            #expect(try await one.request(try fetch(1), to: second).get() == .modelBytes([1]))
        }
    }

    @Test
    func `bytes that are no handshake, or of another version, close the connection`() async throws {
        try await withPair { one, two in
            let node = NodeID(high: 0, low: 8)
            for bytes in [
                [UInt8](repeating: 0xFF, count: 100), RawClient.handshake(node, magic: "HTTP"),
                RawClient.handshake(node, version: 1), RawClient.handshake(node, class: 9),
            ] {
                let client = try await RawClient.connect(to: two)
                try await client.send(bytes)
                #expect(try await eventually { client.isClosed })
                #expect(try await client.received == [])
            }
            #expect(try await one.request(try fetch(1), to: second).get() == .modelBytes([1]))
        }
    }

    @Test func `a message that cannot be decoded closes its connection only`() async throws {
        try await withPair { one, two in
            for body in [[UInt8](), [99], [UInt8](repeating: 0xFF, count: 40)] {
                let client = try await RawClient.connect(to: two)
                try await client.send(RawClient.handshake(NodeID(high: 0, low: 8)))
                try await client.send(RawClient.frame(body))
                #expect(try await eventually { client.isClosed })
            }
            #expect(try await one.request(try fetch(1), to: second).get() == .modelBytes([1]))
        }
    }

    @Test
    func `a frame with a flipped bit closes its connection, wherever the bit is`() async throws {
        try await withPair { one, two in
            let frame = RawClient.frame(try fetch(1), correlation: 1)
            // A flipped bit of the length makes a frame that is over the limit, or ends too early.
            for place in [0, 4, 7, 8, frame.count / 2, frame.count - 1] {
                let client = try await RawClient.connect(to: two)
                try await client.send(RawClient.handshake(NodeID(high: 0, low: 8)))
                #expect(try await eventually { try await client.received.count == 35 })
                var damaged = frame
                damaged[place] ^= 0x40
                try await client.send(damaged)
                #expect(try await eventually { client.isClosed }, "byte \(place)")
                #expect(try await client.received.count == 35)
            }
        }
    }

    @Test func `a client that never says who it is is closed`() async throws {
        var configuration = Self.patient
        configuration.connectTimeout = .milliseconds(100)
        try await withPair(configuration) { _, two in
            // On a busy machine it is closed before this client is set up.
            let client = try? await RawClient.connect(to: two)
            try? await client?.send([0x4D])
            let isClosed = try await eventually { client?.isClosed ?? true }
            #expect(isClosed)
        }
    }

    @Test
    func `handshake and message are understood byte by byte, and several at once`() async throws {
        try await withPair { _, two in
            let message = try fetch(6, count: 2)
            let bytes =
                RawClient.handshake(NodeID(high: 0, low: 8))
                + RawClient.frame(message, correlation: 1)
                + RawClient.frame(message, correlation: 2)
            let answers =
                RawClient.frame(.modelBytes([6, 6]), correlation: 1).count
                + RawClient.frame(.modelBytes([6, 6]), correlation: 2).count
            let slow = try await RawClient.connect(to: two)
            for byte in bytes { try await slow.send([byte]) }
            #expect(try await eventually { try await slow.received.count == 35 + answers })
            let fast = try await RawClient.connect(to: two)
            try await fast.send(bytes)
            #expect(try await eventually { try await fast.received.count == 35 + answers })
            #expect(try await slow.received == fast.received)
        }
    }

    // MARK: Probe

    @Test func `a probe asks a node of which only the address is known`() async throws {
        try await withPair { one, two in
            let answer = try await PeerProbe.ask(
                try fetch(2),
                at: two.address,
                node: one.id,
                cluster: nil,
                epoch: .zero,
                timeout: .seconds(30),
                eventLoop: one.loop
            )
            #expect(answer == .modelBytes([2]))
        }
    }

    @Test func `a probe of a node that does not answer fails in time and hangs up`() async throws {
        try await withPair { one, two in
            let address = two.address
            let failure = await #expect(throws: PeerFailure.self) {
                try await PeerProbe.ask(
                    .awaitEpoch(Epoch(5)),
                    at: address,
                    node: one.id,
                    cluster: nil,
                    epoch: .zero,
                    timeout: .seconds(3),
                    eventLoop: one.loop
                )
            }
            #expect(failure?.text.contains("did not answer in time") == true)
            let messages = try await two.messages
            #expect(messages == [.awaitEpoch(Epoch(5))])
        }
    }

    @Test func `a probe of a port where nobody listens fails`() async throws {
        let one = try await TestNode(first)
        let two = try await TestNode(second)
        await #expect(throws: PeerFailure.self) {
            try await PeerProbe.ask(
                try fetch(1),
                at: two.address,
                node: one.id,
                cluster: nil,
                epoch: .zero,
                timeout: .seconds(30),
                eventLoop: one.loop
            )
        }
        try await one.stop()
        try await two.stop()
    }
}
