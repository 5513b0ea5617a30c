import Catalog
import NativeProtocol
import NativeServer
import Testing

struct NativeServerTests {
    private let startup = Request.startup(options: ["CQL_VERSION": "3.4.5"])
    private let void = Request.query("x", QueryParameters(consistency: .one))

    // MARK: Before STARTUP

    @Test func `OPTIONS is answered at any time`() async throws {
        try await TestServer.run { server in
            let client = try await TestClient(server)
            let supported = Response.supported([
                "COMPRESSION": [], "CQL_VERSION": ["3.4.7"], "PROTOCOL_VERSIONS": ["4/v4"],
            ])
            #expect(try await client.ask(.options, 3, after: 0)?.response == supported)
            #expect(try await client.ask(startup, 4, after: 1)?.response == .ready)
            #expect(try await client.ask(.options, 5, after: 2)?.response == supported)
        }
    }

    @Test func `a request before STARTUP is refused, and STARTUP still possible`() async throws {
        try await TestServer.run { server in
            let client = try await TestClient(server)
            for (place, request) in [void, .register([.statusChange]), .prepare("x")].enumerated() {
                let answer = try await client.ask(request, Int16(place), after: place)
                #expect(answer?.stream == Int16(place))
                #expect(answer?.error?.detail == .protocolError)
            }
            #expect(try await server.executedCount == 0)
            #expect(try await client.ask(startup, 9, after: 3)?.response == .ready)
            #expect(try await client.ask(void, 9, after: 4)?.response == .void)
        }
    }

    @Test(arguments: [
        [:], ["CQL_VERSION": "4.0.0"], ["CQL_VERSION": "3.0.0", "COMPRESSION": "lz4"],
    ])
    func `a STARTUP that asks for what is not there is refused, and may be sent again`(
        options: [String: String]
    ) async throws {
        try await TestServer.run { server in
            let client = try await TestClient(server)
            let answer = try await client.ask(.startup(options: options), 0, after: 0)
            #expect(answer?.error?.detail == .protocolError)
            #expect(try await client.ask(startup, 1, after: 1)?.response == .ready)
        }
    }

    @Test func `a second STARTUP and an AUTH_RESPONSE are refused`() async throws {
        try await TestServer.run { server in
            let client = try await TestClient.ready(server)
            let again = try await client.ask(startup, 1, after: 1)
            #expect(again?.error?.message == "STARTUP came twice on one connection")
            let auth = try await client.ask(.authResponse([1]), 2, after: 2)
            #expect(auth?.error?.detail == .protocolError)
            #expect(try await client.ask(void, 3, after: 3)?.response == .void)
        }
    }

    // MARK: Requests

    @Test
    func `answers come on the stream of their request, in whatever order they are given`()
        async throws
    {
        try await TestServer.run { server in
            let client = try await TestClient.ready(server)
            for stream in [Int16(7), 0, 32_767] { try await client.query("wait", stream) }
            try await client.query("x", 5)
            #expect(try await client.responses(2).last?.stream == 5)
            try await server.release()
            #expect(try await client.responses(5).map(\.stream) == [0, 5, 32_767, 0, 7])
        }
    }

    @Test func `every connection has a session of its own`() async throws {
        try await TestServer.run { server in
            let one = try await TestClient.ready(server)
            let two = try await TestClient.ready(server)
            try await one.query("use ml", 1)
            #expect(try await one.responses(2).last?.response == .setKeyspace("ml"))
            try await one.query("keyspace", 2)
            try await two.query("keyspace", 2)
            #expect(try await one.responses(3).last?.response == .setKeyspace("ml"))
            #expect(try await two.responses(2).last?.response == .setKeyspace(""))
        }
    }

