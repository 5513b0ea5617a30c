package import Catalog
package import HistoryChecking

/// What the clients of a run do; drawn from its seed.
package struct WorkloadPlan: Sendable {
    /// What a client may do next.
    package enum Action: Hashable, Sendable {
        case insert, setCell, deleteCell, deleteRow, insertExpiring, batch
        case read, readMany, scan, score, schema, writeScratch
    }

    /// Operations in all.
    package var operations = 200
    /// Clients at once.
    package var clients = 4
    /// Keys of a table.
    package var keys = 12
    /// How long a client thinks between two operations, on average.
    package var thinkMean: Nanoseconds = .milliseconds(300)
    /// What every client does in turn; if empty, it draws what it does.
    package var script: [Action] = []
    /// Operations and their weights.
    package var actions: [(Action, weight: Int)] = [(.insert, 1), (.read, 1)]
    /// Levels of writes and their weights.
    package var writeLevels: [(ConsistencyLevel, weight: Int)] = [(.quorum, 1)]
    /// Levels of reads and their weights.
    package var readLevels: [(ConsistencyLevel, weight: Int)] = [(.quorum, 1)]
    /// The longest time to live.
    package var timeToLiveMax = 20
    /// The most bytes that a value has beside what names its writer.
    package var paddingMax = 40
    /// The probability that a client brings a timestamp of its own clock.
    package var ownTimestamps = 0.1
    /// What clients' own timestamps are multiples of, in microseconds: coarse ones meet.
    package var timestampStep: Int64 = 1
    /// How far clients' clocks are off at most.
    package var clientSkewMax: Nanoseconds = .milliseconds(500)
    /// Rows of a page of a scan.
    package var pageRows = 5

    /// Writes and reads at QUORUM.
    package init() {}

    /// A workload for some features, drawn.
    package init(
        operations: Int,
        features: SubjectFeatures,
        hasSchemaChanges: Bool,
        isSweeping: Bool,
        _ random: inout SimulatedRandom
    ) {
        self.operations = operations
        clients = random.number(in: 2...8)
        keys = random.number(in: 2...24)
        thinkMean = .milliseconds(random.number(in: 50...800))
        timeToLiveMax = random.number(in: 1...20)
        paddingMax = random.pick([0, 40, 400])
        pageRows = random.number(in: 1...8)
        ownTimestamps = random.pick([0, 0.2, 0.7])
        if ownTimestamps > 0.5 { timestampStep = 100_000 }
        var drawn: [(Action, weight: Int)] = [
            (.insert, 6), (.setCell, random.below(6)), (.deleteCell, random.below(3)),
            (.deleteRow, random.below(4)), (.insertExpiring, random.below(4)), (.read, 10),
            (.readMany, random.below(4)),
        ]
        let optional: [(Action, SubjectFeatures)] = [
            (.batch, .batches), (.scan, .scans), (.score, .scores),
        ]
        for (action, feature) in optional {
            let weight = random.below(4)
            if features.contains(feature) { drawn.append((action, weight)) }
        }
        if hasSchemaChanges, features.contains(.schema) {
            drawn += [(.schema, 2), (.writeScratch, 2)]
        }
        actions = drawn
        if isSweeping { sweep(&random) }
        guard random.chance(0.5) else { return }
        writeLevels = [(.quorum, 4), (.one, 2), (.all, 1), (.two, 1)]
        readLevels = [(.quorum, 4), (.one, 2), (.all, 1), (.two, 1)]
        if features.contains(.any) {
            writeLevels += [(.any, 1), (.localQuorum, 2), (.eachQuorum, 1)]
            readLevels += [(.localQuorum, 2), (.localOne, 1), (.eachQuorum, 1)]
        }
    }

    /// Few keys that are deleted and expire all the time, for long enough that they are swept.
    private mutating func sweep(_ random: inout SimulatedRandom) {
        keys = random.number(in: 2...6)
        thinkMean = .milliseconds(random.number(in: 300...1500))
        timeToLiveMax = random.number(in: 1...4)
        actions = [
            (.insert, 4), (.setCell, 1), (.deleteCell, 3), (.deleteRow, 4), (.insertExpiring, 2),
            (.read, 10), (.readMany, 2),
        ]
    }
}
