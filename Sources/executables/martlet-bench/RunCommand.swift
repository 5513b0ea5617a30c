internal import ArgumentParser
internal import Foundation
internal import Martlet

/// What is asked of the server.
enum Workload: String, ExpressibleByArgument, CaseIterable {
    /// Many entities by one request.
    case multiget
}

/// The server, and how it is asked.
enum TargetKind: String, ExpressibleByArgument, CaseIterable {
    /// Martlet: `SELECT ... WHERE key IN ?`.
    case martlet
    /// Redis: MGET of one packed value per entity, 8 bytes a feature (50 features: 400 bytes).
    case redisMget = "redis-mget"
    /// Redis: one HMGET of all fields per entity, 4 bytes a field, pipelined.
    case redisHmget = "redis-hmget"
}

/// How Martlet's table keeps the features.
enum TableLayout: String, ExpressibleByArgument, CaseIterable {
    /// A float column for each.
    case columns
    /// One `vector<float, n>`.
    case vector
}

/// How results are printed.
enum ReportFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
}

/// `martlet-bench run`.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs one workload against one server.",
        discussion: """
            Every connection asks again as soon as it has its answer (closed loop), so that the \
            latencies are those at full load. Keys are drawn evenly, distinct in each request.
            """
    )

    @Option(help: "The workload: multiget.")
    var workload = Workload.multiget

    @Option(
        help: """
            The server: martlet, redis-mget (8-byte doubles packed in one value) or redis-hmget \
            (a 4-byte field for each feature, pipelined).
            """
    )
    var target = TargetKind.martlet

    @Option(help: "How Martlet's table keeps the features: columns or vector.")
    var layout = TableLayout.columns

    @Option(help: "Nodes, as host or host:port, separated by commas; connections are spread.")
    var contactPoints = "127.0.0.1:9042"

    @Option(help: "The Redis server, as host:port.")
    var redis = "127.0.0.1:6379"

    @Option(help: "Entities in a request.")
    var entities = 100

    @Option(help: "Float features of an entity.")
    var features = 50

    @Option(help: "Connections, each with one request under way.")
    var connections = 50

    @Option(help: "Entities that are stored.")
    var keys = 10_000

    @Option(help: "How long is measured, in seconds.")
    var seconds = 10.0

    @Option(help: "How long runs before that unmeasured, in seconds.")
    var warmupSeconds = 1.0

    @Option(help: "The consistency level of the reads.")
    var consistency = "ONE"

    @Option(help: "The replication factor of the keyspace that is made.")
    var replicationFactor = 1

    @Flag(inversion: .prefixedNo, help: "Store the entities first.")
    var load = true

    @Option(help: "The seed of the keys that are drawn.")
    var seed: UInt64 = 1

    @Option(help: "How results are printed: text or json.")
    var format = ReportFormat.text

    func validate() throws {
        for (name, value, range) in [
            ("--entities", entities, 1...10_000), ("--features", features, 1...1000),
            ("--connections", connections, 1...10_000), ("--keys", keys, 1...100_000_000),
            ("--replication-factor", replicationFactor, 1...100),
        ] where !range.contains(value) {
            throw ValidationError(
                "\(name) is \(value), it must be \(range.lowerBound) to \(range.upperBound)"
            )
        }
        guard entities <= keys else {
            throw ValidationError("--entities is \(entities), there are only \(keys) keys")
        }
        guard seconds > 0, warmupSeconds >= 0 else {
            throw ValidationError("--seconds must be more than 0, --warmup-seconds not negative")
        }
        guard Consistency(rawValue: consistency.uppercased()) != nil else {
            throw ValidationError("--consistency is '\(consistency)'; ONE or QUORUM, say")
        }
    }

    func run() async throws {
        let shape = FeatureShape(entities: entities, features: features, keys: keys)
        let lanes: [any Lane]
        switch target {
        case .martlet:
            let table = MartletTable(
                shape: shape,
                layout: layout,
                contactPoints: contactPoints.split(separator: ",").map(String.init),
                replicationFactor: replicationFactor
            )
            if load { try await table.load() }
            lanes = try await table.lanes(
                connections,
                consistency: Consistency(rawValue: consistency.uppercased()) ?? .one
            )
        case .redisMget, .redisHmget:
            let store = try RedisStore(
                shape: shape,
                address: redis,
                layout: target == .redisMget ? .packed : .fields
            )
            if load { try await store.load() }
            lanes = try await store.lanes(connections)
        }
        let measurement = try await ClosedLoop(
            shape: shape,
            seed: seed,
            warmup: .seconds(warmupSeconds),
            duration: .seconds(seconds)
        ).run(lanes)
        for lane in lanes { lane.close() }
        report(measurement)
    }

    private var title: String {
        switch target {
        case .martlet: "martlet, \(layout.rawValue), \(consistency.uppercased())"
        case .redisMget: "redis, MGET of packed \(8 * features)-byte values"
        case .redisHmget: "redis, HMGET of \(features) fields, pipelined"
        }
    }

    private func report(_ measurement: Measurement) {
        switch format {
        case .text:
            print(
                """
                \(title): \(entities) entities x \(features) features, \(connections) connections
                  rows/s      \(Int(measurement.rowsPerSecond))
                  requests/s  \(Int(measurement.requestsPerSecond))
                  p50         \(milliseconds(measurement.p50)) ms
                  p99         \(milliseconds(measurement.p99)) ms
                  max         \(milliseconds(measurement.max)) ms
                  rows missed \(measurement.rowsMissed)
                """
            )
        case .json:
            print(
                """
                {"target": "\(target.rawValue)", "layout": "\(layout.rawValue)", \
                "entities": \(entities), "features": \(features), \
                "connections": \(connections), "keys": \(keys), \
                "seconds": \(measurement.seconds), "requests": \(measurement.requests), \
                "rows": \(measurement.rows), "rows_missed": \(measurement.rowsMissed), \
                "requests_per_second": \(measurement.requestsPerSecond), \
                "rows_per_second": \(measurement.rowsPerSecond), \
                "p50_us": \(Double(measurement.p50) / 1000), \
                "p99_us": \(Double(measurement.p99) / 1000), \
                "max_us": \(Double(measurement.max) / 1000)}
                """
            )
        }
    }

    private func milliseconds(_ nanoseconds: UInt64) -> String {
        String(format: "%.2f", Double(nanoseconds) / 1e6)
    }
}
