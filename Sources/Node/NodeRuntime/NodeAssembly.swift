internal import Catalog
internal import ClusterLog
internal import Coordination
internal import Foundation
internal import Gossip
internal import Internode
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix
internal import NativeProtocol
internal import NativeServer
internal import OnnxScoring
internal import PeerMessages
internal import RocksStorage
internal import ServiceLifecycle
internal import Storage
internal import TokenPlacement

/// What belongs to one event loop; bound to it.
struct LoopParts {
    let peers: LoopPeers
    let replica: LoopReplica
    let coordinator: LoopCoordinator
    let receiver: LoopNode
    let executor: StatementExecutor
    let connections: LoopConnections
}

/// The parts of a running node, put together.
final class NodeAssembly: Sendable {
    let configuration: NodeConfiguration
    let group: MultiThreadedEventLoopGroup
    let store: RocksStore
    let node: NodeID
    let control: NIOLoopBound<ControlPlane>
    let loops: [NIOLoopBound<LoopParts>]
    let models: ModelStore
    let registry: ModelRegistry
    private let readPool: BlockingPool
    private let modelPool: BlockingPool
    private let inferencePool: InferencePool
    let logger: Logger
    let published = NIOLockedValueBox(ClusterState())
    private let servers = NIOLockedValueBox<(PeerListener?, NativeServer?)>((nil, nil))

    private init(
        configuration: NodeConfiguration,
        group: MultiThreadedEventLoopGroup,
        store: RocksStore,
        node: NodeID,
        control: NIOLoopBound<ControlPlane>,
        loops: [NIOLoopBound<LoopParts>],
        models: ModelStore,
        registry: ModelRegistry,
        readPool: BlockingPool,
        modelPool: BlockingPool,
        inferencePool: InferencePool,
        logger: Logger
    ) {
        self.configuration = configuration
        self.group = group
        self.store = store
        self.node = node
        self.control = control
        self.loops = loops
        self.models = models
        self.registry = registry
        self.readPool = readPool
        self.modelPool = modelPool
        self.inferencePool = inferencePool
        self.logger = logger
    }

    /// Puts a node together; nothing listens yet.
    static func make(
        configuration: NodeConfiguration,
        group: MultiThreadedEventLoopGroup,
        store: RocksStore,
        node: NodeID,
        entries: [LogEntry],
        executable: String,
        libraryFolders: [String],
        logger: Logger
    ) async throws -> NodeAssembly {
        let eventLoops = Array(group.makeIterator())
        let libraryPaths = OnnxEngine.searchPaths(
            configured: configuration.onnxRuntime,
            folders: libraryFolders
        )
        let (engine, unavailable) = openEngine(libraryPaths, configuration, logger)
        let registry = ModelRegistry(unavailable: unavailable)
        let readPool = BlockingPool(threadCount: configuration.readPoolThreads, waitingMax: 4096)
        let modelPool = BlockingPool(threadCount: 1, waitingMax: 256)
        let inferencePool = InferencePool(
            threadCount: configuration.inferenceThreads,
            queueMax: 1024
        )
        let controlLoop = eventLoops[0]
        let peers = try await makePeers(node, eventLoops)
        let incarnation = Incarnation(
            clamping: UInt64(max(0, Date().timeIntervalSince1970 * 1000))
        )
        let control = try await controlLoop.submit {
            NIOLoopBound(
                try ControlPlane(
                    node: node,
                    incarnation: incarnation,
                    peers: peers[0].value,
                    store: store,
                    entries: entries,
                    schemaTimeout: .milliseconds(configuration.schemaMilliseconds),
                    logger: logger
                ),
                eventLoop: controlLoop
            )
        }.get()
        let models = try ModelStore(
            settings: ModelStore.Settings(
                folder: URL(fileURLWithPath: configuration.dataDirectory + "/models"),
                modelBytesMax: configuration.modelMiBMax << 20,
                arenaBytesMax: configuration.arenaMiB << 20,
                libraryPaths: libraryPaths,
                executable: executable
            ),
            engine: engine,
            registry: registry,
            pool: modelPool,
            logger: logger
        ) { message, peer in
            await peers[0].ask(message, peer)
        }
        let prepared = PreparedStatements(countMax: configuration.preparedStatementsMax)
        var loops: [NIOLoopBound<LoopParts>] = []
        for (eventLoop, loopPeers) in zip(eventLoops, peers) {
            let parts = try await eventLoop.submit {
                let parts = makeParts(
                    eventLoop,
                    loopPeers.value,
                    node,
                    configuration,
                    store,
                    readPool,
                    inferencePool,
                    registry,
                    control,
                    controlLoop,
                    models,
                    prepared,
                    logger
                )
                return NIOLoopBound(parts, eventLoop: eventLoop)
            }.get()
            loops.append(parts)
        }
        return NodeAssembly(
            configuration: configuration,
            group: group,
            store: store,
            node: node,
            control: control,
            loops: loops,
            models: models,
            registry: registry,
            readPool: readPool,
            modelPool: modelPool,
            inferencePool: inferencePool,
            logger: logger
        )
    }

