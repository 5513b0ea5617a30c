package import Catalog
package import Coordination
package import PeerMessages
package import Replication
internal import Storage
package import TokenPlacement

/// What a node does for its rows besides answering: hands over hints, compares and repairs its
/// slices, sweeps what is safe to forget, rebuilds what its disk lost, finishes logged batches.
///
/// Bound to the control loop. All of it runs within bounds of its own and yields to requests.
package final class Upkeep {
    let node: NodeID
    let environment: any LoopEnvironment
    let replica: LoopReplica
    let hints: SharedHints
    let settings: UpkeepSettings
    let faults: PlantedFaults

    /// The coordinator of the control loop; set before `start`.
    var coordinator: LoopCoordinator?
    /// Called when slices become readable or cease to be.
    var healthChanged: (SliceHealth) -> Void = { _ in }

    /// The cluster as of now.
    private(set) var view: ClusterView
    private(set) var isStopped = false

    let records: UpkeepRecords
    /// Which slices can be read.
    var health = SliceHealth()
    /// Whether the disk was lost, and its slices are not marked yet.
    var mustRebuildAll: Bool
    /// The slices that seem damaged.
    var suspects: Set<SliceID> = []

    /// Whether a round over the batch log is under way, and where the next one begins.
    var isReplaying = false
    var batchCursor: [UInt8]?

    var dispatcher: HintDispatcher
    var hintTimer: (any ScheduledCall)?

    init(
        node: NodeID,
        environment: any LoopEnvironment,
        replica: LoopReplica,
        hints: SharedHints,
        records: UpkeepRecords,
        settings: UpkeepSettings,
        faults: PlantedFaults
    ) {
        self.node = node
        self.environment = environment
        self.replica = replica
        self.hints = hints
        self.records = records
        mustRebuildAll = records.mustRebuildAll
        self.settings = settings
        self.faults = faults
        view = ClusterView(node: node, state: ClusterState(), alive: [node])
        dispatcher = HintDispatcher(
            settings: settings.hints,
            removesEarly: faults.contains(.droppedHint)
        )
    }

    // MARK: Life

    /// Begins.
    func start() {
        startHints()
    }

    /// Ends; what is under way is given up and done again after the next start.
    func stop() {
        isStopped = true
        hintTimer?.cancel()
    }

    /// A new state counts.
    func viewChanged(_ view: ClusterView) {
        self.view = view
        healthFollows(view)
        hintsFollow(view)
    }

    /// Gossip changed its mind about a node.
    func aliveChanged(_ alive: Set<NodeID>, _ changed: NodeID, isAlive: Bool) {
        view.alive = alive
        hintsFollow(changed, isAlive: isAlive)
    }

    /// The table with an id, as repair sees it.
    func replicated(_ table: TableDefinition) -> ReplicatedTable? {
        view.placements[table.keyspace].map {
            ReplicatedTable(
                id: table.id,
                keyspace: table.keyspace,
                name: table.name,
                gcGraceSeconds: table.options.gcGraceSeconds,
                placement: $0
            )
        }
    }
}
