internal import Catalog
internal import ClusterLog
internal import Coordination
internal import Gossip
internal import HistoryChecking
internal import NodeCore
internal import PeerMessages
internal import Replication
package import Simulation
package import Storage
internal import TokenPlacement

/// The program of a Martlet node, as `martletd` runs it, over the simulator's environment.
package struct NodeProgram: SubjectProgram {
    private let mutant: Mutant?
    private var tuning: Tuning

    /// Bounds and times that a seed draws.
    package struct Tuning: Sendable {
        /// How long a write may take.
        package var writeTimeout = Duration.seconds(2)
        /// How long a read may take.
        package var readTimeout = Duration.seconds(3)
        /// The most requests of a loop.
        package var requestsMax = 512
        /// How long hints are kept.
        package var hintWindowSeconds: Int64 = 30
        /// What clocks may differ by, in seconds.
        package var clockMarginSeconds: Int64 = 11
        /// The most bytes of hints for one node.
        package var hintBytesPerTarget = 64 << 10
        /// The most hints that are sent at once.
        package var hintPageRows = 16
        /// How often slices are repaired by themselves.
        package var repairIntervalSeconds: Int64 = 20
        /// How often slices are swept.
        package var sweepIntervalSeconds: Int64 = 20
        /// How often repair, sweeping and the batch log look for work.
        package var upkeepInterval = Duration.seconds(1)
        /// The rows of a page that a scan asks a replica for.
        package var scanRowsMax = 8
        /// The bytes of such a page.
        package var scanBytesMax = 4096

        /// What a calm run has.
        package init() {}

        /// Those of a run, drawn.
        init(for circumstances: Circumstances, _ random: inout SimulatedRandom) {
            let isTiny = circumstances.isTiny
            clockMarginSeconds = circumstances.clockMarginSeconds
            writeTimeout = random.pick([.seconds(1), .seconds(2), .seconds(2), .seconds(4)])
            readTimeout = random.pick([.milliseconds(1500), .seconds(3), .seconds(5)])
            requestsMax = isTiny ? random.number(in: 4...32) : 512
            hintWindowSeconds = random.pick([20, 30, 60])
            hintBytesPerTarget = isTiny ? random.pick([1 << 10, 8 << 10, 64 << 10]) : 64 << 10
            hintPageRows = random.pick([1, 4, 16])
            repairIntervalSeconds = random.number(in: 10...40)
            sweepIntervalSeconds = random.number(in: 5...40)
            scanRowsMax = random.pick([2, 8, 64])
            scanBytesMax = random.pick([1 << 10, 4 << 10, 64 << 10])
            guard circumstances.isSweeping else { return }
            // Hints for longer than tombstones, so that neither condition implies the other.
            hintWindowSeconds = random.number(in: 4...8)
            repairIntervalSeconds = random.number(in: 3...6)
            sweepIntervalSeconds = random.number(in: 1...4)
            upkeepInterval = .milliseconds(200)
        }
    }

    /// The program with a planted mistake, if any.
    package init(mutant: Mutant? = nil, tuning: Tuning = Tuning()) {
        self.mutant = mutant
        self.tuning = tuning
    }

    package var features: SubjectFeatures {
        [.batches, .scans, .scores, .any, .schema, .rebuilding]
    }

    package var limits: ProgramLimits {
        let write = Nanoseconds(tuning.writeTimeout)
        let read = Nanoseconds(tuning.readTimeout)
        var limits = ProgramLimits()
        limits.hintWindowSeconds = tuning.hintWindowSeconds
        limits.times = RequestTimes(
            write: write,
            // One time-out for the log, one for the writes.
            batch: write * 2,
            read: read,
            // What does not match is read, and scored then.
            score: read * 2,
            // The proposal as peers give up on it, this node, the others.
            schema: .seconds(30) + Nanoseconds(Self.schemaTimeout) * 2
        )
        return limits
    }

    private static let schemaTimeout = Duration.seconds(3)

    package mutating func tune(
        for circumstances: Circumstances,
        _ random: inout SimulatedRandom
    ) {
        tuning = Tuning(for: circumstances, &random)
        // So that a hint may come behind the sweep that did not wait for it.
        if mutant == .hintedPurge { tuning.hintWindowSeconds = 20 }
    }

    package func prepareDisk(
        _ store: any StoreBackend,
        node: Int,
        setup: ClusterSetup,
        isReplacement: Bool,
        survivors: [any StoreBackend]
    ) throws {
        var writes = StoreWrites()
        writes.putLocal(setup.nodeIDs[node].bytes, for: LocalKeys.nodeID)
        var entries = setup.entries + [try Self.modelEntry(setup)]
        if isReplacement, setup.state.founder == setup.nodeIDs[node] {
            // The one that decides takes the longest log of all others, as `--rebuild` does.
            for survivor in survivors {
                let found = try NodeSubject.entries(survivor)
                if found.count > entries.count { entries = found }
            }
        }
        for entry in entries {
            writes.putLocal(entry.encoded(), for: LocalKeys.logEntry(entry.epoch))
        }
        if isReplacement { writes.putLocal([1], for: LocalKeys.lostDisk) }
        try store.write([writes], synced: true)
    }

    package func loseHints(in store: any StoreBackend, nowSeconds: Int64) throws -> Bool {
        var writes = StoreWrites()
        for hint in try store.scanHints(.all, limit: .max, bytesMax: .max) {
            writes.deleteHint(hint.key)
        }
        let lost = LostHints(nowSeconds: nowSeconds)
        writes.putLocal(lost.value, for: LocalKeys.lostHints)
        try store.write([writes], synced: true)
        return true
    }

    package func makeSubject(_ context: SubjectContext) throws -> any Subject {
        var settings = settings
        // So little that a rebuild takes seconds, or no bound at all.
        let rates = [8 << 10, 32 << 10, 0]
        let draw = Int(truncatingIfNeeded: context.life.loops[0].random() >> 32)
        settings.upkeep.repair.bytesPerSecond = rates[draw % rates.count]
        return try NodeSubject(context, settings)
    }

    private var settings: NodeSettings {
        var settings = NodeSettings()
        settings.requests.readTimeout = tuning.readTimeout
        settings.requests.writeTimeout = tuning.writeTimeout
        settings.requests.scoreTimeout = tuning.readTimeout
        settings.requests.requestsMax = tuning.requestsMax
        settings.requests.scanRowsMax = tuning.scanRowsMax
        settings.requests.scanBytesMax = tuning.scanBytesMax
        settings.schemaTimeout = Self.schemaTimeout
        settings.upkeep.hints.windowSeconds = tuning.hintWindowSeconds
        settings.upkeep.hints.skewMarginSeconds = tuning.clockMarginSeconds
        settings.upkeep.hints.bytesPerTargetMax = tuning.hintBytesPerTarget
        settings.upkeep.hints.pageRowsMax = tuning.hintPageRows
        settings.upkeep.hints.pauseMax = .seconds(8)
        settings.upkeep.hints.expiryInterval = .seconds(10)
        settings.upkeep.batches.pauseMax = .seconds(8)
        settings.upkeep.batches.underWayMax = 4
        settings.requests.nodeWriteBytesMax = 4 << 20
        settings.upkeep.repair.intervalSeconds = tuning.repairIntervalSeconds
        settings.upkeep.repair.sweepIntervalSeconds = tuning.sweepIntervalSeconds
        settings.upkeep.repair.hintWindowSeconds = tuning.hintWindowSeconds
        settings.upkeep.repair.skewMarginSeconds = tuning.clockMarginSeconds
        settings.upkeep.repair.markCoverSeconds = 2
        settings.upkeep.hints.markCoverSeconds = 2
        settings.upkeep.repair.retrySeconds = 5
        settings.upkeep.repair.rebuildRetrySeconds = 2
        settings.upkeep.repair.pause = .milliseconds(20)
        settings.upkeep.repair.pageRowsMax = 8
        settings.upkeep.repair.writeRowsMax = 4
        // What fits into the tiniest queue.
        settings.upkeep.repair.marksMax = 32
        settings.upkeep.changesMax = 32
        settings.upkeep.interval = tuning.upkeepInterval
        settings.upkeep.requestTimeout = .seconds(5)
        settings.upkeep.digestTimeout = .seconds(20)
        settings.faults = mutant?.faults ?? []
        if mutant == .hintedPurge { settings.upkeep.repair.hintWindowSeconds = 0 }
        return settings
    }

    // MARK: The model

    static let modelName = ModelName(keyspace: ClusterSetup.keyspace, name: "model")
    static let modelHash = ModelHash([UInt8](repeating: 7, count: 32))

    /// The entry that makes the model known, behind those of the setup.
    private static func modelEntry(_ setup: ClusterSetup) throws -> LogEntry {
        guard let hash = modelHash else { throw SimulatedModelError() }
        let push = ModelPush(
            name: modelName,
            signature: ModelSignature(
                parameters: [ModelParameter(name: "value", type: .float, input: "value")],
                inputs: [ModelInput(name: "value", elementType: .float, width: 1)],
                output: "score"
            ),
            hash: hash,
            byteCount: 1
        )
        return LogEntry(
            epoch: setup.state.epoch.next,
            ballot: Ballot(round: 1, node: setup.nodeIDs[0]),
            change: .pushModel(push)
        )
    }
}

