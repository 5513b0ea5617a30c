internal import Catalog
internal import ClusterLog
internal import Foundation
internal import Internode
internal import Logging
internal import NIOCore
internal import NodeCore
internal import PeerMessages
internal import RocksStorage
internal import Storage
internal import TokenPlacement

/// Gives an empty disk back the identity of the node that it was lost by.
///
/// The node then knows that it must be rebuilt: it takes writes, and answers reads of a slice only
/// once all other replicas have given their rows of it. The seeds' log may be behind: tables that
/// appear later must be rebuilt too (`LostDiskDuty`).
struct LostDisk {
    let configuration: NodeConfiguration
    let logger: Logger

    /// Learns from the seeds which node this is, and writes its id, the cluster log and the duty to
    /// rebuild to the store, as one batch.
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
        if let id = try store.readLocal(LocalKeys.nodeID), try Self.knows(stored.map(\.value), id) {
            logger.notice("--rebuild is ignored: this node has its disk")
            return
        }
        var found = await logs(of: configuration.seeds, eventLoop)
        guard let known = found.longest else {
            throw NodeStartError(
                text: """
                    --rebuild: no seed gave the cluster's log (\(found.failures)); name living nodes in \
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
                    --rebuild: the cluster \(state.name) knows no node at \(address):\(port) \
                    (listen_address, internode_port); give the lost node's addresses, or start \
                    without --rebuild as a new node
                    """
            )
        }
        // What it decided as the last may be with any of them, and would be decided anew.
        guard record.id != state.founder || found.reasons.isEmpty else {
            throw NodeStartError(
                text: """
                    --rebuild: this node decides the changes of the cluster, so that it needs the log of \
                    every other node: \(found.failures); start those first
                    """
            )
        }
        var writes = StoreWrites()
        writes.putLocal(record.id.bytes, for: LocalKeys.nodeID)
        writes.putLocal([1], for: LocalKeys.lostDisk)
        for (key, _) in stored.dropFirst(entries.count) { writes.deleteLocal(key) }
        for entry in entries {
            writes.putLocal(entry.encoded(), for: LocalKeys.logEntry(entry.epoch))
        }
        try store.commit(writes)
        logger.notice("this is node \(record.id) again; its rows come from the other replicas")
    }

    /// Whether a log has registered a node.
    private static func knows(_ log: [[UInt8]], _ id: [UInt8]) throws -> Bool {
        var state = ClusterState()
        for value in log { try state.apply(try LogEntry(decoding: value)) }
        return state.nodes.keys.contains { $0.bytes == id }
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
