internal import Catalog
internal import Martlet
internal import NativeProtocol

/// A table of features in a Martlet cluster.
struct MartletTable: Sendable {
    private static let writesUnderWay = 256
    private static let timeout = Duration.seconds(30)

    let shape: FeatureShape
    let layout: TableLayout
    let contactPoints: [String]
    let replicationFactor: Int

    private var name: String { "martlet_bench.features_\(layout.rawValue)_\(shape.features)" }

    private var columns: [String] {
        switch layout {
        case .columns: (0..<shape.features).map { "f\($0)" }
        case .vector: ["v"]
        }
    }

    /// Makes the table and stores all entities.
    func load() async throws {
        let client = try await MartletClient.connect(
            ClientConfiguration(contactPoints: contactPoints)
        )
        try await client.execute(
            """
            CREATE KEYSPACE IF NOT EXISTS martlet_bench WITH replication = \
            {'class': 'SimpleStrategy', 'replication_factor': \(replicationFactor)}
            """
        )
        let types = columns.map { column in
            layout == .vector ? "\(column) vector<float, \(shape.features)>" : "\(column) float"
        }
        try await client.execute(
            """
            CREATE TABLE IF NOT EXISTS \(name) \
            (key int PRIMARY KEY, \(types.joined(separator: ", ")))
            """
        )
        let markers = (columns + ["key"]).map { _ in "?" }.joined(separator: ", ")
        let statement = try await client.prepare(
            "INSERT INTO \(name) (key, \(columns.joined(separator: ", "))) VALUES (\(markers))"
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            for key in 0..<shape.keys {
                if key >= Self.writesUnderWay { try await group.next() }
                group.addTask {
                    let floats = (0..<shape.features).map { shape.value(key: key, feature: $0) }
                    let values: [any CQLBindable] =
                        layout == .vector ? [key, floats] : [key] + floats.map { $0 }
                    try await client.execute(statement, values: values, consistency: .all)
                }
            }
            try await group.waitForAll()
        }
        await client.close()
    }

    /// Connections that read from the table.
    func lanes(_ count: Int, consistency: Consistency) async throws -> [any Lane] {
        let configuration = ClientConfiguration(contactPoints: contactPoints)
        let settings = ClientConnection.Settings(configuration)
        let level = ConsistencyLevel.allCases.first { $0.description == consistency.rawValue }
        var lanes: [any Lane] = []
        for index in 0..<count {
            let address = contactPoints[index % contactPoints.count]
            let (host, port) = hostAndPort(address, defaultPort: 9042)
            let connection = try await ClientConnection.open(
                host: host,
                port: port,
                settings: settings
            )
            let columns = (["key"] + columns).joined(separator: ", ")
            let select = "SELECT \(columns) FROM \(name) WHERE key IN ?"
            let message = try await connection.request(.prepare(select), timeout: Self.timeout)
            switch message.response {
            case .prepared(let prepared):
                lanes.append(
                    MartletLane(
                        connection: connection,
                        statement: prepared.id,
                        consistency: level ?? .one,
                        timeout: Self.timeout
                    )
                )
            case .error(let error): throw BenchError("PREPARE at \(address): \(error)")
            case let other: throw BenchError("PREPARE at \(address): \(other.opcode) came")
            }
        }
        return lanes
    }
}

/// A connection to a node.
private struct MartletLane: Lane {
    let connection: ClientConnection
    let statement: [UInt8]
    let consistency: ConsistencyLevel
    let timeout: Duration

    func read(_ keys: [Int]) async throws -> Int {
        var list: [UInt8] = []
        list.reserveCapacity(4 + 8 * keys.count)
        func append(_ number: Int) {
            withUnsafeBytes(of: Int32(truncatingIfNeeded: number).bigEndian) {
                list.append(contentsOf: $0)
            }
        }
        append(keys.count)
        for key in keys {
            append(4)
            append(key)
        }
        var parameters = QueryParameters(consistency: consistency)
        parameters.values = .positional([.bytes(list)])
        // As drivers do: the columns are known from PREPARE.
        parameters.skipsMetadata = true
        let message = try await connection.request(
            .execute(id: statement, parameters),
            timeout: timeout,
            isRead: true
        )
        switch message.response {
        case .rows(let rows): return rows.rowCount
        case .error(let error): throw BenchError("EXECUTE at \(connection.node): \(error)")
        case let other: throw BenchError("EXECUTE at \(connection.node): \(other.opcode) came")
        }
    }

    func close() { connection.close() }
}

/// Why a run cannot go on.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// The parts of `host:port`.
func hostAndPort(_ address: String, defaultPort: Int) -> (host: String, port: Int) {
    guard let colon = address.lastIndex(of: ":"),
        let port = Int(address[address.index(after: colon)...])
    else { return (address, defaultPort) }
    return (String(address[..<colon]), port)
}
