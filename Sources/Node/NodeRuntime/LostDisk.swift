internal import Catalog
internal import ClusterLog
internal import Foundation
internal import Internode
internal import Logging
internal import NIOCore
internal import NodeCore
internal import PeerMessages
internal import Replication
internal import RocksStorage
internal import Storage
internal import TokenPlacement

/// Gives an empty disk back the identity of the node that it was lost by, and makes one whose
/// write-ahead log is damaged known as half lost.
///
/// The node then knows that it must be rebuilt: it takes writes, and answers reads of a slice only
/// once all other replicas have given their rows of it. The seeds' log may be behind: tables that
/// appear later must be rebuilt too (`LostDiskDuty`).
struct LostDisk {
    let configuration: NodeConfiguration
    /// Whether a node with a damaged log answers with what is left of its rows: somebody says so.
    let acceptsLogLoss: Bool
    let logger: Logger

    private static var lostHints: LostHints {
        LostHints(nowSeconds: Int64(Date().timeIntervalSince1970))
    }

    /// Learns from the seeds which node this is, and writes its id, the cluster log and the duty to
    /// rebuild to the store, as one batch.
    ///
    /// A store whose write-ahead log is damaged keeps the rows that it has, and owes the same: it may
    /// have acknowledged what it does not have any more. Where that is accepted all its slices are
    /// repaired instead.
    ///
    /// - Throws: ``NodeStartError`` if no seed answers, none knows a node at this address, or it is the
    ///   one that decides and not all others answer.
    func restore(_ store: RocksStore, _ eventLoop: any EventLoop) async throws {
        let logRange = KeyRange(
            lower: LocalKeys.logPrefix,
            upper: KeyRange.successor(of: LocalKeys.logPrefix)
        )
        let stored = try store.scanLocal(logRange, limit: .max, bytesMax: .max)
        // An id that the log does not know is that of a start without --rebuild, which the cluster
        // refused: it stands for nothing.
        if let id = try store.readLocal(LocalKeys.nodeID), try Self.knows(stored.map(\.value), id),
            store.logDamage == nil
        {
            logger.notice("--rebuild is ignored: this node has its disk")
            return
        }
        if store.logDamage != nil, acceptsLogLoss, try !Self.decidesForOthers(stored.map(\.value), store)
        {
            try accept(store)
            return
        }
        let cause = cause(store)
        var found = await logs(of: configuration.seeds, eventLoop)
        guard let known = found.longest else {
            throw NodeStartError(
                text: """
                    \(cause): no seed gave the cluster's log (\(found.failures)); name living nodes in \
                    seeds
                    """
            )
        }
        let own = "\(configuration.listenAddress):\(configuration.reachableInternodePort)"
        let others = known.state.sortedNodes.map { "\($0.address):\($0.internodePort)" }
            .filter { $0 != own }
        found = await logs(of: others, eventLoop)
        let longer = found.longest ?? known
        let (entries, state) = longer.entries.count > known.entries.count ? longer : known
        let address = configuration.listenAddress
        let port = configuration.reachableInternodePort
        guard
            let record = state.nodes.values.first(where: {
                $0.address == address && Int($0.internodePort) == port
            })
        else {
            throw NodeStartError(
                text: """
                    \(cause): the cluster \(state.name) knows no node at \(address):\(port) \
                    (listen_address, internode_port); give the lost node's addresses, or start \
                    without --rebuild as a new node
                    """
            )
        }
        // What it decided as the last may be with any of them, and would be decided anew.
        guard record.id != state.founder || found.reasons.isEmpty else {
            throw NodeStartError(
                text: """
                    \(cause): this node decides the changes of the cluster, so that it needs the log of \
                    every other node: \(found.failures); start those first
                    """
            )
        }
        var writes = StoreWrites()
        writes.putLocal(record.id.bytes, for: LocalKeys.nodeID)
        if !acceptsLogLoss || store.logDamage == nil {
            writes.putLocal([1], for: LocalKeys.lostDisk)
        }
        if let damage = store.logDamage {
            logger.error(
                """
                the write-ahead log on this disk is damaged (\(damage)): what stood behind that place \
                is lost here, so that rows are fetched from the other replicas
                """
            )
            writes.putLocal(Self.lostHints.value, for: LocalKeys.lostHints)
        }
        for (key, _) in stored.dropFirst(entries.count) { writes.deleteLocal(key) }
        for entry in entries {
            writes.putLocal(entry.encoded(), for: LocalKeys.logEntry(entry.epoch))
        }
        try store.commit(writes)
        if store.logDamage != nil { try store.flush() }
        logger.notice("this is node \(record.id) again; its rows come from the other replicas")
    }

