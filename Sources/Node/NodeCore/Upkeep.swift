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

    /// The slices that could not be read when the node started, as they were found on disk.
    let foundStates: [(key: [UInt8], value: [UInt8])]
    /// Which slices can be read.
    var health = SliceHealth()
    /// What is owed because the disk was lost; nil: nothing.
    var lostDisk: LostDiskDuty?
    /// Whether that is since the write-ahead log was damaged.
    var lostLog: Bool
    /// The writes of that which are not on disk yet.
    var dutiesUnderWay = 0
    /// What is owed because hints were lost, and whether a step of it is under way; nil: nothing.
    var lostHints: LostHints?
    var marksLostHints = false
    /// Changes of the node's own keys that are on their way to the disk, in their order.
    var persisting: [(changes: ArraySlice<LocalChange>, completion: (Bool) -> Void)] = []
    /// The tables of which it was said that slices are lost for good.
    var toldLost: Set<TableID> = []
    /// What is known of damage.
    var damage: DamageBook
    /// Called when rows may be compacted from now on, or must not any more.
    var compactionChanged: (_ isAllowed: Bool) -> Void = { _ in }

    /// What is known of the slices' repairs, and which are due.
    var ledger: RepairLedger
    var schedule: RepairSchedule
    var replicatedTables: [TableID: ReplicatedTable] = [:]
    /// The repair that is under way; numbers tell late answers of one before.
    var repair: (task: RepairTask, machine: RepairMachine)?
    var repairNumber = 0
    var round = 0
    var repairBandwidth: TokenBucket
    /// The slices of which it was said that no replica has all.
    var toldSourceless: Set<SliceID> = []
    /// When it was last said that a node's clock differs from this one's.
    var toldOfClocks: [NodeID: Duration] = [:]
    /// The runs that were asked for.
    var runs: [RepairRun] = []
    /// What is swept when, and the pass that is under way.
    var planner: SweepPlanner
    var sweep: SweepPass?
    var sweepBandwidth: TokenBucket

    /// The tables that are gone and whose rows are not, with the epochs since which they are, and
    /// when their rows are to be dropped at the earliest.
    var goneTables: [(table: TableID, epoch: Epoch, due: Duration)] = []
    var isDroppingTables = false
    /// Whether it was said that rows of dropped tables cannot be dropped.
    var toldOfGoneTables = false
    /// The epoch whose state each loop uses.
    var adoptedEpochs: [Epoch]

    var dispatcher: HintDispatcher
    /// When the dispatcher is called next, at the latest.
    var hintTimer: (due: Duration, call: any ScheduledCall)?
    private var roundTimer: (any ScheduledCall)?

    init(
        node: NodeID,
        environment: any LoopEnvironment,
        loopCount: Int,
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
        adoptedEpochs = Array(repeating: .zero, count: loopCount)
        foundStates = records.states
        lostDisk = records.lostDisk
        lostLog = records.lostLog
        lostHints = records.lostHints
        damage = DamageBook(records, bytesPerSecond: settings.repair.bytesPerSecond)
        ledger = RepairLedger(settings: settings.repair)
        for record in records.repaired + records.dirty {
            ledger.restore(key: record.key, value: record.value)
        }
        schedule = RepairSchedule(node: node, settings: settings.repair)
        planner = SweepPlanner(
            node: node,
            settings: settings.repair,
            purgesEarly: faults.contains(.earlyPurge),
            ignoresRepair: faults.contains(.unrepairedPurge)
        )
        repairBandwidth = .paced(bytesPerSecond: settings.repair.bytesPerSecond)
        sweepBandwidth = .paced(bytesPerSecond: settings.repair.sweepBytesPerSecond)
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
            settleMarks()
            lostHintsRound()
            forwardMarks()
            lostDiskRound()
            damageRound()
            dropGoneTables()
            repairNext()
            sweepNext()
            scheduleRound()
        }
    }

    /// Ends; what is under way is given up and done again after the next start.
    func stop() {
        isStopped = true
        hintTimer?.call.cancel()
        roundTimer?.cancel()
    }

    /// A new state counts.
    func viewChanged(_ view: ClusterView) {
        tablesFollow(from: self.view.state, to: view.state)
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
        if lostHints != nil { return "hints were lost, and not all slices are marked for it" }
        if !health.isWell { return "slices are being rebuilt" }
        if let gone = goneTables.first {
            return "the rows of the dropped table \(gone.table) are there"
        }
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
