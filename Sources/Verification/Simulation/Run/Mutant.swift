package import HistoryChecking

/// Deliberate mistakes that the checkers must find; each is planted by configuration only.
package enum Mutant: String, Hashable, Sendable, CaseIterable {
    /// A read at any level asks one replica only.
    case readAtOneReplica
    /// The writer answers before it has synced.
    case ackBeforeSync
    /// A hint is deleted before its target acknowledged it.
    case droppedHint
    /// The sweeper purges before grace period and repair.
    case earlyPurge
    /// The sweeper purges what no repair has brought to all replicas.
    case unrepairedPurge
    /// The sweeper purges while older writes may still be handed over as hints.
    case hintedPurge
    /// Replicas that were found stale are not repaired.
    case skippedReadRepair
    /// The cache takes in what was read before a write.
    case staleCacheFill
    /// A node that lost its disk answers reads at once.
    case wipedNodeAnswers
    /// The rows of a read are answered in the wrong order.
    case reversedRows
    /// A write that timed out is said to have been refused.
    case refusedTimeout
    /// An INSERT is sent as two writes.
    case splitInsert
    /// A coordinator judges expiry by a clock that is an hour behind.
    case lateClock
    /// Nothing is synced before it is acknowledged.
    case neverSyncs
    /// A repair counts rows as written that it did not write.
    case unwrittenRepair
    /// Logged batches whose coordinator died are dropped.
    case droppedBatch
    /// A score at any level asks one replica only.
    case scoreAtOneReplica
    /// A page of a scan has its first row twice.
    case repeatedRow
    /// Hints that were handed over are kept.
    case keptHint
    /// A read waits for its replicas without end.
    case endlessRead
    /// A node that comes back is not held alive again.
    case unnoticedReturn
    /// The room of requests that are over is never given back.
    case heldRoom
    /// A node draws random numbers that its seed does not decide.
    case unseededRandom
    /// Entries of the cluster log with odd epochs are not written.
    case skippedEpochs
    /// All rows of a table are dropped where some of its slices are damaged.
    case widePurge
    /// Replicas take writes of older epochs, to tables that are gone.
    case staleEpochWrite

    /// The scenario in which the mistake shows best.
    package var scenario: Scenario {
        switch self {
        case .readAtOneReplica, .skippedReadRepair, .refusedTimeout, .scoreAtOneReplica,
            .endlessRead:
            .partitions
        case .ackBeforeSync, .droppedHint, .neverSyncs, .unwrittenRepair, .droppedBatch,
            .keptHint, .unnoticedReturn:
            .crashRecover
        case .earlyPurge, .unrepairedPurge, .hintedPurge: .sweeping
        case .staleCacheFill, .reversedRows, .splitInsert, .lateClock, .repeatedRow,
            .unseededRandom:
            .calm
        case .wipedNodeAnswers, .widePurge: .diskFaults
        case .heldRoom: .overload
        case .skippedEpochs, .staleEpochWrite: .schemaChanges
        }
    }

    /// The promises that it breaks: what else is found does not count.
    package var invariants: Set<Invariant> {
        switch self {
        case .readAtOneReplica: [.acknowledgedIsSeen, .readsNeverGoBack]
        case .ackBeforeSync: [.acknowledgedIsKept, .acknowledgedIsSeen]
        case .droppedHint: [.hintsArrive]
        case .earlyPurge, .unrepairedPurge, .hintedPurge: [.noResurrection]
        case .skippedReadRepair: [.readsNeverGoBack]
        case .staleCacheFill: [.cacheAgrees]
        case .wipedNodeAnswers: [.acknowledgedIsSeen, .readsNeverGoBack, .noResurrection]
        case .reversedRows: [.noInventedValue]
        case .refusedTimeout: [.refusedStaysAbsent]
        case .splitInsert: [.rowIsAtomic]
        case .lateClock: [.expiryIsExact]
        case .neverSyncs: [.acknowledgedIsKept]
        case .unwrittenRepair: [.replicasAgree]
        case .droppedBatch: [.batchIsAtomic]
        case .scoreAtOneReplica: [.scoresAreOfRows]
        case .repeatedRow: [.scanIsExact]
        case .keptHint: [.pendingIsEmpty]
        case .endlessRead: [.everythingAnswers]
        case .unnoticedReturn, .heldRoom: [.clusterServes]
        case .unseededRandom: [.runsAlike]
        case .skippedEpochs: [.nodesStart]
        case .widePurge: [.onlyDamageIsDropped]
        case .staleEpochWrite: [.droppedIsGone]
        }
    }

    /// The seeds within which it must be found.
    package var seedsMax: Int {
        switch self {
        case .readAtOneReplica, .droppedHint, .reversedRows, .lateClock, .repeatedRow, .keptHint,
            .unnoticedReturn, .unseededRandom:
            100
        case .skippedReadRepair, .ackBeforeSync, .staleCacheFill, .earlyPurge, .refusedTimeout,
            .splitInsert, .neverSyncs, .scoreAtOneReplica, .endlessRead, .heldRoom,
            .skippedEpochs, .droppedBatch, .widePurge, .staleEpochWrite,
            .hintedPurge:
            500
        case .wipedNodeAnswers, .unwrittenRepair: 1500
        case .unrepairedPurge: 3000
        }
    }

    /// The mistakes that the simulator's own small store can make.
    package static let plain: [Mutant] = [
        .readAtOneReplica, .ackBeforeSync, .skippedReadRepair, .staleCacheFill, .splitInsert,
        .neverSyncs, .unseededRandom,
    ]

    /// Whether nodes must coordinate rows that others hold: three of three hold them all.
    var needsFiveNodes: Bool { self == .droppedBatch || self == .hintedPurge }

    /// Draws out what would show in one of hundreds of seeds only.
    func sharpen(_ faults: inout FaultPlan, _ load: inout WorkloadPlan) {
        switch self {
        case .droppedBatch: Self.halveBatches(&faults, &load)
        case .hintedPurge: Self.delayHints(&faults)
        default: break
        }
    }

    /// Of a batch that nobody writes to its end a part must be there for anybody to notice, and stay:
    /// the whole cluster dies while some replicas have their parts and others have not, again and
    /// again, and there are so many keys that hardly any write comes over another.
    private static func halveBatches(_ faults: inout FaultPlan, _ load: inout WorkloadPlan) {
        faults.crashChance = 0.002
        faults.wholeClusterShare = 0.5
        faults.downMax = .seconds(2)
        faults.network.delayMin = .milliseconds(1)
        faults.network.delayMean = .milliseconds(50)
        load.actions = [(.batch, 4), (.read, 1)]
        load.keys = 64
        load.clients = 8
        load.thinkMean = .milliseconds(200)
    }

    /// A hint must outlast the deletion that it is older than: who keeps it is down for some seconds,
    /// and the replicas of the row are not.
    private static func delayHints(_ faults: inout FaultPlan) {
        faults.classes.insert(.crashes)
        faults.crashChance = 0.003
        faults.wholeClusterShare = 0
        faults.rollingChance = 0
        faults.crashDuringRecovery = 0
        faults.downMax = .seconds(16)
    }
}
