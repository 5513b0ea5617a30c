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
/// once all other replicas have given their rows of it.
struct LostDisk {
    let configuration: NodeConfiguration
    let logger: Logger

    /// Learns from the seeds which node this is, and writes its id, the cluster log and the duty to
    /// rebuild to the store, as one batch.
    ///
    /// - Throws: ``NodeStartError`` if the store is not empty, no seed answers, or none knows a node
    ///   at this address.
    func restore(_ store: RocksStore, _ eventLoop: any EventLoop) async throws {
        guard try store.readLocal(LocalKeys.nodeID) == nil else {
            logger.notice("--rebuild is ignored: this node has its disk")
            return
        }
        var longest: (entries: [LogEntry], state: ClusterState)?
        var reasons: [String] = []
        for seed in configuration.seeds {
            do {
                let found = try await log(of: seed, eventLoop)
                if found.entries.count > longest?.entries.count ?? 0 { longest = found }
            } catch {
                reasons.append("\(seed): \(error)")
            }
        }
        guard let (entries, state) = longest else {
            throw NodeStartError(
                text: """
                    --rebuild: no seed gave the cluster's log (\(reasons.joined(separator: "; "))); \
                    name living nodes in seeds
                    """
            )
        }
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
        var writes = StoreWrites()
        writes.putLocal(record.id.bytes, for: LocalKeys.nodeID)
        writes.putLocal([1], for: LocalKeys.lostDisk)
        for entry in entries {
            writes.putLocal(entry.encoded(), for: LocalKeys.logEntry(entry.epoch))
        }
        try store.commit(writes)
        logger.notice("this is node \(record.id) again; its rows come from the other replicas")
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
