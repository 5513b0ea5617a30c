package import NativeProtocol

/// The clients' connections of one event loop, so that events reach them.
package final class LoopConnections {
    private var connections: [ObjectIdentifier: NativeConnection] = [:]

    /// None yet.
    package init() {}

    /// How many there are.
    package var count: Int { connections.count }

    /// Sends an event to every client that asked for its type.
    package func broadcast(_ event: Event) {
        for connection in connections.values { connection.send(event) }
    }

    /// Closes them all.
    package func closeAll() {
        for connection in connections.values { connection.close() }
    }

    func add(_ connection: NativeConnection) {
        connections[ObjectIdentifier(connection)] = connection
    }

    func remove(_ connection: NativeConnection) {
        connections[ObjectIdentifier(connection)] = nil
    }
}
