import Catalog
import SystemTables
import Testing
import TokenPlacement

/// `system.local`, `system.peers` and `system.peers_v2`.
@Suite struct NodeTablesTests {
    /// The last token of each slice whose next one has another owner, by node.
    private func tokens(of number: UInt64) -> String {
        let slices = SliceMap(owners: Fixture.owners.map(Fixture.id))
        let texts = slices.tokens(of: Fixture.id(number)).map(\.description)
        return "[" + texts.sorted().joined(separator: ", ") + "]"
    }

    @Test func `local tells all that drivers ask for`() throws {
        let rows = try DecodedRow.all(of: "system.local")
        #expect(
            rows.map(\.values) == [
                [
                    "key": "local", "bootstrapped": "COMPLETED", "broadcast_address": "127.0.0.1",
                    "broadcast_port": "7001", "cluster_name": "Test Cluster",
                    "cql_version": "3.4.7",
                    "data_center": "dc1", "host_id": "171-1", "listen_address": "127.0.0.1",
                    "listen_port": "7001", "native_protocol_version": "4",
                    "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner", "rack": "rack1",
                    "release_version": "5.0.0", "rpc_address": "127.0.0.1", "rpc_port": "9042",
                    "schema_version": "5-6", "tokens": tokens(of: 1),
                ]
            ]
        )
        #expect(rows.first?["tokens"]?.contains("9223372036854775807") == true)
    }

    @Test func `peers are the other nodes, dead ones too`() throws {
        let rows = try DecodedRow.all(of: "system.peers_v2")
        #expect(rows.map { $0["host_id"] } == ["171-2", "171-3"])
        #expect(
            rows.last?.values == [
                "peer": "127.0.0.3", "peer_port": "7003", "data_center": "dc1",
                "host_id": "171-3", "native_address": "127.0.0.3", "native_port": "9042",
                "rack": "rack3", "release_version": "5.0.0", "schema_version": "0-77",
                "tokens": tokens(of: 3),
            ]
        )
        #expect(rows.first?["schema_version"] == "5-6")
        let old = try DecodedRow.all(of: "system.peers")
        #expect(
            old.first?.values == [
                "peer": "127.0.0.2", "data_center": "dc1", "host_id": "171-2", "rack": "rack2",
                "release_version": "5.0.0", "rpc_address": "127.0.0.2", "schema_version": "5-6",
                "tokens": tokens(of: 2),
            ]
        )
        #expect(old.count == 2)
    }

    @Test func `without owners there are no peers and no tokens`() throws {
        let snapshot = Fixture.snapshot(Fixture.state(hasOwners: false))
        let local = try #require(try DecodedRow.all(of: "system.local", in: snapshot).first)
        #expect(local["tokens"] == nil)
        #expect(local["bootstrapped"] == "IN_PROGRESS")
        #expect(try DecodedRow.all(of: "system.peers", in: snapshot).isEmpty)
        #expect(try DecodedRow.all(of: "system.peers_v2", in: snapshot).isEmpty)
    }

    @Test func `a node that owns nothing is no peer`() throws {
        let snapshot = Fixture.snapshot(Fixture.state(nodes: 4))
        let rows = try DecodedRow.all(of: "system.peers_v2", in: snapshot)
        #expect(rows.map { $0["host_id"] } == ["171-2", "171-3"])
    }

    @Test func `a node outside of any cluster has no local row`() throws {
        let snapshot = SystemSnapshot(
            state: ClusterState(),
            node: Fixture.id(1),
            alive: [],
            martletVersion: "0.1.0"
        )
        for table in ["system.local", "system.peers", "system_martlet.cluster"] {
            #expect(try DecodedRow.all(of: table, in: snapshot).isEmpty)
        }
    }

    @Test func `an address of 16 bytes is told whole`() throws {
        var state = Fixture.state()
        state.nodes[Fixture.id(1)]?.address = "::1"
        let rows = try DecodedRow.all(of: "system.local", in: Fixture.snapshot(state))
        #expect(rows.first?["rpc_address"] == "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1")
    }
}
