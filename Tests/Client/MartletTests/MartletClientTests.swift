import Catalog
import Foundation
import Martlet
import NativeProtocol
import Testing

/// The bytes of a big-endian number.
func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}

/// A client of fake servers with short times.
func connect(
    _ servers: FakeServer...,
    change: (inout ClientConfiguration) -> Void = { _ in }
) async throws -> MartletClient {
    var configuration = ClientConfiguration(contactPoints: servers.map(\.address))
    configuration.connectionsPerNode = 1
    configuration.requestTimeout = .seconds(5)
    configuration.reconnectPauseMin = .milliseconds(20)
    change(&configuration)
    return try await MartletClient.connect(configuration)
}

/// Runs `body`, and returns the error that it must throw.
func martletError(
    _ body: () async throws -> Void,
    sourceLocation: SourceLocation = #_sourceLocation
) async throws -> MartletError {
    let error = await #expect(
        throws: MartletError.self,
        sourceLocation: sourceLocation,
        performing: { try await body() }
    )
    return try #require(error, sourceLocation: sourceLocation)
}

/// Waits until a condition holds; about half a minute at most, as other tests may hold the cores.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<3000 {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return false
}

struct MartletClientTests {
    private let movies = FakeServer.Table(
        columns: [("movie_id", .int), ("title", .text), ("embedding", .vector(dimension: 2))],
        rows: [
            [bytes(Int32(1)), Array("Heat".utf8), bytes(Float(1.5).bitPattern) + bytes(UInt32(0))],
            [bytes(Int32(2)), nil, nil],
        ]
    )

    private struct Movie: Decodable, Equatable {
        var movie_id: Int
        var title: String?
        var embedding: [Float]?
    }

