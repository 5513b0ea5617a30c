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
internal import NodeCore
internal import OnnxScoring
internal import PeerMessages
internal import Replication
internal import RocksStorage
internal import ServiceLifecycle
internal import Storage
internal import TokenPlacement

/// A whole node: opens its storage, joins or founds a cluster, serves until it is told to stop.
package struct MartletNode: Service {
    private let configuration: NodeConfiguration
    private let bootstrap: Bool
    private let rebuild: Bool
    private let acceptsLogLoss: Bool
    private let executable: String
    private let libraryFolders: [String]
    private let logger: Logger

    /// A node that `run` starts.
    ///
    /// - Parameters:
    ///   - configuration: validated.
    ///   - bootstrap: whether an empty node founds a cluster.
    ///   - rebuild: whether an empty node is one of the cluster's whose disk was lost.
    ///   - acceptsLogLoss: whether a node with a damaged write-ahead log answers with what is left.
    ///   - executable: this program's path, which models are tried with.
    ///   - libraryFolders: where `tools/install-onnxruntime` may have put the engine.
    ///   - logger: takes what the node has to say.
    package init(
        configuration: NodeConfiguration,
        bootstrap: Bool,
        rebuild: Bool = false,
        acceptsLogLoss: Bool = false,
        executable: String,
        libraryFolders: [String],
        logger: Logger
    ) {
        self.configuration = configuration
        self.bootstrap = bootstrap
        self.rebuild = rebuild
        self.acceptsLogLoss = acceptsLogLoss
        self.executable = executable
        self.libraryFolders = libraryFolders
        self.logger = logger
    }

    package func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: configuration.eventLoops)
        do {
            let (store, cache) = try OpenedStore.open(configuration, logger)
            if rebuild || acceptsLogLoss || store.logDamage != nil {
                let lost = LostDisk(
                    configuration: configuration,
                    acceptsLogLoss: acceptsLogLoss,
                    logger: logger
                )
                try await lost.restore(store, group.next())
            }
            let opened = try OpenedStore(store, cache, configuration, logger)
            let running = try await NodeAssembly.make(
                configuration: configuration,
                group: group,
                opened: opened,
                executable: executable,
                libraryFolders: libraryFolders,
                logger: logger
            )
            do {
                try await running.serve(bootstrap: bootstrap)
            } catch {
                await running.stop()
                opened.store.close()
                if let failure = error as? StorageError {
                    OpenedStore.remember(failure, configuration, logger)
                }
                throw error
            }
            await running.stop()
            // Before the loops end: what the writer still has to say goes to them.
            opened.store.close()
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
        logger.info("stopped")
    }
}
