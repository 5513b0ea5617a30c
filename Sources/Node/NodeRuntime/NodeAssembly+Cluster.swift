internal import Catalog
internal import ClusterLog
internal import Coordination
internal import Foundation
internal import Internode
internal import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NativeProtocol
internal import NativeServer
internal import NodeCore
internal import PeerMessages
internal import RocksStorage
internal import Storage
internal import TokenPlacement

/// How a node enters its cluster, and what follows from each new state.
extension NodeAssembly {
    private var record: NodeRecord {
        NodeRecord(
            id: node,
            address: configuration.listenAddress,
            nativePort: UInt16(clamping: configuration.nativePort),
            internodePort: UInt16(clamping: configuration.reachableInternodePort),
            location: Location(datacenter: configuration.datacenter, rack: configuration.rack)
        )
    }

    // MARK: Entering

    /// Founds a cluster, or joins one through the seeds; returns once this node is registered.
    func enterCluster(bootstrap: Bool) async throws {
        let state = try await onControl { $0.state }
        if state.clusterID == nil, bootstrap {
            try await found()
        } else if bootstrap {
            logger.notice("--bootstrap is ignored: this node belongs to a cluster already")
        } else if state.clusterID == nil, configuration.seeds.isEmpty {
            throw NodeStartError(
                text: """
                    this node belongs to no cluster and its configuration names no seeds: name living \
                    nodes in seeds, with --rebuild if this node's disk was lost, or found a new cluster \
                    with --bootstrap
                    """
            )
        }
        var attempt = 0
        while true {
            let state = try await onControl { $0.state }
            if state.nodes[node] == record { return }
            if attempt % 20 == 0 {
                let seeds = configuration.seeds.joined(separator: ", ")
                logger.info("joining through \(seeds)")
            }
            attempt += 1
            let reasons = try await joinOnce(state)
            if attempt % 20 == 0, !reasons.isEmpty {
                logger.warning("not joined yet: \(reasons.joined(separator: "; "))")
            }
            // Ends when the node is told to stop, which `serve` sees.
            guard (try? await Task.sleep(for: .milliseconds(250))) != nil else { return }
        }
    }

    private func found() async throws {
        var generator = SystemRandomNumberGenerator()
        let founding = Founding(
            clusterID: NodeID.random(using: &generator),
            name: configuration.clusterName,
            sliceCount: configuration.sliceCount,
            expectedNodeCount: configuration.expectedNodes,
            node: record
        )
        let result = await withCheckedContinuation { continuation in
            logic.control.executor.execute { [logic] in
                logic.control.value.found(founding) { continuation.resume(returning: $0) }
            }
        }
        _ = try result.get()
        logger.notice("founded cluster \(founding.clusterID) (\(founding.name))")
    }

    /// Asks the seeds for the log, then to register this node; says what went wrong.
    ///
    /// - Throws: ``ClusterChangeError/invalid(_:)`` if this node can never be registered as it is.
    private func joinOnce(_ state: ClusterState) async throws(ClusterChangeError) -> [String] {
        var reasons: [String] = []
        if state.founder == node {
            // The founder's own addresses changed.
            let result = await withCheckedContinuation { continuation in
                logic.control.executor.execute { [logic, record] in
                    logic.control.value.proposeHere(.registerNode(record)) {
                        continuation.resume(returning: $0)
                    }
                }
            }
            if case .failure(let error) = result {
                if case .invalid = error { throw error }
                reasons.append("\(error)")
            }
            return reasons
        }
        for seed in configuration.seeds {
            guard let address = Self.address(seed) else {
                reasons.append("seeds: \(seed) is not address:port")
                continue
            }
            let isSelf =
                address.ipAddress == configuration.listenAddress
                && address.port == configuration.reachableInternodePort
            if isSelf { continue }
            var refusal: ClusterChangeError?
            do {
                let entries = try await ask(.fetchLog(after: state.epoch), at: address, state)
                if case .logEntries(let entries) = entries, !entries.isEmpty {
                    logic.control.executor.execute { [logic, node] in
                        logic.control.value.entriesReceived(entries, from: node)
                    }
                    return []
                }
                let answer = try await ask(.propose(.registerNode(record)), at: address, state)
                switch answer {
                case .proposed(.success): return []
                case .proposed(.failure(.invalid(let why))): refusal = .invalid(why)
                case .proposed(.failure(let error)): reasons.append("\(seed): \(error)")
                default: reasons.append("\(seed): an answer of the wrong kind")
                }
            } catch {
                reasons.append("\(seed): \(error)")
            }
            if let refusal { throw refusal }
        }
        return reasons
    }

