import Catalog
import Martlet
import NativeProtocol
import Testing
import TokenPlacement

/// To which nodes requests go.
struct RoutingTests {
    /// Two nodes; ids whose token is up to 0 belong to the first, the others to the second.
    private func pair(
        datacenters: (String, String) = ("dc1", "dc1")
    ) async throws -> (FakeServer, FakeServer) {
        let first = try await FakeServer.start(id: 1, datacenter: datacenters.0, tokens: [0])
        let second = try await FakeServer.start(id: 2, datacenter: datacenters.1, tokens: [.max])
        for (server, other) in [(first, second), (second, first)] {
            server.change { state in
                state.peers = [other.peer]
                state.keyspaces["ks"] = [("class", "SimpleStrategy"), ("replication_factor", "1")]
            }
        }
        return (first, second)
    }

    private func executed(_ server: FakeServer) -> Set<[UInt8]> {
        Set(
            server.requests.compactMap { request in
                guard case .execute(_, let parameters) = request,
                    case .positional(let bound) = parameters.values,
                    case .bytes(let value) = bound[0]
                else { return nil }
                return value
            }
        )
    }

    @Test func `a row's requests go to its replica`() async throws {
        let (first, second) = try await pair()
        let client = try await connect(first)
        for id in 0..<40 { try await client.execute("INSERT a", id) }
        let keys = (0..<40).map { bytes(Int32($0)) }
        let ofFirst = Set(keys.filter { Token(partitionKey: $0).value <= 0 })
        #expect(!ofFirst.isEmpty && ofFirst.count < 40)
        #expect(executed(first) == ofFirst)
        #expect(executed(second) == Set(keys).subtracting(ofFirst))
        await client.close()
        try await first.stop()
        try await second.stop()
    }

    @Test func `requests without a key take turns`() async throws {
        let (first, second) = try await pair()
        let client = try await connect(first)
        for _ in 0..<10 { try await client.execute("SELECT a") }
        #expect(first.statements.count == 5)
        #expect(second.statements.count == 5)
        await client.close()
        try await first.stop()
        try await second.stop()
    }

    @Test func `another datacenter is asked only when the local one is down`() async throws {
        let (first, second) = try await pair(datacenters: ("near", "far"))
        let client = try await connect(second) { $0.datacenter = "near" }
        for _ in 0..<10 { try await client.execute("SELECT a") }
        #expect(first.statements.count == 10)
        #expect(second.statements.isEmpty)
        try await first.stop()
        #expect(
            try await eventually {
                try await client.execute("SELECT b")
                return !second.statements.isEmpty
            }
        )
        await client.close()
        try await second.stop()
    }

    @Test func `a node that joins is found by its event`() async throws {
        let (first, second) = try await pair()
        first.change { $0.peers = [] }
        let client = try await connect(first)
        for _ in 0..<4 { try await client.execute("SELECT a") }
        #expect(second.statements.isEmpty)
        first.change { $0.peers = [second.peer] }
        let address = try #require(InetAddress("127.0.0.1"))
        first.send(.topologyChange(.newNode, InetEndpoint(address: address, port: 9042)))
        #expect(
            try await eventually {
                try await client.execute("SELECT a")
                return !second.statements.isEmpty
            }
        )
        await client.close()
        try await first.stop()
        try await second.stop()
    }

    @Test func `the watch moves to another node when its own is lost`() async throws {
        let (first, second) = try await pair()
        let client = try await connect(first)
        try await first.stop()
        #expect(
            try await eventually {
                second.requests.contains { if case .register = $0 { true } else { false } }
            }
        )
        try await client.execute("SELECT a")
        await client.close()
        try await second.stop()
    }

    @Test func `a node that is down at the start is no hindrance`() async throws {
        let (first, second) = try await pair()
        try await second.stop()
        let client = try await connect(first)
        for id in 0..<10 { try await client.execute("INSERT a", id) }
        #expect(executed(first).count == 10)
        await client.close()
        try await first.stop()
    }
}
