package import HistoryChecking

/// The faults of one run, drawn from its seed: how often which of them strike.
package struct FaultPlan: Sendable {
    /// The kinds of faults that this run has.
    package var classes: FaultClasses = []
    /// What the network does to frames.
    package var network = NetworkFaults()
    /// How often faults are thought of.
    package var tick: Nanoseconds = .milliseconds(100)
    /// The probability per tick that the network is cut.
    package var partitionChance = 0.0
    /// The probability per tick that a cut heals.
    package var healChance = 0.05
    /// The probability that a cut is one-way.
    package var oneWayChance = 0.0
    /// The probability per tick that a link is clogged.
    package var clogChance = 0.0
    /// How long it stays so, on average.
    package var clogMean: Nanoseconds = 0
    /// The probability per tick that a connection is reset.
    package var resetChance = 0.0
    /// The probability per tick and node of a crash; with a write in flight ten times as likely.
    package var crashChance = 0.0
    /// The probability per tick that the next acknowledgement of a write is followed by a crash.
    package var crashAfterAcknowledgement = 0.0
    /// The probability that a crash is a loss of power.
    package var powerLossShare = 0.5
    /// The probability that a crash takes all nodes.
    package var wholeClusterShare = 0.0
    /// The probability per tick that all nodes are restarted, one after the other.
    package var rollingChance = 0.0
    /// The probability that a starting node crashes again at once.
    package var crashDuringRecovery = 0.0
    /// The longest that a node stays down.
    package var downMax: Nanoseconds = .seconds(10)
    /// The probability per tick and node of a pause.
    package var pauseChance = 0.0
    /// The longest pause.
    package var pauseMax: Nanoseconds = .seconds(30)
    /// The probability per tick and node that a disk fails.
    package var diskFaultChance = 0.0
    /// The probability per tick and node that a disk is lost or damaged; while another replica misses
    /// writes eight times as large.
    package var diskLossChance = 0.0
    /// How many disks are lost or damaged; one intact copy always survives.
    package var diskLossesMax = 0
    /// The probability that a disk is lost as a whole, if it is not only damaged.
    package var wipeShare = 0.5
    /// The probability per tick and node that a store writes and compacts its files.
    package var tidyingChance = 0.01
    /// The probability that a node finds its hints damaged when it starts.
    package var hintLossChance = 0.0
    /// The probability per tick and node that a disk becomes slow, or fast again.
    package var slowDiskChance = 0.0
    /// The mean of what a slow disk takes longer.
    package var slowDiskMean: Nanoseconds = 0
    /// How far wall clocks are off at most.
    package var skewMax: Nanoseconds = 0
    /// How much faster or slower clocks run at most, in millionths.
    package var driftMax: Int64 = 0
    /// The probability per tick and node that a wall clock jumps.
    package var jumpChance = 0.0
    /// The one node whose wall clock jumps past times to live and grace periods, if one does.
    package var jumpingNode: Int?
    /// How far it jumps at most.
    package var bigJumpMax: Nanoseconds = 0
    /// What clocks may differ by at the most, in seconds, as nodes are told: more than twice the
    /// skew, and what messages may be late by.
    package var clockMarginSeconds: Int64 = 11
    /// Whether nodes live on when everything is healed, with whatever is stuck in them.
    package var healsInPlace = false
    /// The node that is slow throughout, if one is.
    package var slowNode: Int?
    /// How many times slower.
    package var slowness: Int64 = 1

    /// A run without faults.
    package init() {}

    /// The faults of a scenario, drawn.
    package init(
        _ scenario: Scenario,
        nodeCount: Int,
        features: SubjectFeatures,
        _ random: inout SimulatedRandom
    ) {
        classes = scenario.always
        for (kind, _) in FaultClasses.named {
            // Drawn in any case, so that scenarios differ in nothing else.
            let isChosen = random.chance(0.5)
            if isChosen, scenario.maybe.contains(kind) { classes.insert(kind) }
        }
        drawNetwork(&random)
        if classes.contains(.partitions) {
            partitionChance = random.fraction(in: 0.002...0.03)
            healChance = random.fraction(in: 0.01...0.1)
            oneWayChance = random.chance(0.5) ? 0.5 : 0
        }
        if classes.contains(.crashes) {
            crashChance = random.fraction(in: 0.0005...0.004)
            powerLossShare = random.pick([0, 0.5, 1])
            wholeClusterShare = random.pick([0, 0.1, 0.5])
            crashAfterAcknowledgement = random.pick([0, 0.01, 0.04])
            rollingChance = random.pick([0, 0, 0.003])
            crashDuringRecovery = random.pick([0, 0.2])
            downMax = .seconds(random.number(in: 1...15))
        }
        if classes.contains(.disks) {
            diskFaultChance = random.fraction(in: 0.0003...0.003)
            diskLossesMax = features.contains(.rebuilding) && random.chance(0.5) ? 1 : 0
            diskLossChance = diskFaultChance / 2
            if features.contains(.any) { hintLossChance = random.pick([0, 0.1, 0.3]) }
        }
        if classes.contains(.slowness) {
            slowDiskChance = random.fraction(in: 0...0.01)
            slowDiskMean = .milliseconds(random.number(in: 1...300))
            pauseChance = random.fraction(in: 0...0.002)
            pauseMax = .milliseconds(random.number(in: 100...30_000))
            slowNode = random.below(nodeCount)
            slowness = random.number(in: 2...100)
        }
        if classes.contains(.clocks) {
            skewMax = .milliseconds(random.number(in: 0...5000))
            driftMax = random.number(in: 0...200)
            jumpChance = random.fraction(in: 0...0.005)
            if random.chance(0.5) {
                jumpingNode = random.below(nodeCount)
                bigJumpMax = .seconds(random.number(in: 6...200))
                jumpChance = max(jumpChance, 0.002)
            }
        }
        healsInPlace = random.chance(0.5)
        if scenario == .damage, features.contains(.rebuilding) {
            diskFaultChance = 0
            (diskLossesMax, diskLossChance, wipeShare) = (1, 0.01, 0)
            tidyingChance = random.fraction(in: 0.01...0.2)
        }
        if scenario == .sweeping { clockMarginSeconds = random.number(in: Int64(2)...4) }
    }

    /// How far wall clocks are wrong at most at a time, in whole seconds, but for the one that jumps.
    package func skewSeconds(at time: Nanoseconds) -> Int64 {
        let drift = time / 1_000_000 * driftMax
        return (skewMax + drift + 999_999_999) / 1_000_000_000
    }

    private mutating func drawNetwork(_ random: inout SimulatedRandom) {
        let isFast = random.chance(0.4)
        if isFast {
            network.delayMin = .microseconds(random.number(in: 20...100))
            network.delayMean = .microseconds(random.number(in: 20...300))
        } else {
            network.delayMin = .milliseconds(random.number(in: 0...30))
            network.delayMean = .milliseconds(random.number(in: 30...100))
        }
        guard classes.contains(.network) else { return }
        if random.chance(0.5) { network.loss = random.fraction(in: 0...0.3) }
        if random.chance(0.5) { network.duplication = random.fraction(in: 0...0.5) }
        if random.chance(0.3) { network.corruption = random.fraction(in: 0...0.01) }
        network.isReordering = random.chance(0.5)
        network.hitsRequests = random.chance(0.3)
        network.holdsFrames = random.chance(0.5)
        if random.chance(0.5) {
            clogChance = random.fraction(in: 0...0.02)
            clogMean = .milliseconds(random.number(in: 0...5000))
        }
        if random.chance(0.5) { resetChance = random.fraction(in: 0...0.05) }
    }

    /// The plan in words.
    package var text: String {
        let kinds = FaultClasses.named.filter { classes.contains($0.0) }.map(\.1)
        return kinds.isEmpty ? "no faults" : kinds.joined(separator: "+")
    }
}
