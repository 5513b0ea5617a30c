internal import Catalog
internal import ClusterLog
internal import Coordination
internal import Foundation
internal import Gossip
internal import Internode
package import Logging
internal import NIOCore
internal import NIOPosix
internal import NativeProtocol
internal import NativeServer
internal import OnnxScoring
internal import PeerMessages
internal import RocksStorage
package import ServiceLifecycle
internal import TokenPlacement

/// A whole node: opens its storage, joins or founds a cluster, serves until it is told to stop.
package struct MartletNode: Service {
    private let configuration: NodeConfiguration
    private let bootstrap: Bool
    private let executable: String
    private let libraryFolders: [String]
    private let logger: Logger

    /// A node that `run` starts.
    ///
    /// - Parameters:
    ///   - configuration: validated.
    ///   - bootstrap: whether an empty node founds a cluster.
    ///   - executable: this program's path, which models are tried with.
    ///   - libraryFolders: where `tools/install-onnxruntime` may have put the engine.
    ///   - logger: takes what the node has to say.
    package init(
        configuration: NodeConfiguration,
        bootstrap: Bool,
        executable: String,
        libraryFolders: [String],
        logger: Logger
    ) {
        self.configuration = configuration
        self.bootstrap = bootstrap
        self.executable = executable
        self.libraryFolders = libraryFolders
        self.logger = logger
    }

    package func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: configuration.eventLoops)
        do {
            let store = try openStore()
            let running = try await NodeAssembly.make(
                configuration: configuration,
                group: group,
                store: store,
                node: try identity(store),
                entries: try logEntries(store),
                executable: executable,
                libraryFolders: libraryFolders,
                logger: logger
            )
            do {
                try await running.serve(bootstrap: bootstrap)
            } catch {
                await running.stop()
                store.close()
                throw error
            }
            await running.stop()
            // Before the loops end: what the writer still has to say goes to them.
            store.close()
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
        logger.info("stopped")
    }

    private func openStore() throws -> RocksStore {
        var options = RocksOptions(path: configuration.dataDirectory + "/rows")
        options.blockCacheBytes = configuration.blockCacheMiB << 20
        options.rowCacheBytes = configuration.rowCacheMiB << 20
        options.memtableBytes = configuration.memtableMiB << 20
        options.totalWALBytesMax = max(configuration.memtableMiB * 4, 64) << 20
        options.writerQueueBytesMax = configuration.writerQueueMiB << 20
        options.syncMode =
            switch configuration.sync {
            case .beforeAcknowledgement: .beforeAcknowledgement
            case .periodic: .periodic(.milliseconds(configuration.syncPeriodMilliseconds))
            }
        try FileManager.default.createDirectory(
            atPath: configuration.dataDirectory,
            withIntermediateDirectories: true
        )
        return try RocksStore(options: options)
    }

    /// The node's id: made at its first start, and the same for as long as its disk lives.
    private func identity(_ store: RocksStore) throws -> NodeID {
        if let bytes = try store.readLocal(LocalKeys.nodeID), bytes.count == 16 {
            let halves = [bytes[..<8], bytes[8...]].map {
                $0.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            }
            return NodeID(high: halves[0], low: halves[1])
        }
        var generator = SystemRandomNumberGenerator()
        let node = NodeID.random(using: &generator)
        var writes = StoreWrites()
        writes.putLocal(node.bytes, for: LocalKeys.nodeID)
        try store.commit(writes)
        return node
    }

    private func logEntries(_ store: RocksStore) throws -> [LogEntry] {
        var entries: [LogEntry] = []
        var start = LocalKeys.logPrefix
        while true {
            let page = try store.scanLocal(prefix: LocalKeys.logPrefix, from: start, limit: 1000)
            for (_, value) in page { entries.append(try LogEntry(decoding: value)) }
            guard page.count == 1000, let last = page.last else { return entries }
            start = last.key + [0]
        }
    }
}