    @Test
    func `a stream that waits for its answer cannot be used again until it came`() async throws {
        try await TestServer.run { server in
            let client = try await TestClient.ready(server)
            try await client.query("wait", 5)
            let second = try await client.ask(void, 5, after: 1)
            #expect(second?.stream == 5)
            #expect(second?.error?.detail == .protocolError)
            #expect(second?.error?.message.contains("stream 5") == true)
            try await server.release()
            #expect(try await client.responses(3).last?.response == .void)
            #expect(try await client.ask(void, 5, after: 3)?.response == .void)
        }
    }

    @Test func `more requests in flight than allowed are OVERLOADED, and it passes`() async throws {
        var configuration = NativeServerConfiguration()
        configuration.requestsInFlightMax = 2
        try await TestServer.run(configuration) { server in
            let client = try await TestClient.ready(server)
            try await client.query("wait", 1)
            try await client.query("wait", 2)
            let third = try await client.ask(void, 3, after: 1)
            #expect(third?.stream == 3)
            #expect(third?.error?.detail == .overloaded)
            #expect(try await client.ask(.options, 3, after: 2)?.error == nil)
            try await server.release()
            _ = try await client.responses(5)
            #expect(try await client.ask(void, 3, after: 5)?.response == .void)
        }
    }

    @Test func `an answer for a client that has left goes nowhere`() async throws {
        try await TestServer.run { server in
            let client = try await TestClient.ready(server)
            try await client.query("wait", 1)
            #expect(try await eventually { try await server.executedCount == 1 })
            try await client.close()
            #expect(try await eventually { try await server.connectionCount == 0 })
            try await server.release()
            let other = try await TestClient.ready(server)
            #expect(try await other.ask(void, 1, after: 1)?.response == .void)
        }
    }

    // MARK: Frames

    @Test func `several frames in one packet are answered in their order`() async throws {
        try await TestServer.run { server in
            let client = try await TestClient(server)
            var bytes = try TestClient.bytes(startup, 0)
            for stream in Int16(1)...50 { bytes += try TestClient.bytes(void, stream) }
            try await client.send(bytes: bytes)
            #expect(try await client.responses(51).map(\.stream) == Array(0...50))
        }
    }

    @Test func `a frame that comes byte by byte is understood`() async throws {
        try await TestServer.run { server in
            let client = try await TestClient(server)
            for byte in try TestClient.bytes(startup, 1) + TestClient.bytes(void, 2) {
                try await client.send(bytes: [byte])
            }
            #expect(try await client.responses(2).map(\.response) == [.ready, .void])
        }
    }

    @Test func `a truncated frame waits for its rest and harms nobody else`() async throws {
        try await TestServer.run { server in
            let cut = try await TestClient.ready(server)
            try await cut.send(bytes: Array(try TestClient.bytes(void, 1).dropLast()))
            let other = try await TestClient.ready(server)
            #expect(try await other.ask(void, 1, after: 1)?.response == .void)
            #expect(try await cut.responses(1).count == 1)
            try await cut.close()
            #expect(try await eventually { try await server.connectionCount == 1 })
        }
    }

    @Test
    func `a body that cannot be decoded and an unknown opcode fail their request only`()
        async throws
    {
        try await TestServer.run { server in
            let client = try await TestClient.ready(server)
            try await client.send(bytes: [4, 0, 0, 1, 0x07, 0, 0, 0, 2, 0xFF, 0xFF])
            try await client.send(bytes: [4, 0, 0, 2, 0x77, 0, 0, 0, 2, 0xFF, 0xFF])
            let answers = try await client.responses(3)
            #expect(answers.map(\.stream) == [0, 1, 2])
            #expect(answers.dropFirst().allSatisfy { $0.error?.detail == .protocolError })
            #expect(try await client.ask(void, 3, after: 3)?.response == .void)
        }
    }

