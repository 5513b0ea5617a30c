package import HistoryChecking
package import Replication
package import Storage
package import TokenPlacement

/// One life of a simulated node: from its start to its crash.
///
/// Its loops, its writer and its pools are actors of their own, whose work is split into events.
package final class NodeLife {
    /// The node's place in the run.
    package let node: Int
    /// The node's id.
    package let id: NodeID
    /// Bounds and costs.
    package let settings: MachineSettings
    /// The loops; the first one is the control loop.
    package private(set) var loops: [SimulatedLoop] = []
    /// The cache of this life.
    package let cache: RowCache
    /// The store as it was opened.
    package let store: any StoreBackend
    /// Random numbers of this life.
    package var random: SimulatedRandom

    /// Whether it has not crashed yet.
    package private(set) var isAlive = true
    /// Until when nothing of it runs.
    package private(set) var pausedUntil: Nanoseconds = 0
    /// The mean of what every use of the disk takes longer.
    package var diskDelay: Nanoseconds = 0
    /// Whether the program lets its store compact rows.
    package var mayCompact = false
    /// How many times longer everything takes.
    package var slowness: Int64 = 1

    let kernel: Kernel
    let network: SimulatedNetwork
    private let clockOwner: SimulatedNode
    private var writerActor: SimulatedWriter?
    private var readPoolActor: SimulatedPool?
    private var backgroundPoolActor: SimulatedPool?

    init(
        node: SimulatedNode,
        store: any StoreBackend,
        settings: MachineSettings,
        kernel: Kernel,
        network: SimulatedNetwork,
        random: SimulatedRandom
    ) {
        self.node = node.index
        id = node.id
        clockOwner = node
        self.store = store
        self.settings = settings
        self.kernel = kernel
        self.network = network
        self.random = random
        cache = RowCache(
            bytesMax: settings.cacheBytes,
            stripeCount: 4,
            fault: settings.cacheFault
        )
        writerActor = SimulatedWriter(self)
        readPoolActor = SimulatedPool(self, threads: settings.readThreads)
        backgroundPoolActor = SimulatedPool(self, threads: settings.backgroundThreads)
        loops = (0..<settings.loopCount).map { SimulatedLoop(index: $0, life: self) }
    }

    var writer: SimulatedWriter {
        guard let writerActor else { preconditionFailure("node \(node) is dead") }
        return writerActor
    }

    var readPool: SimulatedPool {
        guard let readPoolActor else { preconditionFailure("node \(node) is dead") }
        return readPoolActor
    }

    var backgroundPool: SimulatedPool {
        guard let backgroundPoolActor else { preconditionFailure("node \(node) is dead") }
        return backgroundPoolActor
    }

    var clock: NodeClock { clockOwner.clock }

    /// Whether the writer is between a batch that it took and its answer.
    package var hasWriteInFlight: Bool { writerActor?.isBusy ?? false }

    /// Why the store takes no more writes, or nil.
    package var storeFailure: StorageError? { writerActor?.failure }

    /// Lets nothing of the node run until a time.
    package func pause(until time: Nanoseconds) { pausedUntil = max(pausedUntil, time) }

    /// Ends the life: nothing of it runs any more, and nothing keeps it in memory.
    func end() {
        isAlive = false
        kernel.endLife(of: node)
        for loop in loops { loop.shutDown() }
        writerActor = nil
        readPoolActor = nil
        backgroundPoolActor = nil
    }

    /// What a piece of work takes on this machine now.
    func cost(_ range: ClosedRange<Nanoseconds>, onDisk: Bool = false) -> Nanoseconds {
        var cost = random.number(in: range) * slowness
        if onDisk, diskDelay > 0 { cost += random.exponential(mean: diskDelay) }
        return cost
    }

    /// When something that takes a span ends, a pause considered.
    func time(after span: Nanoseconds) -> Nanoseconds { max(kernel.now, pausedUntil) + span }
}
