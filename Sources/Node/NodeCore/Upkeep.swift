internal import Catalog
internal import Coordination
internal import PeerMessages
internal import Replication
internal import Storage
internal import SystemTables
internal import TokenPlacement

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

    /// What is known of the slices' repairs, and which are due.
    var ledger: RepairLedger
    var schedule: RepairSchedule
    var replicatedTables: [TableID: ReplicatedTable] = [:]
    /// The repair that is under way; numbers tell late answers of one before.
    var repair: (task: RepairTask, machine: RepairMachine)?
    var repairNumber = 0
    var round = 0
    var repairBandwidth: TokenBucket
    /// The runs that were asked for.
    var runs: [RepairRun] = []
    /// What is swept when, and the pass that is under way.
    var planner: SweepPlanner
    var sweep: SweepPass?
    var sweepBandwidth: TokenBucket
    /// Logged batches of the round that wait to be written, and how many are being written.
    var replaysWaiting: ArraySlice<(key: [UInt8], value: [UInt8])> = []
    var replaysUnderWay = 0
    /// Whether a round over the batch log is under way, and where the next one begins.
    var isReplaying = false
    var batchCursor: [UInt8]?

    var dispatcher: HintDispatcher
    var hintTimer: (any ScheduledCall)?
    private var roundTimer: (any ScheduledCall)?

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
        ledger = RepairLedger(settings: settings.repair)
        let seconds = environment.wallMicros / 1_000_000
        for record in records.repaired + records.dirty {
            ledger.restore(key: record.key, value: record.value, nowSeconds: seconds)
        }
        schedule = RepairSchedule(node: node, settings: settings.repair)
        planner = SweepPlanner(
            node: node,
            settings: settings.repair,
            purgesEarly: faults.contains(.earlyPurge)
        )
        repairBandwidth = TokenBucket(
            bytesPerSecond: settings.repair.bytesPerSecond,
            burstBytes: 1 << 20
        )
        sweepBandwidth = TokenBucket(
            bytesPerSecond: settings.repair.sweepBytesPerSecond,
            burstBytes: 1 << 20
        )
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
        scheduleRound()
    }

    /// Looks for what is due, again and again.
    private func scheduleRound() {
        guard !isStopped else { return }
        // Nodes that were started together must not work together ever after.
        let pause = settings.interval.jittered(environment.random())
        roundTimer = environment.schedule(after: pause) { [weak self] in
            guard let self, !isStopped else { return }
            replayBatches()
            forwardMarks()
            repairNext()
            sweepNext()
            scheduleRound()
        }
    }

    /// Ends; what is under way is given up and done again after the next start.
    func stop() {
        isStopped = true
        hintTimer?.cancel()
        roundTimer?.cancel()
    }

    /// A new state counts.
    func viewChanged(_ view: ClusterView) {
        self.view = view
        repairsFollow(view)
        healthFollows(view)
        hintsFollow(view)
    }

    /// Gossip changed its mind about a node.
    func aliveChanged(_ alive: Set<NodeID>, _ changed: NodeID, isAlive: Bool) {
        view.alive = alive
        hintsFollow(changed, isAlive: isAlive)
        repairsFollow(alive: alive)
    }

    var wallSeconds: Int64 { environment.wallMicros / 1_000_000 }

    /// What this node still has to do before the cluster is at rest, in words; nil: nothing.
    package var unrest: String? {
        let count = hints.withBook { $0.count }
        if count > 0 || !hintsAreDrained { return "\(count) hints wait" }
        if !health.isWell { return "slices are being rebuilt" }
        if let slice = ledger.dirtySlices.first {
            return "\(slice) is dirty: \(ledger.dirtyMarks(of: slice))"
        }
        return nil
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

extension Duration {
    /// Three to five quarters of it, as a random number says.
    func jittered(_ random: UInt64) -> Duration {
        self * Double(768 + random % 513) / 1024
    }
}