    @Test func `a frame over the limit is refused, and the connection lives on`() async throws {
        var configuration = NativeServerConfiguration()
        configuration.limits.frameBodyBytesMax = 100
        try await TestServer.run(configuration) { server in
            let client = try await TestClient.ready(server)
            try await client.query(String(repeating: "x", count: 5000), 1)
            let answer = try await client.responses(2).last
            #expect(answer?.stream == 1)
            #expect(answer?.error?.detail == .invalid)
            #expect(answer?.error?.message.contains("the limit is 100") == true)
            #expect(try await client.ask(void, 2, after: 2)?.response == .void)
        }
    }

    @Test
    func `an unknown version is answered so that drivers try another, then closed`() async throws {
        try await TestServer.run { server in
            let client = try await TestClient(server)
            try await client.send(bytes: [5, 0, 0, 9, 0x05, 0, 0, 0, 0])
            let answer = try await client.responses(1).first
            #expect(answer?.error?.detail == .protocolError)
            #expect(
                answer?.error?.message.hasPrefix("Invalid or unsupported protocol version (5)")
                    == true
            )
            #expect(try await eventually { client.isClosed })
            #expect(try await eventually { try await server.connectionCount == 0 })
        }
    }

    @Test func `noise closes its connection and no other`() async throws {
        try await TestServer.run { server in
            let other = try await TestClient.ready(server)
            for seed in UInt8(0)..<20 {
                let client = try await TestClient(server)
                let noise = (0..<200).map { UInt8(truncatingIfNeeded: $0 * 31 + 128) ^ seed }
                try await client.send(bytes: noise)
                #expect(try await eventually { client.isClosed })
            }
            #expect(try await other.ask(void, 1, after: 1)?.response == .void)
        }
    }

    // MARK: Events

    @Test func `events reach only those who registered for their type`() async throws {
        try await TestServer.run { server in
            let registered = try await TestClient.ready(server)
            let other = try await TestClient.ready(server)
            let both = try await TestClient.ready(server)
            #expect(
                try await registered.ask(.register([.schemaChange]), 1, after: 1)?.response
                    == .ready
            )
            _ = try await both.ask(.register([.statusChange, .schemaChange]), 1, after: 1)
            let schema = Event.schemaChange(SchemaChange(.created, .keyspace("ml")))
            let address = try #require(InetAddress("127.0.0.1"))
            let status = Event.statusChange(.down, InetEndpoint(address: address, port: 9042))
            try await server.broadcast(schema)
            try await server.broadcast(status)
            for client in [registered, other, both] { _ = try await client.send(void, 2) }
            let events = try await both.responses(5).filter { $0.stream == -1 }
            #expect(events.map(\.response) == [.event(schema), .event(status)])
            #expect(
                try await registered.responses(4).filter { $0.stream == -1 }.map(\.response)
                    == [.event(schema)]
            )
            #expect(try await other.responses(2).map(\.stream) == [0, 2])
        }
    }

    // MARK: Bounds

    @Test
    func `a connection over the bound is closed, and room that gets free is used`() async throws {
        var configuration = NativeServerConfiguration()
        configuration.connectionsMax = 2
        try await TestServer.run(configuration) { server in
            let first = try await TestClient.ready(server)
            let second = try await TestClient.ready(server)
            // It may be closed before this client is set up.
            let third = try? await TestClient(server)
            #expect(try await eventually { third?.isClosed ?? true })
            #expect(try await server.connectionCount == 2)
            #expect(try await second.ask(void, 1, after: 1)?.response == .void)
            try await first.close()
            #expect(try await eventually { try await server.connectionCount == 1 })
            let fourth = try await TestClient.ready(server)
            #expect(try await fourth.ask(void, 1, after: 1)?.response == .void)
        }
    }

    @Test
    func `a client that does not read its answers is not read from, and goes on later`()
        async throws
    {
        try await TestServer.run { server in
            let client = try await TestClient.ready(server, isReading: false)
            let other = try await TestClient.ready(server)
            let count = 600
            // Long requests, so that they cannot all be read before the answers pile up.
            let text = "big 65536 " + String(repeating: "x", count: 65_536)
            for stream in 1...Int16(count) {
                let query = Request.query(text, QueryParameters(consistency: .one))
                client.post(try TestClient.bytes(query, stream))
            }
            var last = -1
            #expect(
                try await eventually {
                    try await Task.sleep(for: .milliseconds(100))
                    let now = try await server.executedCount
                    defer { last = now }
                    return now == last
                },
                "the server stops reading"
            )
            #expect(last < count)
            #expect(try await other.ask(void, 1, after: 1)?.response == .void)
            try await client.read()
            #expect(try await client.responses(count + 1).count == count + 1)
        }
    }

    @Test func `a client that lets too many bytes wait is closed`() async throws {
        var configuration = NativeServerConfiguration()
        configuration.pendingOutputBytesMax = 8 << 20
        try await TestServer.run(configuration) { server in
            let client = try await TestClient.ready(server, isReading: false)
            let other = try await TestClient.ready(server)
            var bytes: [UInt8] = []
            for stream in Int16(1)...64 {
                let query = Request.query("big 1048576", QueryParameters(consistency: .one))
                bytes += try TestClient.bytes(query, stream)
            }
            client.post(bytes)
            #expect(try await eventually { try await server.connectionCount == 1 })
            #expect(try await other.ask(void, 1, after: 1)?.response == .void)
        }
    }

    @Test func `a request is answered once, whatever its executor does`() async throws {
        try await TestServer.run { server in
            let client = try await TestClient.ready(server)
            try await client.query("twice", 1)
            #expect(try await client.responses(2).last?.response == .void)
            try await client.query("keyspace", 1)
            #expect(try await client.responses(3).last?.response == .setKeyspace(""))
        }
    }

    @Test func `an executor is told when its client is gone`() async throws {
        try await TestServer.run { server in
            let client = try await TestClient.ready(server)
            try await client.query("wait", 1)
            #expect(try await eventually { try await server.executedCount == 1 })
            #expect(try await !server.isSessionClosed)
            try await client.close()
            #expect(try await eventually { try await server.isSessionClosed })
        }
    }

    @Test func `an answer over the limit becomes an error on its stream`() async throws {
        var configuration = NativeServerConfiguration()
        configuration.responseBytesMax = 1000
        try await TestServer.run(configuration) { server in
            let client = try await TestClient.ready(server)
            try await client.query("big 2000", 1)
            let answer = try await client.responses(2).last
            #expect(answer?.stream == 1)
            #expect(answer?.error?.detail == .invalid)
            #expect(answer?.error?.message.contains("the limit is 1000") == true)
            try await client.query("big 991", 2)
            #expect(try await client.responses(3).last?.response == .void)
        }
    }

    @Test func `requests of a client with too many unread answers are OVERLOADED`() async throws {
        var configuration = NativeServerConfiguration()
        configuration.pendingOutputBytesSoftMax = 2 << 20
        try await TestServer.run(configuration) { server in
            let client = try await TestClient.ready(server, isReading: false)
            var bytes: [UInt8] = []
            for stream in Int16(1)...64 {
                let query = Request.query("big 1048576", QueryParameters(consistency: .one))
                bytes += try TestClient.bytes(query, stream)
            }
            client.post(bytes)
            let executed = try await eventually { try await server.executedCount > 0 }
            #expect(executed)
            try await client.read()
            let answers = try await client.responses(65)
            #expect(answers.map(\.stream).sorted() == Array(0...64))
            let refused = answers.count { $0.error?.detail == .overloaded }
            #expect(refused > 0)
            #expect(try await server.executedCount == 64 - refused)
        }
    }

    @Test func `closing all closes every client`() async throws {
        try await TestServer.run { server in
            let clients = [try await TestClient.ready(server), try await TestClient.ready(server)]
            try await server.closeClients()
            for client in clients { #expect(try await eventually { client.isClosed }) }
            #expect(try await server.connectionCount == 0)
        }
    }
}
