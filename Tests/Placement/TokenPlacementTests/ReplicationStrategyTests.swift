import Testing
import TokenPlacement

struct ReplicationStrategyTests {
    private let prefix = "org.apache.cassandra.locator."

    private func factors(_ pairs: [(String, Int)]) -> ReplicationStrategy {
        .networkTopology(pairs.map { DatacenterFactor(datacenter: $0.0, factor: $0.1) })
    }

    @Test func `SimpleStrategy is read with and without its package`() throws {
        for name in ["SimpleStrategy", prefix + "SimpleStrategy"] {
            let strategy = try ReplicationStrategy(
                class: name,
                options: ["class": name, "replication_factor": "3"]
            )
            #expect(strategy == .simple(factor: 3))
        }
    }

    @Test func `NetworkTopologyStrategy is sorted by datacenter`() throws {
        for name in ["NetworkTopologyStrategy", prefix + "NetworkTopologyStrategy"] {
            let strategy = try ReplicationStrategy(
                class: name,
                options: ["west": "2", "east": "3", "south": "0"]
            )
            #expect(strategy == factors([("east", 3), ("west", 2)]))
        }
    }

    @Test func `a factor for all datacenters yields to a named one`() throws {
        let strategy = try ReplicationStrategy(
            class: "NetworkTopologyStrategy",
            options: ["replication_factor": "3", "b": "1", "c": "0"],
            datacenters: ["c", "b", "a"]
        )
        #expect(strategy == factors([("a", 3), ("b", 1)]))
    }

    @Test func `what the system tables show is read back`() throws {
        for strategy in [.simple(factor: 2), factors([("a", 3), ("b", 1)])] {
            let shown = strategy.cassandraOptions
            #expect(shown[0].0 == "class")
            let options = Dictionary(uniqueKeysWithValues: shown)
            #expect(try ReplicationStrategy(class: shown[0].1, options: options) == strategy)
        }
        let simple = ReplicationStrategy.simple(factor: 2).cassandraOptions
        #expect(simple.map(\.0) == ["class", "replication_factor"])
        #expect(simple.map(\.1) == ["org.apache.cassandra.locator.SimpleStrategy", "2"])
        let topology = factors([("a", 3), ("b", 1)]).cassandraOptions
        #expect(topology.map(\.0) == ["class", "a", "b"])
        #expect(topology[0].1 == "org.apache.cassandra.locator.NetworkTopologyStrategy")
        #expect(
            ReplicationStrategy.everywhere.cassandraOptions.map(\.1)
                == ["org.apache.cassandra.locator.EverywhereStrategy"]
        )
    }

    @Test func `factors are counted in all and per datacenter`() {
        #expect(ReplicationStrategy.simple(factor: 3).replicationFactor == 3)
        #expect(ReplicationStrategy.simple(factor: 3).replicationFactor(in: "any") == 3)
        let topology = factors([("a", 3), ("b", 2)])
        #expect(topology.replicationFactor == 5)
        #expect(topology.replicationFactor(in: "b") == 2)
        #expect(topology.replicationFactor(in: "c") == 0)
        #expect(ReplicationStrategy.everywhere.replicationFactor == nil)
        #expect(ReplicationStrategy.everywhere.replicationFactor(in: "a") == nil)
    }

    private struct Refusal: Sendable {
        var name = "SimpleStrategy"
        var options: [String: String] = [:]
        var datacenters: [String] = []
        var error: ReplicationError
        var text: String
    }

    private static let refusals = [
        Refusal(
            name: "OldNetworkTopologyStrategy",
            error: .unknownClass("OldNetworkTopologyStrategy"),
            text: "OldNetworkTopologyStrategy"
        ),
        Refusal(
            name: "EverywhereStrategy",
            error: .unknownClass("EverywhereStrategy"),
            text: "use 'SimpleStrategy'"
        ),
        Refusal(
            error: .missingOption("replication_factor", class: "SimpleStrategy"),
            text: "replication_factor"
        ),
        Refusal(
            options: ["replication_factor": "3", "dc1": "3"],
            error: .unknownOption("dc1", class: "SimpleStrategy"),
            text: "dc1"
        ),
        Refusal(
            options: ["replication_factor": "0"],
            error: .factorOutOfRange(0, option: "replication_factor", minimum: 1, maximum: 255),
            text: "between 1 and 255"
        ),
        Refusal(
            options: ["replication_factor": "256"],
            error: .factorOutOfRange(256, option: "replication_factor", minimum: 1, maximum: 255),
            text: "256"
        ),
        Refusal(
            options: ["replication_factor": "three"],
            error: .invalidFactor("three", option: "replication_factor"),
            text: "three"
        ),
        Refusal(
            options: ["replication_factor": "3/1"],
            error: .invalidFactor("3/1", option: "replication_factor"),
            text: "transient"
        ),
        Refusal(
            name: "NetworkTopologyStrategy",
            options: ["dc1": "-1"],
            error: .factorOutOfRange(-1, option: "dc1", minimum: 0, maximum: 255),
            text: "-1"
        ),
        Refusal(
            name: "NetworkTopologyStrategy",
            options: ["dc9": "1"],
            datacenters: ["dc2", "dc1"],
            error: .unknownDatacenter("dc9", known: ["dc1", "dc2"]),
            text: "'dc1', 'dc2'"
        ),
        Refusal(
            name: "NetworkTopologyStrategy",
            options: ["Replication_Factor": "1"],
            error: .unknownOption("Replication_Factor", class: "NetworkTopologyStrategy"),
            text: "Replication_Factor"
        ),
        Refusal(name: "NetworkTopologyStrategy", error: .noDatacenters, text: "at least one"),
        Refusal(
            name: "NetworkTopologyStrategy",
            options: ["dc1": "0"],
            error: .noDatacenters,
            text: "at least 1"
        ),
        Refusal(
            name: "NetworkTopologyStrategy",
            options: ["replication_factor": "3"],
            error: .noDatacenters,
            text: "name one"
        ),
    ]

    @Test func `what is no replication is refused and named`() {
        for refusal in Self.refusals {
            let error = #expect(throws: ReplicationError.self) {
                try ReplicationStrategy(
                    class: refusal.name,
                    options: refusal.options,
                    datacenters: refusal.datacenters
                )
            }
            #expect(error == refusal.error)
            #expect(error?.description.contains(refusal.text) == true, "\(refusal.text)")
        }
    }
}
