internal import Foundation
internal import NIOConcurrencyHelpers
internal import NativeProtocol
internal import TokenPlacement

/// What the client knows of its cluster, for requests to be routed by.
struct Routing: Sendable {
    var view = ClusterView.empty
    /// The connections, in the order of the view's nodes.
    var nodes: [NodeConnections] = []
    /// The datacenter whose nodes come first.
    var datacenter = ""
}

/// Keeps one connection for itself, over which it learns of the ring and of its changes.
actor ClusterWatcher {
    private let configuration: ClientConfiguration
    private let contactPoints: [ContactPoint]
    private let routing: NIOLockedValueBox<Routing>
    private let schemaChanged: @Sendable () -> Void
    private var reader: ClusterReader?
    private var events: AsyncStream<Event>?
    private var task: Task<Void, Never>?
    private var isClosed = false

    init(
        configuration: ClientConfiguration,
        contactPoints: [ContactPoint],
        routing: NIOLockedValueBox<Routing>,
        schemaChanged: @escaping @Sendable () -> Void
    ) {
        self.configuration = configuration
        self.contactPoints = contactPoints
        self.routing = routing
        self.schemaChanged = schemaChanged
    }

    /// Finds a node that answers, connects to all nodes that it names, and watches from then on.
    func start() async throws {
        try await connect(contactPoints)
        task = Task { await self.watch() }
    }

    /// Stops watching, and closes all connections.
    func close() async {
        isClosed = true
        task?.cancel()
        reader?.connection.close()
        await task?.value
        let nodes = routing.withLockedValue { $0.nodes }
        await withTaskGroup { group in
            for node in nodes {
                group.addTask { await node.close(within: self.configuration.closeTimeout) }
            }
        }
    }

    // MARK: Watching

    private func watch() async {
        var pause = configuration.reconnectPauseMin
        while !isClosed {
            if let events {
                for await event in events {
                    if isClosed { return }
                    if case .schemaChange = event { schemaChanged() }
                    // A failed reading is repeated: its connection ends, or the next event comes.
                    try? await refresh()
                }
                self.events = nil
                reader = nil
            }
            do {
                try await connect(candidates())
                pause = configuration.reconnectPauseMin
                schemaChanged()  // Its events may have been missed.
            } catch {
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, configuration.reconnectPauseMax)
            }
        }
    }

    private func candidates() -> [ContactPoint] {
        let nodes = routing.withLockedValue { $0.nodes }
        let known = nodes.filter(\.isUp) + nodes.filter { !$0.isUp }
        var points = known.map { ContactPoint(host: $0.node.host, port: $0.node.port) }
        points += contactPoints.filter { !points.contains($0) }
        return points
    }

    private func connect(_ points: [ContactPoint]) async throws {
        var problems: [String] = []
        var settings = ClientConnection.Settings(configuration)
        settings.keyspace = nil
        for point in points {
            if isClosed { throw MartletError.closed }
            let (stream, continuation) = AsyncStream.makeStream(
                of: Event.self,
                bufferingPolicy: .bufferingNewest(64)
            )
            do {
                let connection = try await ClientConnection.open(
                    host: point.host,
                    port: point.port,
                    settings: settings,
                    onEvent: { continuation.yield($0) }
                )
                let end = Task {
                    await connection.waitUntilClosed()
                    continuation.finish()
                }
                do {
                    try await adopt(connection, at: point)
                } catch {
                    connection.close()
                    await end.value
                    throw error
                }
                events = stream
                return
            } catch let error as MartletError {
                problems.append("\(point): \(error.message)")
            }
        }
        throw MartletError(
            .connectionFailed,
            "no contact point can be reached: \(problems.joined(separator: "; "))",
            outcome: .notDone
        )
    }

    private func adopt(_ connection: ClientConnection, at point: ContactPoint) async throws {
        let message = try await connection.request(
            .register(EventType.allCases),
            timeout: configuration.requestTimeout
        )
        guard case .ready = message.response else {
            throw MartletError.unexpected(
                message.response,
                to: "REGISTER",
                node: connection.node
            )
        }
        reader = ClusterReader(
            connection: connection,
            host: point.host,
            port: point.port,
            timeout: configuration.requestTimeout,
            isAlone: configuration.asksContactPointOnly
        )
        try await refresh()
        guard !isClosed else { throw MartletError.closed }
    }

    // MARK: Reading

    /// Reads the ring and the keyspaces, and connects to nodes that are new.
    func refresh() async throws {
        guard let reader else { return }
        await apply(try await reader.read())
    }

    private func apply(_ reading: ClusterReader.Reading) async {
        let view = ClusterView(nodes: reading.nodes, keyspaces: reading.keyspaces)
        let known = routing.withLockedValue { $0.nodes }
        var added: [NodeConnections] = []
        let nodes = view.nodes.map { description in
            if let same = known.first(where: { $0.node.isSamePlace(as: description) }) {
                return same
            }
            let connections = NodeConnections(node: description, configuration: configuration)
            added.append(connections)
            return connections
        }
        // Before the first await, so that a reading that comes meanwhile finds the new nodes.
        routing.withLockedValue { routing in
            routing.view = view
            routing.nodes = nodes
            if routing.datacenter.isEmpty {
                routing.datacenter = configuration.datacenter ?? reading.localDatacenter
            }
        }
        await withTaskGroup { group in
            for node in added { group.addTask { await node.open() } }
        }
        let gone = known.filter { old in !nodes.contains { $0 === old } }
        for node in gone {
            let timeout = configuration.closeTimeout
            Task { await node.close(within: timeout) }
        }
    }

    /// Waits until the nodes that can be reached have the same schema, or the time is over, and
    /// takes it over.
    func schemaSettled() async throws {
        let clock = ContinuousClock()
        let deadline = clock.now + configuration.schemaAgreementTimeout
        while let reader {
            let reading = try await reader.read()
            let up = routing.withLockedValue { $0.nodes.filter(\.isUp).map(\.node.id) }
            let versions = Set(up.compactMap { reading.schemaVersions[$0] })
            if versions.count <= 1 || clock.now >= deadline {
                await apply(reading)
                return
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
