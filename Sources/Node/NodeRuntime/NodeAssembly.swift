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
internal import NodeCore
internal import OnnxScoring
internal import PeerMessages
internal import Replication
internal import RocksStorage
internal import ServiceLifecycle
internal import Storage
internal import TokenPlacement

/// What belongs to one event loop; bound to it.
struct LoopClients {
    let environment: NIOLoopEnvironment
    let executor: StatementExecutor
    let connections: LoopConnections
}

/// The parts of a running node, put together.
final class NodeAssembly: Sendable {
    let configuration: NodeConfiguration
    let group: MultiThreadedEventLoopGroup
    let store: RocksStore
    let node: NodeID
    let logic: NodeLogic
    let loops: [NIOLoopBound<LoopClients>]
    let models: ModelStore
    let registry: ModelRegistry
    let cache: RowCache
    private let readPool: BlockingPool
    private let backgroundPool: BlockingPool
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
        logic: NodeLogic,
        loops: [NIOLoopBound<LoopClients>],
        models: ModelStore,
        registry: ModelRegistry,
        cache: RowCache,
        readPool: BlockingPool,
        backgroundPool: BlockingPool,
        modelPool: BlockingPool,
        inferencePool: InferencePool,
        logger: Logger
    ) {
        self.configuration = configuration
        self.group = group
        self.store = store
        self.node = node
        self.logic = logic
        self.loops = loops
        self.models = models
        self.registry = registry
        self.cache = cache
        self.readPool = readPool
        self.backgroundPool = backgroundPool
        self.modelPool = modelPool
        self.inferencePool = inferencePool
        self.logger = logger
    }

    /// Puts a node together; nothing listens yet.
    static func make(
        configuration: NodeConfiguration,
        group: MultiThreadedEventLoopGroup,
        opened: OpenedStore,
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
        let backgroundPool = BlockingPool(threadCount: 1, waitingMax: 256)
        let modelPool = BlockingPool(threadCount: 1, waitingMax: 256)
        let inferencePool = InferencePool(
            threadCount: configuration.inferenceThreads,
            queueMax: 1024
        )
        let environments = try await makeEnvironments(
            opened,
            eventLoops,
            readPool,
            backgroundPool,
            logger
        )
        let models = try ModelStore(
            settings: ModelStore.Settings(
                folder: URL(fileURLWithPath: configuration.dataDirectory + "/models"),
                modelBytesMax: configuration.modelMiBMax << 20,
                arenaBytesMax: configuration.memory.bytes(.inference),
                libraryPaths: libraryPaths,
                executable: executable
            ),
            engine: engine,
            registry: registry,
            pool: modelPool,
            logger: logger
        ) { message, peer in
            await environments[0].ask(message, peer)
        }
        let compaction = CompactionSwitch(
            opened.store,
            backgroundPool,
            on: eventLoops[0],
            logger
        )
        // What the hooks tell goes to the assembly that is made last.
        let assembly = NIOLockedValueBox<NodeAssembly?>(nil)
        let logic = try NodeLogic(
            node: opened.node,
            incarnation: Incarnation(
                clamping: UInt64(max(0, Date().timeIntervalSince1970 * 1000))
            ),
            environments: environments,
            entries: opened.entries,
            records: opened.records,
            settings: configuration.nodeSettings,
            scorer: { environment in
                OnnxScorer(
                    eventLoop: (environment as? NIOLoopEnvironment)?.eventLoop ?? eventLoops[0],
                    inferencePool: inferencePool,
                    models: registry,
                    timeLimit: .milliseconds(configuration.scoreRunMilliseconds)
                )
            },
            models: { environment in
                ModelAnswers(
                    models: models,
                    eventLoop: (environment as? NIOLoopEnvironment)?.eventLoop ?? eventLoops[0]
                )
            },
            hooks: NodeLogic.Hooks(
                published: { old, new, _ in
                    assembly.withLockedValue { $0 }?.published(from: old, to: new)
                },
                aliveChanged: { node, isAlive in
                    assembly.withLockedValue { $0 }?.aliveChanged(node, isAlive: isAlive)
                },
                compactionChanged: compaction.changed
            )
        )
        let made = NodeAssembly(
            configuration: configuration,
            group: group,
            store: opened.store,
            node: opened.node,
            logic: logic,
            loops: try await makeClients(
                environments,
                logic,
                configuration,
                models,
                NodeResources(
                    memory: configuration.memory,
                    cache: opened.cache,
                    store: opened.store
                ),
                logger
            ),
            models: models,
            registry: registry,
            cache: opened.cache,
            readPool: readPool,
            backgroundPool: backgroundPool,
            modelPool: modelPool,
            inferencePool: inferencePool,
            logger: logger
        )
        assembly.withLockedValue { $0 = made }
        return made
    }

    private static func openEngine(
        _ libraryPaths: [String],
        _ configuration: NodeConfiguration,
        _ logger: Logger
    ) -> (OnnxEngine?, String?) {
        do {
            let engine = try OnnxEngine(
                libraryPaths: libraryPaths,
                arenaBytesMax: configuration.memory.bytes(.inference)
            )
            logger.info("ONNX Runtime \(engine.version) from \(engine.libraryPath)")
            return (engine, nil)
        } catch {
            logger.warning("scoring is off: \(error)")
            return (nil, "\(error)")
        }
    }

    private static func makeEnvironments(
        _ opened: OpenedStore,
        _ eventLoops: [any EventLoop],
        _ readPool: BlockingPool,
        _ backgroundPool: BlockingPool,
        _ logger: Logger
    ) async throws -> [NIOLoopEnvironment] {
        var environments: [NIOLoopEnvironment] = []
        for eventLoop in eventLoops {
            environments.append(
                try await eventLoop.submit {
                    NIOLoopEnvironment(
                        peers: LoopPeers(
                            node: opened.node,
                            eventLoop: eventLoop,
                            configuration: InternodeConfiguration()
                        ),
                        store: opened.store,
                        cache: opened.cache,
                        readPool: readPool,
                        backgroundPool: backgroundPool,
                        logger: logger
                    )
                }.get()
            )
        }
        return environments
    }

    private static func makeClients(
        _ environments: [NIOLoopEnvironment],
        _ logic: NodeLogic,
        _ configuration: NodeConfiguration,
        _ models: ModelStore,
        _ resources: NodeResources,
        _ logger: Logger
    ) async throws -> [NIOLoopBound<LoopClients>] {
        let prepared = PreparedStatements(countMax: configuration.preparedStatementsMax)
        var clients: [NIOLoopBound<LoopClients>] = []
        for (environment, parts) in zip(environments, logic.loops) {
            clients.append(
                try await environment.eventLoop.submit {
                    let parts = parts.value
                    environment.peers.receiver = parts.receiver
                    let executor = StatementExecutor(
                        coordinator: parts.coordinator,
                        prepared: prepared,
                        schema: SchemaExecutor(
                            control: logic.control,
                            models: models,
                            coordinator: parts.coordinator
                        ),
                        logic: logic,
                        resources: resources,
                        logger: logger
                    )
                    let made = LoopClients(
                        environment: environment,
                        executor: executor,
                        connections: LoopConnections()
                    )
                    return NIOLoopBound(made, eventLoop: environment.eventLoop)
                }.get()
            )
        }
        return clients
    }

    // MARK: Life

    /// Founds or joins the cluster, serves, and returns when the node is told to stop.
    func serve(bootstrap: Bool) async throws {
        try await onControl { [logic] _ in logic.start() }
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
            tasks.addTask { try await self.flushMemtables() }
            defer { tasks.cancelAll() }
            try await tasks.next()
        }
    }

    /// Has memtables written to files now and then, full or not.
    private func flushMemtables() async throws {
        while true {
            try await Task.sleep(for: configuration.flushInterval)
            await withCheckedContinuation { continuation in
                // Of its own, since it may wait for compactions.
                Thread.detachNewThread { [store, logger] in
                    do throws(StorageError) {
                        try store.beginFlush()
                    } catch {
                        logger.warning("memtables are not flushed for a while: \(error)")
                    }
                    continuation.resume()
                }
            }
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
                loop.value.environment.peers.stop()
            }.get()
        }
        try? await onControl { [logic] _ in logic.stop() }
        inferencePool.shutDown()
        try? await readPool.shutDown()
        try? await backgroundPool.shutDown()
        try? await modelPool.shutDown()
    }

    func onControl<Value: Sendable>(
        _ body: @escaping @Sendable (ControlPlane) throws -> Value
    ) async throws -> Value {
        let eventLoop = group.next()
        let controlLoop = loops.first?.eventLoop ?? eventLoop
        return try await controlLoop.submit { [logic] in try body(logic.control.value) }.get()
    }

    private func boundPeers() async throws -> [NIOLoopBound<LoopPeers>] {
        var peers: [NIOLoopBound<LoopPeers>] = []
        for (loop, eventLoop) in zip(loops, group.makeIterator()) {
            peers.append(
                try await eventLoop.submit {
                    NIOLoopBound(loop.value.environment.peers, eventLoop: eventLoop)
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