    private func ask(
        _ message: PeerMessage,
        at address: SocketAddress,
        _ state: ClusterState
    ) async throws -> PeerMessage {
        try await PeerProbe.ask(
            message,
            at: address,
            node: node,
            cluster: state.clusterID,
            epoch: state.epoch,
            timeout: .seconds(3),
            eventLoop: loops[0].eventLoop
        )
    }

    static func address(_ seed: String) -> SocketAddress? {
        guard let colon = seed.lastIndex(of: ":"),
            let port = Int(seed[seed.index(after: colon)...])
        else { return nil }
        return try? SocketAddress(ipAddress: String(seed[..<colon]), port: port)
    }

    // MARK: Following

    /// A new state counts: clients hear of it, models are made ready.
    ///
    /// Called on the control loop.
    func published(from old: ClusterState, to state: ClusterState) {
        published.withLockedValue { $0 = state }
        var events = SchemaDifference.changes(from: old, to: state).map(Event.schemaChange)
        if old.slices == nil, state.slices != nil {
            events += state.sortedNodes.compactMap { Self.endpoint($0) }
                .map { .topologyChange(.newNode, $0) }
        }
        broadcast(events)
        followModels(state)
    }

    /// Gossip changed its mind about a node.
    ///
    /// Called on the control loop.
    func aliveChanged(_ node: NodeID, isAlive: Bool) {
        let state = published.withLockedValue { $0 }
        guard let endpoint = state.nodes[node].flatMap({ Self.endpoint($0) }) else { return }
        broadcast([.statusChange(isAlive ? .up : .down, endpoint)])
    }

    private func broadcast(_ events: [Event]) {
        guard !events.isEmpty else { return }
        for loop in loops {
            Self.onLoop(loop) { clients in
                for event in events { clients.connections.broadcast(event) }
            }
        }
    }

    /// Runs `body` on a loop: at once if that is where this is called.
    private static func onLoop(
        _ loop: NIOLoopBound<LoopClients>,
        _ body: @escaping @Sendable (LoopClients) -> Void
    ) {
        if loop.eventLoop.inEventLoop {
            body(loop.value)
        } else {
            loop.eventLoop.execute { body(loop.value) }
        }
    }

    private static func endpoint(_ node: NodeRecord) -> InetEndpoint? {
        InetAddress(node.address).map { InetEndpoint(address: $0, port: node.nativePort) }
    }

    // MARK: Models

    /// Makes every version that the log names ready on this node, again and again until it is.
    ///
    /// - Parameters:
    ///   - state: the cluster's state.
    ///   - pause: how long it waits before it tries again; then twice as long, up to 2 s.
    private func followModels(_ state: ClusterState, pause: Duration = .milliseconds(100)) {
        let versions = state.models.values.flatMap { model in
            model.versions.map { (model.name, $0, model.signature) }
        }
        let keys = Set(versions.map { ModelKey(hash: $0.1.hash, signature: $0.2) })
        Task { [models, logger, node, registry] in
            await models.keep(only: keys)
            let missing = versions.filter {
                !registry.isLoaded(ModelKey(hash: $0.1.hash, signature: $0.2))
            }
            guard !missing.isEmpty, registry.unavailable == nil else { return }
            let others = try await onControl { $0.alive }.filter { $0 != node }.sorted()
            var isComplete = true
            for (name, version, signature) in missing {
                let outcome = await models.load(
                    name,
                    hash: version.hash,
                    byteCount: version.byteCount,
                    signature: signature,
                    from: others
                )
                if case .failed = outcome { isComplete = false }
            }
            guard !isComplete else { return }
            try await Task.sleep(for: pause)
            let now = published.withLockedValue { $0 }
            // A newer state has its own task.
            if now.epoch == state.epoch, !(try await onControl { $0.isStopped }) {
                logger.debug("trying again to make models ready")
                followModels(now, pause: min(pause * 2, .seconds(2)))
            }
        }
    }
}

extension NIOLoopEnvironment {
    /// Sends a request on the bulk connection and waits for its answer.
    func ask(
        _ message: PeerMessage,
        _ peer: NodeID
    ) async -> Result<PeerMessage, PeerFailure> {
        await withCheckedContinuation { continuation in
            execute { [self] in
                request(message, to: peer, class: .bulk, timeout: nil) { result in
                    continuation.resume(returning: result.map(\.message))
                }
            }
        }
    }
}
