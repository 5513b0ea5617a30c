internal import NIOCore

/// The same features in a Redis server.
struct RedisStore: Sendable {
    /// How an entity's features are kept.
    enum Layout: Sendable {
        /// One value of 8-byte doubles, read by MGET.
        case packed
        /// A hash with a field of 4 bytes for each, read by HMGET.
        case fields
    }

    private static let commandsAtOnce = 500

    let shape: FeatureShape
    let layout: Layout
    private let host: String
    private let port: Int

    init(shape: FeatureShape, address: String, layout: Layout) throws {
        self.shape = shape
        self.layout = layout
        (host, port) = hostAndPort(address, defaultPort: 6379)
    }

    /// Stores all entities.
    func load() async throws {
        let connection = try await RedisConnection.open(host: host, port: port)
        var commands = ByteBuffer()
        var count = 0
        for key in 0..<shape.keys {
            append(entity: key, to: &commands)
            count += 1
            if count == Self.commandsAtOnce || key + 1 == shape.keys {
                _ = try await connection.send(commands, replies: count)
                commands = ByteBuffer()
                count = 0
            }
        }
        connection.close()
    }

    /// Connections that read what was stored.
    func lanes(_ count: Int) async throws -> [any Lane] {
        var lanes: [any Lane] = []
        // The end of each HMGET is always the same, so that it is encoded once.
        var fieldArguments = ByteBuffer()
        for field in fields { fieldArguments.writeArgument(field) }
        for _ in 0..<count {
            lanes.append(
                RedisLane(
                    connection: try await RedisConnection.open(host: host, port: port),
                    layout: layout,
                    fieldCount: shape.features,
                    fieldArguments: fieldArguments
                )
            )
        }
        return lanes
    }

    private var fields: [String] { (0..<shape.features).map { "f\($0)" } }

    private func append(entity key: Int, to commands: inout ByteBuffer) {
        switch layout {
        case .packed:
            commands.writeCommand(count: 3)
            commands.writeArgument("SET")
            commands.writeArgument("p:\(key)")
            commands.writeArgumentLength(8 * shape.features)
            for feature in 0..<shape.features {
                let value = Double(shape.value(key: key, feature: feature))
                commands.writeInteger(value.bitPattern)
            }
            commands.writeStaticString("\r\n")
        case .fields:
            commands.writeCommand(count: 2 + 2 * shape.features)
            commands.writeArgument("HSET")
            commands.writeArgument("h:\(key)")
            for (feature, field) in fields.enumerated() {
                commands.writeArgument(field)
                commands.writeArgumentLength(4)
                commands.writeInteger(shape.value(key: key, feature: feature).bitPattern)
                commands.writeStaticString("\r\n")
            }
        }
    }
}

/// A connection to the Redis server.
private struct RedisLane: Lane {
    let connection: RedisConnection
    let layout: RedisStore.Layout
    let fieldCount: Int
    let fieldArguments: ByteBuffer

    func read(_ keys: [Int]) async throws -> Int {
        var commands = ByteBuffer()
        switch layout {
        case .packed:
            commands.writeCommand(count: 1 + keys.count)
            commands.writeArgument("MGET")
            for key in keys { commands.writeArgument("p:\(key)") }
            return try await connection.send(commands, replies: 1).values
        case .fields:
            for key in keys {
                commands.writeCommand(count: 2 + fieldCount)
                commands.writeArgument("HMGET")
                commands.writeArgument("h:\(key)")
                commands.writeImmutableBuffer(fieldArguments)
            }
            let content = try await connection.send(commands, replies: keys.count)
            return content.replies - content.emptyArrays
        }
    }

    func close() { connection.close() }
}

extension ByteBuffer {
    /// Begins a command of so many arguments, its name included.
    fileprivate mutating func writeCommand(count: Int) { writeString("*\(count)\r\n") }

    fileprivate mutating func writeArgumentLength(_ count: Int) { writeString("$\(count)\r\n") }

    fileprivate mutating func writeArgument(_ text: String) {
        writeArgumentLength(text.utf8.count)
        writeString(text)
        writeStaticString("\r\n")
    }
}