    @Test func `rows come as values of a type`() async throws {
        let movies = movies
        let server = try await FakeServer.start { request, _ in
            if case .query("SELECT * FROM ml.movies", _) = request { .rows(movies) } else { nil }
        }
        let client = try await connect(server)
        let found: [Movie] = try await client.query("SELECT * FROM ml.movies", as: Movie.self)
        #expect(
            found == [
                Movie(movie_id: 1, title: "Heat", embedding: [1.5, 0]),
                Movie(movie_id: 2, title: nil, embedding: nil),
            ]
        )
        await client.close()
        try await server.stop()
    }

    @Test func `frames that arrive in pieces are put together`() async throws {
        let movies = movies
        let server = try await FakeServer.start { request, _ in
            if case .query("SELECT * FROM ml.movies", _) = request { .rows(movies) } else { nil }
        }
        server.change { $0.isSlicing = true }
        let client = try await connect(server)
        let result = try await client.execute("SELECT * FROM ml.movies")
        #expect(try result.map { try $0.get("movie_id", as: Int.self) } == [1, 2])
        #expect(result.columns.map(\.type) == ["int", "text", "vector<float, 2>"])
        await client.close()
        try await server.stop()
    }

    @Test func `warnings and the custom payload come with the result`() async throws {
        let server = try await FakeServer.start { request, _ in
            guard case .query("SELECT 1", _) = request else { return nil }
            return .response(
                .void,
                ResponseExtras(
                    warnings: ["slow"],
                    customPayload: [PayloadEntry(key: "martlet.score", value: [1, 2])]
                )
            )
        }
        let client = try await connect(server)
        let result = try await client.execute("SELECT 1")
        #expect(result.warnings == ["slow"])
        #expect(result.customPayload == ["martlet.score": [1, 2]])
        #expect(result.isEmpty)
        await client.close()
        try await server.stop()
    }

    @Test func `a statement with values is prepared once`() async throws {
        let server = try await FakeServer.start()
        let client = try await connect(server)
        for id in 0..<3 { try await client.execute("INSERT a", id) }
        #expect(
            server.statements
                == ["PREPARE INSERT a", "EXECUTE INSERT a", "EXECUTE INSERT a", "EXECUTE INSERT a"]
        )
        await client.close()
        try await server.stop()
    }

    @Test func `a statement that the node forgot is prepared again`() async throws {
        let counter = Counter()
        let node = try await FakeServer.start { request, _ in
            guard case .execute(let id, _) = request, counter.next() == 1 else { return nil }
            return .response(.error(ErrorResponse(.unprepared(id: id), "who?")))
        }
        let client = try await connect(node)
        try await client.execute("INSERT a", 7)
        #expect(
            node.statements
                == ["PREPARE INSERT a", "EXECUTE INSERT a", "PREPARE INSERT a", "EXECUTE INSERT a"]
        )
        await client.close()
        try await node.stop()
    }

    @Test func `a statement that stays unprepared ends in an error`() async throws {
        let server = try await FakeServer.start { request, _ in
            guard case .execute(let id, _) = request else { return nil }
            return .response(.error(ErrorResponse(.unprepared(id: id), "who?")))
        }
        let client = try await connect(server)
        let error = try await martletError { try await client.execute("INSERT a", 7) }
        #expect(error.code == .invalid)
        #expect(error.outcome == .notDone)
        await client.close()
        try await server.stop()
    }

    @Test func `write timestamps rise and reads have none`() async throws {
        let server = try await FakeServer.start()
        let client = try await connect(server)
        for _ in 0..<50 { try await client.execute("INSERT a", 1) }
        try await client.execute("INSERT a", 1, timestamp: 42)
        try await client.execute("SELECT a", 1)
        let stamps = server.requests.compactMap { request -> Int64?? in
            if case .execute(_, let parameters) = request {
                parameters.defaultTimestamp
            } else {
                nil
            }
        }
        let own = stamps.prefix(50).compactMap { $0 }
        #expect(own.count == 50)
        #expect(zip(own, own.dropFirst()).allSatisfy { $0 < $1 })
        #expect(abs(Double(own[0]) / 1e6 - Date().timeIntervalSince1970) < 60)
        #expect(Array(stamps.dropFirst(50)) == [42, nil])
        await client.close()
        try await server.stop()
    }

    @Test func `named values are bound by the names of the markers`() async throws {
        struct Entity: Encodable { var id: Int? }
        let server = try await FakeServer.start()
        let client = try await connect(server)
        let statement = try await client.prepare("INSERT a")
        try await client.execute(statement, encoding: Entity(id: 9))
        try await client.execute(statement, encoding: Entity(id: nil))
        let bound = server.requests.compactMap { request -> BoundValues? in
            if case .execute(_, let parameters) = request { parameters.values } else { nil }
        }
        #expect(bound == [.positional([.bytes(bytes(Int32(9)))]), .positional([.null])])
        struct Other: Encodable { var other = 1 }
        let error = try await martletError {
            try await client.execute(statement, encoding: Other())
        }
        #expect(error.code == .invalidValue)
        #expect(error.message.contains("'id'"))
        await client.close()
        try await server.stop()
    }

    @Test func `a batch carries prepared statements and one timestamp`() async throws {
        let server = try await FakeServer.start()
        let client = try await connect(server)
        var batch = Batch()
        batch.add("INSERT a", 1)
        batch.add("INSERT a", 2)
        batch.add("DELETE b")
        try await client.execute(batch, consistency: .quorum, timestamp: 5)
        let batches = server.requests.compactMap { request -> BatchRequest? in
            if case .batch(let batch) = request { batch } else { nil }
        }
        #expect(batches.count == 1)
        #expect(batches.first?.kind == .unlogged)
        #expect(batches.first?.defaultTimestamp == 5)
        #expect(
            batches.first?.statements == [
                .init(.prepared(Array("INSERT a".utf8)), values: [.bytes(bytes(Int32(1)))]),
                .init(.prepared(Array("INSERT a".utf8)), values: [.bytes(bytes(Int32(2)))]),
                .init(.query("DELETE b")),
            ]
        )
        await client.close()
        try await server.stop()
    }

    @Test func `a change of the schema makes statements be prepared anew`() async throws {
        let server = try await FakeServer.start { request, _ in
            guard case .query("DROP TABLE t", _) = request else { return nil }
            return .response(.schemaChange(.init(.dropped, .table(keyspace: "ks", name: "t"))))
        }
        let client = try await connect(server)
        try await client.execute("INSERT a", 1)
        try await client.execute("DROP TABLE t")
        try await client.execute("INSERT a", 1)
        #expect(server.statements.filter { $0.hasPrefix("PREPARE") }.count == 2)
        await client.close()
        try await server.stop()
    }

    @Test func `USE is refused with a hint`() async throws {
        let server = try await FakeServer.start()
        let client = try await connect(server)
        let error = try await martletError { try await client.execute(" use ml") }
        #expect(error.code == .invalid)
        #expect(error.message.contains("keyspace"))
        await client.close()
        try await server.stop()
    }

    @Test func `the configured keyspace is used on every connection, quoted`() async throws {
        let server = try await FakeServer.start()
        let client = try await connect(server) {
            $0.keyspace = "a\"b"
            $0.connectionsPerNode = 2
        }
        #expect(
            try await eventually {
                server.statements.filter { $0 == "QUERY USE \"a\"\"b\"" }.count == 2
            }
        )
        await client.close()
        try await server.stop()
    }

    @Test func `a closed client refuses requests`() async throws {
        let server = try await FakeServer.start()
        let client = try await connect(server)
        await client.close()
        let error = try await martletError { try await client.execute("SELECT 1") }
        #expect(error.code == .closed)
        try await server.stop()
    }

    @Test func `everything wrong with a configuration is told at once`() async throws {
        var configuration = ClientConfiguration(contactPoints: ["a b", "h:0"])
        configuration.requestsInFlightMax = 40_000
        configuration.requestTimeout = .zero
        let error = try await martletError { _ = try await MartletClient.connect(configuration) }
        #expect(error.code == .configuration)
        for part in ["'a b'", "'h:0'", "40000", "32768", "requestTimeout"] {
            #expect(error.message.contains(part), "\(part)")
        }
    }

    @Test func `a client without a reachable contact point says why`() async throws {
        let server = try await FakeServer.start()
        try await server.stop()
        let error = try await martletError { _ = try await connect(server) }
        #expect(error.code == .connectionFailed)
        #expect(error.outcome == .notDone)
        #expect(error.message.contains(server.address))
    }
}
