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
            internodePort: UInt16(clamping: configuration.internodePort),
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
            control.eventLoop.execute { [control] in
                control.value.found(founding) { continuation.resume(returning: $0) }
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
                control.eventLoop.execute { [control, record] in
                    control.value.proposeHere(.registerNode(record)) {
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
                && address.port == configuration.internodePort
            if isSelf { continue }
            var refusal: ClusterChangeError?
            do {
                let entries = try await ask(.fetchLog(after: state.epoch), at: address, state)
                if case .logEntries(let entries) = entries, !entries.isEmpty {
                    control.eventLoop.execute { [control, node] in
                        control.value.entriesReceived(entries, from: node)
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
            eventLoop: control.eventLoop
        )
    }

    private static func address(_ seed: String) -> SocketAddress? {
        guard let colon = seed.lastIndex(of: ":"),
            let port = Int(seed[seed.index(after: colon)...])
        else { return nil }
        return try? SocketAddress(ipAddress: String(seed[..<colon]), port: port)
    }

    // MARK: Following

    /// A new state counts: every loop gets it, clients hear of it, models are made ready.
    func publish(_ state: ClusterState, alive: Set<NodeID>) {
        let old = published.withLockedValue { value in
            defer { value = state }
            return value
        }
        let view = ClusterView(node: node, state: state, alive: alive)
        var events = SchemaDifference.changes(from: old, to: state).map(Event.schemaChange)
        if old.slices == nil, state.slices != nil {
            events += state.sortedNodes.compactMap { Self.endpoint($0) }
                .map { .topologyChange(.newNode, $0) }
        }
        let news = events
        let addresses = state.nodes.compactMapValues {
            try? SocketAddress(ipAddress: $0.address, port: Int($0.internodePort))
        }
        for loop in loops {
            Self.onLoop(loop) { parts in
                parts.coordinator.view = view
                parts.replica.state = state
                parts.receiver.epoch = state.epoch
                parts.peers.localEpoch = state.epoch
                parts.peers.localIdentity.cluster = state.clusterID
                parts.peers.addresses = addresses
                for event in news { parts.connections.broadcast(event) }
            }
        }
        dropTables(from: old, to: state)
        followModels(state)
    }

    /// Gossip changed its mind about a node.
    func aliveChanged(_ alive: Set<NodeID>, _ changed: NodeID, isAlive: Bool) {
        let state = published.withLockedValue { $0 }
        let event = state.nodes[changed]
            .flatMap { Self.endpoint($0) }
            .map { Event.statusChange(isAlive ? .up : .down, $0) }
        for loop in loops {
            Self.onLoop(loop) { parts in
                let wasAlive = parts.coordinator.view.alive.contains(changed)
                parts.coordinator.view.alive = alive.union([parts.coordinator.view.node])
                if wasAlive != isAlive, let event { parts.connections.broadcast(event) }
                if !isAlive { parts.peers.giveUp(on: changed) }
            }
        }
    }

    /// Runs `body` on a loop: at once if that is where this is called.
    private static func onLoop(
        _ loop: NIOLoopBound<LoopParts>,
        _ body: @escaping @Sendable (LoopParts) -> Void
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

    // MARK: Dropped tables

    /// Gives back the room of tables that are gone.
    ///
    /// At the start that is done again for every table that ever was and is not any more, since a
    /// crash may have come between.
    private func dropTables(from old: ClusterState, to new: ClusterState) {
        func ids(_ state: ClusterState) -> Set<TableID> {
            Set(state.tables.values.flatMap(\.values).map(\.id))
        }
        let before =
            old.epoch == .zero
            ? Set((1..<max(1, new.nextTableID.value)).map(TableID.init)) : ids(old)
        let gone = before.subtracting(ids(new)).sorted()
        guard !gone.isEmpty else { return }
        var writes = StoreWrites()
        for table in gone { writes.drop(prefix: RowKey.tablePrefix(table)) }
        if !store.submit(writes, ticket: 0, sink: DropSink(logger: logger)) {
            logger.warning(
                "the rows of dropped tables stay until the next start: the writer is busy"
            )
        }
    }

    // MARK: Models

    /// Makes every version that the log names ready on this node, again and again until it is.
    private func followModels(_ state: ClusterState) {
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
            try await Task.sleep(for: .seconds(2))
            let now = published.withLockedValue { $0 }
            // A newer state has its own task.
            if now.epoch == state.epoch, !(try await onControl { $0.isStopped }) {
                logger.debug("trying again to make models ready")
                followModels(now)
            }
        }
    }
}

/// Notes what became of the rows of dropped tables.
private final class DropSink: CommitSink {
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    func committed(_ outcomes: [CommitOutcome]) {
        for outcome in outcomes {
            if let error = outcome.error {
                logger.warning("the rows of dropped tables stay until the next start: \(error)")
            }
        }
    }
}

extension NIOLoopBound<LoopPeers> {
    /// Sends a request on the bulk connection and waits for its answer.
    func ask(
        _ message: PeerMessage,
        _ peer: NodeID
    ) async -> Result<PeerMessage, PeerFailure> {
        await withCheckedContinuation { continuation in
            eventLoop.execute {
                value.request(message, to: peer, class: .bulk) { result in
                    continuation.resume(returning: result.map(\.message))
                }
            }
        }
    }
}