extension Mutant {
    /// What is planted in the program's logic.
    fileprivate var faults: PlantedFaults {
        switch self {
        case .readAtOneReplica: .readAtOneReplica
        case .droppedHint: .droppedHint
        case .earlyPurge: .earlyPurge
        case .unrepairedPurge: .unrepairedPurge
        case .skippedReadRepair: .skippedReadRepair
        case .wipedNodeAnswers: .wipedNodeAnswers
        case .reversedRows: .reversedRows
        case .refusedTimeout: .refusedTimeout
        case .lateClock: .lateClock
        case .unwrittenRepair: .unwrittenRepair
        case .droppedBatch: .droppedBatch
        case .scoreAtOneReplica: .scoreAtOneReplica
        case .repeatedRow: .repeatedRow
        case .keptHint: .keptHint
        case .endlessRead: .endlessRead
        case .unnoticedReturn: .unnoticedReturn
        case .heldRoom: .heldRoom
        case .skippedEpochs: .skippedEpochs
        case .widePurge: .widePurge
        case .staleEpochWrite: .staleEpochWrite
        // Those are the machine's, the clients', or settings.
        case .ackBeforeSync, .staleCacheFill, .splitInsert, .neverSyncs, .unseededRandom,
            .hintedPurge:
            []
        }
    }
}

