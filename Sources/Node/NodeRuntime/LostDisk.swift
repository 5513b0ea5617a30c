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
/// once all other replicas have given their rows of it. The log that it starts with may be behind:
/// tables that appear later must be rebuilt too (`LostDiskDuty`).
struct LostDisk {
    let configuration: NodeConfiguration
    /// Whether a node with a damaged log answers with what is left of its rows: somebody says so.
    let acceptsLogLoss: Bool
    let logger: Logger

    /// What is owed as hints for others went with the log.
    private static var lostHints: LostHints {
        LostHints(nowSeconds: Int64(Date().timeIntervalSince1970))
    }

    /// Learns from the other nodes which node this is, and writes its id, the cluster log and the duty to
    /// rebuild to the store, as one batch.
    ///
    /// A store whose write-ahead log is damaged keeps the rows that it has, and owes the same: it may
    /// have acknowledged what it does not have any more. Where that is accepted all its slices are
    /// repaired instead. It knows who it is, and asks nobody unless it decides for others.
    ///
    /// - Throws: ``NodeStartError`` if no node gives the log, none knows a node at this address, or it is
    ///   the one that decides and not all others answer.
    func restore(_ store: RocksStore, _ eventLoop: any EventLoop) async throws {
        let found = try OpenedStore.logEntries(store)
        // A damaged log may lack some amid others, which stand for nothing then.
        let stored = Array(zip(found, 1...).prefix { $0.epoch.value == UInt64($1) }.map(\.0))
        let state = try Self.state(stored)
        let id = try store.readLocal(LocalKeys.nodeID)
        // An id that the log does not know is that of a start without --rebuild, which the cluster
        // refused: it stands for nothing.
        if let known = state.nodes.keys.first(where: { $0.bytes == id }) {
            guard store.logDamage != nil else {
                try liftOrIgnore(store)
                return
            }
            if state.nodes.count == 1 || state.founder != known {
                var writes = StoreWrites()
                for entry in found.dropFirst(stored.count) {
                    writes.deleteLocal(LocalKeys.logEntry(entry.epoch))
                }
                try write(writes, to: store)
                return
            }
        }
        let (entries, restored, record) = try await decided(stored, cause(store), eventLoop)
        var writes = StoreWrites()
        writes.putLocal(record.id.bytes, for: LocalKeys.nodeID)
        for entry in found.dropFirst(entries.count) {
            writes.deleteLocal(LocalKeys.logEntry(entry.epoch))
        }
        for entry in entries {
            writes.putLocal(entry.encoded(), for: LocalKeys.logEntry(entry.epoch))
        }
        try write(writes, to: store)
        logger.notice("this is node \(record.id) of the cluster \(restored.name) again")
    }

    /// Writes what is owed, with all else that makes it so.
    private func write(_ writes: StoreWrites, to store: RocksStore) throws {
        var writes = writes
        guard let damage = store.logDamage else {
            writes.putLocal([1], for: LocalKeys.lostDisk)
            try store.commit(writes)
            return
        }
        writes.putLocal(Self.lostHints.value, for: LocalKeys.lostHints)
        if !acceptsLogLoss {
            writes.putLocal([1], for: LocalKeys.lostDisk)
            writes.putLocal([1], for: LocalKeys.lostLog)
        }
        try store.commit(writes)
        try store.forgetLogDamage()
        let consequence =
            acceptsLogLoss
            ? """
            as --accept-log-loss says, this node answers without them, and all slices are repaired
            """
            : """
            its slices are read again once their rows were fetched from the other replicas; start it \
            with --accept-log-loss to read what is left before
            """
        logger.error(
            """
            the write-ahead log on this disk is damaged (\(damage)), and writes that it held are lost \
            here: \(consequence)
            """
        )
    }

    /// A node that has its disk: what an earlier start made of a damaged log is taken back, if that is
    /// asked for now.
    private func liftOrIgnore(_ store: RocksStore) throws {
        guard acceptsLogLoss, try store.readLocal(LocalKeys.lostLog) != nil else {
            let option = acceptsLogLoss ? "--accept-log-loss" : "--rebuild"
            logger.notice("\(option) is ignored: this node has its disk")
            return
        }
        var writes = StoreWrites()
        writes.putLocal(Self.lostHints.value, for: LocalKeys.lostHints)
        writes.deleteLocal(LocalKeys.lostDisk)
        writes.deleteLocal(LocalKeys.lostLog)
        let range = SliceKeys.range(of: SliceKeys.rebuildPrefix)
        var health = SliceHealth()
        for (key, value) in try store.scanLocal(range, limit: .max, bytesMax: .max) {
            health.restore(key: key, value: value)
        }
        for slice in health.slices(.rebuilding) {
            writes.apply(SliceHealth.change(to: nil, slice))
        }
        try store.commit(writes)
        logger.warning(
            """
            as --accept-log-loss says, this node answers with what its damaged log has left, and all \
            slices are repaired
            """
        )
    }

    // MARK: The log

    /// The longest log that the other nodes and this disk have, and which of its nodes this is.
    private func decided(
        _ stored: [LogEntry],
        _ cause: String,
        _ eventLoop: any EventLoop
    ) async throws -> (entries: [LogEntry], state: ClusterState, record: NodeRecord) {
        let (address, port) = (configuration.listenAddress, configuration.reachableInternodePort)
        var (entries, state) = (stored, try Self.state(stored))
        var asked: Set = ["\(address):\(port)"]
        var failures: [String: String] = [:]
        var next = configuration.seeds
        // Until no log names a node that was not asked.
        while true {
            next += state.sortedNodes.map { "\($0.address):\($0.internodePort)" }
            let new = next.filter { asked.insert($0).inserted }
            guard !new.isEmpty else { break }
            for node in new {
                do {
                    let found = try await log(of: node, eventLoop)
                    if found.entries.count > entries.count { (entries, state) = found }
                } catch {
                    failures[node] = "\(node): \(error)"
                }
            }
        }
        guard !entries.isEmpty else {
            let reasons = failures.values.sorted().joined(separator: "; ")
            throw NodeStartError(
                text: """
                    \(cause): no node gave the cluster's log; name living nodes in seeds \
                    (\(reasons.isEmpty ? "there are none" : reasons))
                    """
            )
        }
        let own = state.nodes.values.first {
            $0.address == address && Int($0.internodePort) == port
        }
        guard let own else {
            throw NodeStartError(
                text: """
                    \(cause): the cluster \(state.name) knows no node at \(address):\(port) \
                    (listen_address, internode_port); give the lost node's addresses, or start \
                    without --rebuild as a new node
                    """
            )
        }
        let silent = state.sortedNodes.compactMap {
            failures["\($0.address):\($0.internodePort)"]
        }
        // What it decided as the last may be with any of them, and would be decided anew.
        guard own.id != state.founder || silent.isEmpty else {
            throw NodeStartError(
                text: """
                    \(cause): this node decides the changes of the cluster, so that it needs the log of \
                    every other node: \(silent.joined(separator: "; ")); start those first
                    """
            )
        }
        return (entries, state, own)
    }

    /// Why a disk is restored, as the beginning of a sentence.
    private func cause(_ store: RocksStore) -> String {
        guard let damage = store.logDamage else { return "--rebuild" }
        return """
            the write-ahead log on this disk is damaged (\(damage)), so that this node must be rebuilt \
            from its replicas, or be started with --accept-log-loss to answer with what is left
            """
    }

    private static func state(_ log: [LogEntry]) throws -> ClusterState {
        var state = ClusterState()
        for entry in log { try state.apply(entry) }
        return state
    }

    /// All entries that a node has.
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
