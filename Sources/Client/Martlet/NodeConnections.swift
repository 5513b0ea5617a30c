internal import NIOConcurrencyHelpers

/// The connections to one node: opened, and opened again when they are lost.
final class NodeConnections: Sendable {
    private struct State {
        var connections: [ClientConnection] = []
        var next = 0
        var isClosed = false
        var tasks: [Task<Void, Never>] = []
        var lastError: String?
    }

    /// The node.
    let node: NodeDescription

    private let configuration: ClientConfiguration
    private let settings: ClientConnection.Settings
    private let state = NIOLockedValueBox(State())

    init(node: NodeDescription, configuration: ClientConfiguration) {
        self.node = node
        self.configuration = configuration
        settings = ClientConnection.Settings(configuration)
    }

    /// Tries to open the first connection, and keeps all of them open from now on.
    func open() async {
        let first = await connect()
        for slot in 0..<configuration.connectionsPerNode {
            let connection = slot == 0 ? first : nil
            let isTried = slot == 0
            let task = Task { await self.keepOpen(connection, isTried: isTried) }
            let isClosed = state.withLockedValue { state in
                if !state.isClosed { state.tasks.append(task) }
                return state.isClosed
            }
            if isClosed { task.cancel() }
        }
    }

    private func keepOpen(_ first: ClientConnection?, isTried: Bool) async {
        var connection = first
        var pause = configuration.reconnectPauseMin
        var mustPause = isTried && first == nil
        while !Task.isCancelled {
            if mustPause {
                // Clients that lost a node together come back apart.
                try? await Task.sleep(for: pause * Double.random(in: 0.75...1.25))
                pause = min(pause * 2, configuration.reconnectPauseMax)
                if Task.isCancelled { break }
            }
            mustPause = true
            if connection == nil { connection = await connect() }
            guard let open = connection else { continue }
            pause = configuration.reconnectPauseMin
            await open.waitUntilClosed()
            state.withLockedValue { $0.connections.removeAll { $0 === open } }
            connection = nil
        }
        connection?.close()
    }

    private func connect() async -> ClientConnection? {
        do {
            let connection = try await ClientConnection.open(
                host: node.host,
                port: node.port,
                settings: settings
            )
            let isClosed = state.withLockedValue { state in
                if !state.isClosed { state.connections.append(connection) }
                return state.isClosed
            }
            guard isClosed else { return connection }
            connection.close()
        } catch {
            state.withLockedValue { $0.lastError = "\(error)" }
        }
        return nil
    }

    /// An open connection, each in its turn; nil if there is none.
    func pick() -> ClientConnection? {
        state.withLockedValue { state in
            for _ in state.connections.indices {
                state.next = (state.next + 1) % state.connections.count
                let connection = state.connections[state.next]
                if connection.isOpen { return connection }
            }
            return nil
        }
    }

    /// Whether there is an open connection.
    var isUp: Bool { state.withLockedValue { $0.connections.contains { $0.isOpen } } }

    /// Why the node could not be reached the last time.
    var lastError: String? { state.withLockedValue { $0.lastError } }

    /// Lets requests under way end, for as long as `timeout`, and closes.
    func close(within timeout: Duration) async {
        let (connections, tasks) = state.withLockedValue { state in
            state.isClosed = true
            return (state.connections, state.tasks)
        }
        for task in tasks { task.cancel() }
        await withTaskGroup { group in
            for connection in connections {
                group.addTask { await connection.closeGracefully(within: timeout) }
            }
        }
        for task in tasks { await task.value }
    }
}
