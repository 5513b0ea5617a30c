internal import HistoryChecking

extension CheckingRules {
    /// What may be held against a run: what its faults, its cluster and its program allow.
    init(_ options: RunOptions, _ plan: FaultPlan, _ shape: ClusterShape, _ limits: ProgramLimits) {
        self.init()
        epochSeconds = NodeClock.epochSeconds
        score = SimulatedModel.score(of:)
        replicas = ReplicaCounts(shape.replicas)
        columns = Array(0..<shape.columnCount)
        if shape.tableCount > 1 { periodicTables = [1] }
        periodicWindow = .seconds(90)
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
            times?.slack = .seconds(15)
            times?.hintSlack = .seconds(40)
        }
    }
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

    /// What the reason of such a refusal begins with.
    static let overloadPrefix = "overloaded: "
}