    /// Why a disk is restored, as the beginning of a sentence.
    private func cause(_ store: RocksStore) -> String {
        guard let damage = store.logDamage else { return "--rebuild" }
        return """
            the write-ahead log on this disk is damaged (\(damage)), so that this node must be rebuilt \
            from its replicas, or be started with --accept-log-loss to answer with what is left
            """
    }

    /// Goes on with what is left of the rows. All slices are repaired, since this replica lacks
    /// writes, and so may others whose hints were lost with the log.
    private func accept(_ store: RocksStore) throws {
        var writes = StoreWrites()
        writes.putLocal(Self.lostHints.value, for: LocalKeys.lostHints)
        try store.commit(writes)
        // Then the damaged log goes, and is not found once more.
        try store.flush()
        logger.warning(
            """
            the write-ahead log is damaged (\(store.logDamage ?? "")): writes that it held are lost on \
            this disk; as --accept-log-loss says, this node answers without them, and all slices are \
            repaired
            """
        )
    }

    /// Whether a log has registered a node.
    private static func knows(_ log: [[UInt8]], _ id: [UInt8]) throws -> Bool {
        try state(log).nodes.keys.contains { $0.bytes == id }
    }

    /// Whether the node of a store is the one that decides the changes of a cluster of several: those
    /// that its disk lost it must not decide anew.
    private static func decidesForOthers(_ log: [[UInt8]], _ store: RocksStore) throws -> Bool {
        let state = try state(log)
        let id = try store.readLocal(LocalKeys.nodeID)
        return id == nil || (state.nodes.count > 1 && state.founder?.bytes == id)
    }

    private static func state(_ log: [[UInt8]]) throws -> ClusterState {
        var state = ClusterState()
        for value in log { try state.apply(try LogEntry(decoding: value)) }
        return state
    }

    /// What some nodes say of the cluster's log.
    private struct Logs {
        var longest: (entries: [LogEntry], state: ClusterState)?
        /// Why some said nothing.
        var reasons: [String] = []

        var failures: String { reasons.joined(separator: "; ") }
    }

    private func logs(of nodes: [String], _ eventLoop: any EventLoop) async -> Logs {
        var logs = Logs()
        for node in nodes {
            do {
                let found = try await log(of: node, eventLoop)
                if found.entries.count > logs.longest?.entries.count ?? 0 { logs.longest = found }
            } catch {
                logs.reasons.append("\(node): \(error)")
            }
        }
        return logs
    }

    /// All entries that a seed has.
    private func log(
        of seed: String,
        _ eventLoop: any EventLoop
    ) async throws -> (entries: [LogEntry], state: ClusterState) {
        guard let address = NodeAssembly.address(seed) else {
            throw NodeStartError(text: "seeds: \(seed) is not address:port")
        }
        var entries: [LogEntry] = []
        var state = ClusterState()
        while true {
            let answer = try await PeerProbe.ask(
                .fetchLog(after: state.epoch),
                at: address,
                node: NodeID(high: 0, low: 0),
                cluster: state.clusterID,
                epoch: state.epoch,
                timeout: .seconds(3),
                eventLoop: eventLoop
            )
            guard case .logEntries(let page) = answer else {
                throw NodeStartError(text: "\(seed) gave an answer of the wrong kind")
            }
            guard !page.isEmpty else { return (entries, state) }
            for entry in page { try state.apply(entry) }
            entries += page
        }
    }
}