    private static func openEngine(
        _ libraryPaths: [String],
        _ configuration: NodeConfiguration,
        _ logger: Logger
    ) -> (OnnxEngine?, String?) {
        do {
            let engine = try OnnxEngine(
                libraryPaths: libraryPaths,
                arenaBytesMax: configuration.arenaMiB << 20
            )
            logger.info("ONNX Runtime \(engine.version) from \(engine.libraryPath)")
            return (engine, nil)
        } catch {
            logger.warning("scoring is off: \(error)")
            return (nil, "\(error)")
        }
    }

    private static func makePeers(
        _ node: NodeID,
        _ eventLoops: [any EventLoop]
    ) async throws -> [NIOLoopBound<LoopPeers>] {
        var peers: [NIOLoopBound<LoopPeers>] = []
        for eventLoop in eventLoops {
            peers.append(
                try await eventLoop.submit {
                    NIOLoopBound(
                        LoopPeers(
                            node: node,
                            eventLoop: eventLoop,
                            configuration: InternodeConfiguration()
                        ),
                        eventLoop: eventLoop
                    )
                }.get()
            )
        }
        return peers
    }

    private static func makeParts(
        _ eventLoop: any EventLoop,
        _ peers: LoopPeers,
        _ node: NodeID,
        _ configuration: NodeConfiguration,
        _ store: RocksStore,
        _ readPool: BlockingPool,
        _ inferencePool: InferencePool,
        _ registry: ModelRegistry,
        _ control: NIOLoopBound<ControlPlane>,
        _ controlLoop: any EventLoop,
        _ models: ModelStore,
        _ prepared: PreparedStatements,
        _ logger: Logger
    ) -> LoopParts {
        let replica = LoopReplica(
            eventLoop: eventLoop,
            store: store,
            readPool: readPool,
            inferencePool: inferencePool,
            models: registry,
            scoreTimeLimit: .milliseconds(configuration.scoreRunMilliseconds)
        )
        let coordinator = LoopCoordinator(
            eventLoop: eventLoop,
            peers: peers,
            replica: replica,
            timeouts: RequestTimeouts(
                read: .milliseconds(configuration.readMilliseconds),
                write: .milliseconds(configuration.writeMilliseconds),
                score: .milliseconds(configuration.scoreMilliseconds),
                modelPush: .milliseconds(configuration.modelPushMilliseconds)
            ),
            view: ClusterView(node: node, state: ClusterState(), alive: [node])
        )
        let receiver = LoopNode(
            replica: replica,
            control: control,
            controlLoop: controlLoop,
            models: models,
            eventLoop: eventLoop,
            logger: logger
        )
        peers.receiver = receiver
        let executor = StatementExecutor(
            coordinator: coordinator,
            prepared: prepared,
            schema: SchemaExecutor(
                control: control,
                controlLoop: controlLoop,
                models: models,
                coordinator: coordinator
            ),
            logger: logger
        )
        return LoopParts(
            peers: peers,
            replica: replica,
            coordinator: coordinator,
            receiver: receiver,
            executor: executor,
            connections: LoopConnections()
        )
    }

    // MARK: Life

