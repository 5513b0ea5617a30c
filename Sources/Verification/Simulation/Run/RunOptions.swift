package import HistoryChecking
internal import Replication
internal import Storage

/// What stores the nodes of a run have.
package enum StoreKind: String, Hashable, Sendable, CaseIterable {
    /// The model in memory: fast.
    case model
    /// RocksDB on a simulated file system.
    case rocks
}

/// What a run is asked for; with the seed it decides everything.
package struct RunOptions {
    /// The seed.
    package var seed: UInt64
    /// Which faults it may have.
    package var scenario: Scenario
    /// Operations of its clients.
    package var operations: Int
    /// The nodes' stores.
    package var store: StoreKind
    /// A mistake that is planted.
    package var mutant: Mutant?
    /// What is put on trial, given the mistake to plant in it.
    package var makeProgram: (Mutant?) -> any SubjectProgram
    /// Takes the nodes' logs and the faults, if anybody wants them.
    package var log: ((String) -> Void)?
    /// The virtual time after the heal from which on every request must succeed.
    package var settleTime: Nanoseconds = .seconds(20)
    /// The virtual time after the heal within which everything must be at rest.
    package var quiesceTime: Nanoseconds = .seconds(300)
    /// The longest that the clients' work may take.
    package var loadTime: Nanoseconds = .seconds(1200)
    /// The events after which a run is held to turn in circles.
    package var eventsMax = 20_000_000

    /// A run of a seed.
    package init(
        seed: UInt64,
        scenario: Scenario = .everything,
        operations: Int = 200,
        store: StoreKind = .model,
        mutant: Mutant? = nil,
        makeProgram: @escaping (Mutant?) -> any SubjectProgram
    ) {
        self.seed = seed
        self.scenario = scenario
        self.operations = operations
        self.store = store
        self.mutant = mutant
        self.makeProgram = makeProgram
    }
}

/// What came of a run.
package struct RunReport: Sendable {
    /// The seed.
    package var seed: UInt64
    /// The scenario.
    package var scenario: Scenario
    /// The kinds of faults that it had.
    package var faults: String
    /// Operations that began, and those that were done.
    package var operations: (begun: Int, done: Int)
    /// The virtual time that passed.
    package var virtualTime: Nanoseconds
    /// Events that happened.
    package var events: Int
    /// Frames that were sent.
    package var frames: Int
    /// The faults that struck.
    package var faultCount: Int
    /// The hash of all that happened.
    package var trace: TraceHash
    /// The broken promises.
    package var violations: [Violation]

    /// The report as a line.
    package var line: String {
        "seed \(seed) \(scenario.rawValue) [\(faults)] operations \(operations.done)/"
            + "\(operations.begun) virtual \(virtualTime.secondsText) s events \(events) "
            + "faults \(faultCount) trace \(trace)"
    }
}

extension MachineSettings {
    /// Machines of a run, drawn; tiny ones where `isTiny`.
    init(_ options: RunOptions, isTiny: Bool, _ random: inout SimulatedRandom) {
        self.init()
        loopCount = random.number(in: 1...3)
        readThreads = random.number(in: 1...3)
        diskReadEvery = random.pick([0, 1, 2, 5])
        cacheBytes = random.pick([0, 1 << 20, 1 << 20])
        cacheDropChance = random.pick([0, 0.02, 0.2])
        syncPeriod = .milliseconds(random.number(in: 10...1000))
        interleaving = random.pick([0, 0.2, 0.6])
        syncCost = random.pick([
            0...50_000, 100_000...5_000_000, Nanoseconds.milliseconds(1)...(.milliseconds(80)),
        ])
        if isTiny {
            writerQueue = CommitQueue.Bounds(
                bytesMax: random.number(in: 4 << 10...32 << 10),
                batchesMax: random.number(in: 4...16)
            )
            groupBytesMax = random.number(in: 1 << 10...4 << 10)
            poolWaitingMax = random.number(in: 4...16)
        }
        if options.mutant == .ackBeforeSync {
            acknowledgement = .beforeSync
            syncCost = Nanoseconds.milliseconds(1)...(.milliseconds(80))
        }
        if options.mutant == .neverSyncs { syncsAsPromised = false }
        drawsFreely = options.mutant == .unseededRandom
        if options.mutant == .staleCacheFill {
            cacheFault = .installStaleFills
            cacheBytes = 1 << 20
            cacheDropChance = 0.2
            interleaving = 0.6
        }
    }
}

extension ClusterShape {
    /// The shape of a run's cluster, drawn.
    init(_ options: RunOptions, features: SubjectFeatures, _ random: inout SimulatedRandom) {
        self.init()
        switch random.below(8) {
        case 0...3: break
        case 4, 5: datacenters = ["dc1": 5]
        case 6: datacenters = ["dc1": 4]
        default:
            guard features.contains(.any) else { break }
            datacenters = ["dc1": 3, "dc2": 3]
            replicas = ["dc1": 3, "dc2": 3]
        }
        sliceCount = random.pick([8, 16, 32])
        tableCount = random.number(in: 1...2)
        gcGraceSeconds = Int32(random.number(in: 20...90))
        if options.scenario == .sweeping {
            // Few, as each waits for its turn to be swept.
            sliceCount = 8
            gcGraceSeconds = Int32(random.number(in: 2...5))
        }
        if options.mutant?.needsFiveNodes == true {
            datacenters = ["dc1": 5]
            replicas = ["dc1": 3]
        }
    }
}