/// The model's hash is of the wrong length.
private struct SimulatedModelError: Error {}

/// One life of a Martlet node.
final class NodeSubject: Subject {
    private var logic: NodeLogic?
    private let ports: [NodePort]
    private let receivers: [any PeerReceiver]

    init(_ context: SubjectContext, _ settings: NodeSettings) throws {
        let life = context.life
        let holder = LifeHolder(life)
        let logic = try NodeLogic(
            node: life.id,
            incarnation: Incarnation(
                clamping: UInt64(max(1, life.loops[0].wallMicros / 1000))
            ),
            environments: life.loops,
            entries: try Self.entries(life.store),
            records: try UpkeepRecords(reading: life.store),
            settings: settings,
            scorer: { _ in SimulatedScorer() },
            models: { _ in NoModels() },
            hooks: NodeLogic.Hooks(compactionChanged: { holder.life?.mayCompact = $0 })
        )
        self.logic = logic
        let parts = logic.loops.map(\.beforeRunning)
        receivers = parts.map(\.receiver)
        ports = parts.map { NodePort($0, logic) }
    }

    fileprivate static func entries(_ store: any StoreReading) throws -> [LogEntry] {
        let range = KeyRange(
            lower: LocalKeys.logPrefix,
            upper: KeyRange.successor(of: LocalKeys.logPrefix)
        )
        return try store.scanLocal(range, limit: .max, bytesMax: .max).map {
            try LogEntry(decoding: $0.value)
        }
    }

    func start() { logic?.start() }

    func end() {
        logic?.abandon()
        logic = nil
    }

    func receiver(loop: Int) -> any PeerReceiver { receivers[loop] }

    func port(loop: Int) -> any ClientPort { ports[loop] }

    var unrest: String? { logic?.upkeep.beforeRunning.unrest }

    var formerTables: [TableID] { logic?.upkeep.beforeRunning.formerTables ?? [] }
}

/// A life, for what is told to the surroundings of its program.
///
/// `@unchecked Sendable`: all of a run is one thread.
private final class LifeHolder: @unchecked Sendable {
    private(set) weak var life: NodeLife?

    init(_ life: NodeLife) { self.life = life }
}

/// Models are not sent around in the simulator.
private final class NoModels: ModelService {
    func answer(
        _ message: PeerMessage,
        from peer: NodeID,
        reply: @escaping (PeerMessage) -> Void
    ) {
        reply(.failed(PeerFailure(code: .modelNotReady, text: "there are no models here")))
    }
}

/// Scores rows by the hash of their first column.
private final class SimulatedScorer: RowScorer {
    func score(
        _ rows: [[UInt8]?],
        _ request: ScoreRequest,
        _ table: TableDefinition,
        _ model: ModelDefinition,
        completion: @escaping (Result<ScoreReply, PeerFailure>) -> Void
    ) {
        do {
            completion(.success(try Self.reply(rows, request, table)))
        } catch {
            completion(.failure(PeerFailure(code: .failed, text: "a stored row: \(error)")))
        }
    }

    private static func reply(
        _ rows: [[UInt8]?],
        _ request: ScoreRequest,
        _ table: TableDefinition
    ) throws(RowFormatError) -> ScoreReply {
        var scored: [ScoredRow] = []
        var digests: [RowDigest] = []
        var counts = ScoreCounts()
        var next = 0
        for (group, partitions) in request.groups.enumerated() {
            var parts: [RowDigest] = []
            for index in partitions.indices {
                defer { next += 1 }
                guard let row = rows[next] else {
                    parts.append(.absent)
                    continue
                }
                let view = try RowView(validating: row)
                parts.append(
                    view.digest(
                        nowSeconds: request.nowSeconds,
                        gcGraceSeconds: table.options.gcGraceSeconds
                    )
                )
                var ranges: [Range<Int>?] = []
                let columns = [ColumnID(1)]
                guard
                    view.locate(columns: columns, nowSeconds: request.nowSeconds, into: &ranges)
                else { continue }
                counts.rows += 1
                let score = ranges[0].map { SimulatedModel.score(of: Array(row[$0])) }
                if score == nil { counts.null += 1 }
                scored.append(ScoredRow(group: group, index: index, score: score, values: []))
            }
            digests.append(RowDigest.combine(parts))
        }
        return ScoreReply(rows: scored, digests: digests, counts: counts)
    }
}