    /// Founds or joins the cluster, serves, and returns when the node is told to stop.
    func serve(bootstrap: Bool) async throws {
        try await onControl { [self] control in
            control.listener = ControlPlane.Listener(
                published: { [self] state in publish(state, alive: control.alive) },
                aliveChanged: { [self] alive, changed, isAlive in
                    aliveChanged(alive, changed, isAlive: isAlive)
                }
            )
            control.start()
        }
        let peers = try await boundPeers()
        let listener = try await listening(configuration.internodePort, "internode_port") {
            try await PeerListener.bind(to: $0, group: group, peers: peers)
        }
        servers.withLockedValue { $0.0 = listener }
        try await withGracefulShutdownHandler {
            try await cancelWhenGracefulShutdown {
                try await self.enterCluster(bootstrap: bootstrap)
            }
            guard !Task.isShuttingDownGracefully else { return }
            try await hearMembers()
            let server = try await serveClients()
            servers.withLockedValue { $0.1 = server }
            logger.info(
                """
                node \(node) serves CQL at \(configuration.listenAddress):\
                \(configuration.nativePort)
                """
            )
            try await serveUntilStopped()
        } onGracefulShutdown: { [logger] in
            logger.info("stopping")
        }
    }

    /// Waits a little until gossip has heard of the other nodes, so that the first requests find
    /// their replicas.
    private func hearMembers() async throws {
        for _ in 0..<100 {
            if try await onControl({ $0.hasHeardAll }) { return }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Returns when the node is told to stop; throws once its disk has failed.
    private func serveUntilStopped() async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await gracefulShutdown() }
            tasks.addTask { [store] in
                while store.failure == nil { try await Task.sleep(for: .milliseconds(200)) }
                if let failure = store.failure { throw failure }
            }
            defer { tasks.cancelAll() }
            try await tasks.next()
        }
    }

    /// Ends everything but the storage.
    func stop() async {
        let (listener, server) = servers.withLockedValue { $0 }
        try? await server?.close()
        try? await listener?.close()
        for loop in loops {
            try? await loop.eventLoop.submit {
                loop.value.connections.closeAll()
                loop.value.peers.stop()
            }.get()
        }
        try? await onControl { $0.stop() }
        inferencePool.shutDown()
        try? await readPool.shutDown()
        try? await modelPool.shutDown()
    }

    func onControl<Value: Sendable>(
        _ body: @escaping @Sendable (ControlPlane) throws -> Value
    ) async throws -> Value {
        try await control.eventLoop.submit { [control] in try body(control.value) }.get()
    }

    private func boundPeers() async throws -> [NIOLoopBound<LoopPeers>] {
        var peers: [NIOLoopBound<LoopPeers>] = []
        for (loop, eventLoop) in zip(loops, group.makeIterator()) {
            peers.append(
                try await eventLoop.submit {
                    NIOLoopBound(loop.value.peers, eventLoop: eventLoop)
                }.get()
            )
        }
        return peers
    }

    private func serveClients() async throws -> NativeServer {
        var native: [NIOLoopBound<NativeLoop>] = []
        for (loop, eventLoop) in zip(loops, group.makeIterator()) {
            native.append(
                try await eventLoop.submit {
                    let parts = loop.value
                    return NIOLoopBound(
                        NativeLoop(executor: parts.executor, connections: parts.connections),
                        eventLoop: eventLoop
                    )
                }.get()
            )
        }
        var server = NativeServerConfiguration()
        server.limits.frameBodyBytesMax = configuration.frameMiBMax << 20
        server.connectionsMax = configuration.connectionsMax
        server.requestsInFlightMax = configuration.requestsInFlightMax
        return try await listening(configuration.nativePort, "native_port") {
            try await NativeServer.bind(
                to: $0,
                group: group,
                loops: native,
                configuration: server
            )
        }
    }

    /// Opens a listener, and says which field is to blame if that fails.
    private func listening<Listener>(
        _ port: Int,
        _ field: String,
        _ bind: (SocketAddress) async throws -> Listener
    ) async throws -> Listener {
        let address = configuration.listenAddress
        do {
            return try await bind(try SocketAddress(ipAddress: address, port: port))
        } catch {
            throw NodeStartError(
                text: """
                    cannot listen at \(address):\(port) (listen_address, \(field)): \(error); is \
                    another node or server running there?
                    """
            )
        }
    }
}

/// Why a node cannot start.
struct NodeStartError: Error, CustomStringConvertible {
    let text: String

    var description: String { text }
}
