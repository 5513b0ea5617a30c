internal import HistoryChecking

extension CheckingRules {
    /// What may be held against a run: what its faults, its cluster and its program allow.
    init(
        _ options: RunOptions,
        _ plan: FaultPlan,
        _ shape: ClusterShape,
        _ settings: MachineSettings,
        _ limits: ProgramLimits
    ) {
        self.init()
        epochSeconds = NodeClock.epochSeconds
        score = SimulatedModel.score(of:)
        replicas = ReplicaCounts(shape.replicas)
        columns = Array(0..<shape.columnCount)
        if shape.tableCount > 1 { periodicTables = [1] }
        periodicWindow = settings.unsyncedMax(plan)
        skewSeconds = plan.skewSeconds(at: options.loadTime + options.settleTime)
        if let node = plan.jumpingNode { jumping = (node, plan.bigJumpMax / 1_000_000_000) }
        sweptAfterSeconds = plan.clockMarginSeconds
        gcGraceSeconds = Int64(shape.gcGraceSeconds)
        refusedMayAppear = plan.network.hitsRequests && plan.network.duplication > 0
        // Clocks of two nodes, and of two lives of one, may differ by twice the skew.
        hintAgeMax = limits.hintWindowSeconds / 2
        anyArrives = plan.letsHintsArrive(within: limits.hintWindowSeconds)
        times = limits.times
        times?.sliceCount = shape.sliceCount
        if plan.classes.contains(.slowness) {
            times?.slack = .seconds(10)
            times?.hintSlack = .seconds(40)
        }
    }
}

extension MachineSettings {
    /// How long after its acknowledgement a write of a `periodic` table may be unsynced, beside
    /// pauses of its machine, of which the history knows.
    ///
    /// The writer looks whether a sync is due between two pieces of work. At the worst it looks
    /// right before it is: then a group and a piece of a sweep or drop come first, and the sync is
    /// the third piece. A slow disk delays each by a random span, which no plan bounds: all three
    /// together take more than ``delaysMax`` times the mean once in 10^10 syncs. If the store fails
    /// before, the program takes up to 200 ms to end, and what it wrote stays with its machine
    /// then; the rest of the margin is for clocks that drift.
    func unsyncedMax(_ plan: FaultPlan) -> Nanoseconds {
        let wakes = wakeLatency.upperBound * 3
        let piece = (writeCost.upperBound + syncCost.upperBound + wakes) * max(1, plan.slowness)
        let delays = plan.slowDiskMean * Self.delaysMax
        return Nanoseconds(syncPeriod) + piece * 3 + delays + .milliseconds(500)
    }

    private static let delaysMax: Int64 = 30
}

extension FaultPlan {
    /// Whether no outage can last for as long as hints are kept.
    func letsHintsArrive(within seconds: Int64) -> Bool {
        let isReachable = classes.isDisjoint(with: [.partitions, .disks, .clocks, .slowness])
        let isReliable = clogChance == 0 && !network.hitsRequests
        let isShort = !classes.contains(.crashes) || downMax * 8 <= .seconds(seconds)
        return isReachable && isReliable && isShort
    }
}

extension Operation {
    /// Whether a bound of the node refused it.
    var isOverload: Bool {
        if case .refused(let text) = outcome { text.hasPrefix(Self.overloadPrefix) } else { false }
    }

    /// Whether a replica could not read its disk.
    var hasMetDamage: Bool {
        guard case .unknown(let text) = outcome else { return false }
        let signs = ["Input/output error", "checksum mismatch", "is damaged"]
        return signs.contains(where: text.contains)
    }

    /// What the reason of such a refusal begins with.
    static let overloadPrefix = "overloaded: "
}
