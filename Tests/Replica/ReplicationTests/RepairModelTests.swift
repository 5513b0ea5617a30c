import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

/// Repairs of replicas that differ at random, with messages that overtake each other or are lost.
@Suite struct RepairModelTests {
    @Test(arguments: 0..<60 as Range<UInt64>)
    func `whatever differed, all are equal to the merge, and no row was sent in vain`(
        seed: UInt64
    ) throws {
        var random = CacheRandom(seed: seed)
        var rig = Self.diverged(&random)
        let merged = try rig.canonical(ReplicaModel.merged(rig.replicas.values))
        let differences = try rig.differences()
        try Self.run(&rig, &random)
        #expect(rig.outcome == .repaired)
        for node in rig.task.replicas { #expect(try rig.canonical(node) == merged) }
        #expect(rig.notes.count == rig.task.replicas.count)
        #expect(rig.machine.statistics.rowsWritten == differences.versions)
        #expect(rig.machine.statistics.rowsCompared >= differences.partitions.count)
        #expect(rig.machine.bufferedBytes == 0)
        #expect(rig.violations == [])

        var second = rig.again(node: rig.task.replicas.randomElement(using: &random)!)
        try Self.run(&second, &random)
        #expect(second.outcome == .repaired)
        #expect(second.machine.statistics == RepairStatistics())
        #expect(!second.history.contains { $0.isPageRequest || $0.isWrite })
    }

    @Test(arguments: 100..<140 as Range<UInt64>)
    func `with lost messages repairs end, and one that ends whole has made all equal`(
        seed: UInt64
    ) throws {
        var random = CacheRandom(seed: seed)
        var rig = Self.diverged(&random)
        let merged = try rig.canonical(ReplicaModel.merged(rig.replicas.values))
        for attempt in 0..<50 {
            // Ever fewer are lost.
            let lost = try Self.run(&rig, &random, lossPercent: max(0, 12 - attempt))
            #expect(rig.violations == [])
            let here = rig.notes[rig.node]
            if rig.outcome == .repaired {
                #expect(lost.isEmpty)
                for node in rig.task.replicas { #expect(try rig.canonical(node) == merged) }
                #expect(here != nil)
                return
            }
            #expect(rig.outcome == .incomplete(missing: lost.sorted()))
            #expect(here == nil)
            rig = rig.again(node: rig.task.replicas.randomElement(using: &random)!)
        }
        Issue.record("no repair was whole")
    }

    @Test(arguments: 200..<230 as Range<UInt64>)
    func `writes during a repair are lost by no replica`(seed: UInt64) throws {
        var random = CacheRandom(seed: seed)
        var rig = Self.diverged(&random)
        var expected = ReplicaModel.merged(rig.replicas.values)
        try Self.run(&rig, &random) { rig, random in
            guard random.below(4) == 0,
                let partition = rig.replicas.values.flatMap(\.rows.keys)
                    .sorted(by: isBefore).randomElement(using: &random)
            else { return }
            let write = Mutation(
                table: testTable,
                partition: partition,
                operand: columnRow(5, timestamp: random.below(50), value: [1])
            )
            for node in rig.task.replicas { rig.replicas[node]?.write([write]) }
            expected.write([write])
        }
        #expect(rig.outcome == .repaired)
        let merged = try rig.canonical(expected)
        for node in rig.task.replicas { #expect(try rig.canonical(node) == merged) }
    }

    // MARK: The model

    /// Two to four replicas that each saw some of the writes, and swept or not.
    private static func diverged(_ random: inout CacheRandom) -> RepairRig {
        var settings = RepairSettings()
        settings.pageRowsMax = 1 + random.below(20)
        settings.pageBytesMax = 1 + random.below(300)
        settings.writeRowsMax = 1 + random.below(8)
        settings.writeBytesMax = 1 + random.below(300)
        settings.bytesPerSecond = random.below(3) == 0 ? 5_000 : 0
        let keys = [0, 1, 10, 60, 120][random.below(5)]
        let reach = [30, 80, 97][random.below(3)]
        var replicas = [ReplicaModel](repeating: ReplicaModel(), count: 2 + random.below(3))
        for key in 0..<keys {
            // Some neighbours, some spread, some of one token.
            let place =
                switch random.below(3) {
                case 0: repaired(random.below(5), "n\(key)-")
                case 1: repaired(key)
                default: spread(key, of: keys)
                }
            for _ in 0...random.below(3) {
                let row = randomRow(
                    &random,
                    around: RepairRig.nowSeconds,
                    gcGraceSeconds: RepairRig.gcGraceSeconds
                )
                let write = Mutation(table: testTable, partition: place, operand: row)
                for index in replicas.indices where random.below(100) < reach {
                    replicas[index].write([write])
                }
            }
        }
        for index in replicas.indices where random.below(2) == 0 { sweep(&replicas[index]) }
        return RepairRig(replicas, node: 1 + random.below(replicas.count), settings: settings)
    }

    private static func sweep(_ replica: inout ReplicaModel) {
        let now = RepairRig.nowSeconds - 20
        for (partition, row) in replica.rows {
            let swept = try? RowSweep.sweep(
                row,
                nowSeconds: now,
                purgeBeforeSeconds: now - Int64(RepairRig.gcGraceSeconds)
            )
            switch swept {
            case .unchanged, nil: continue
            case .rewritten(let left): replica.rows[partition] = left
            case .removed: replica.rows[partition] = nil
            }
        }
    }

    /// Runs a repair to its end.
    ///
    /// - Returns: the nodes of which a message was lost before the end.
    @discardableResult
    private static func run(
        _ rig: inout RepairRig,
        _ random: inout CacheRandom,
        lossPercent: Int = 0,
        meanwhile: (inout RepairRig, inout CacheRandom) -> Void = { _, _ in }
    ) throws -> Set<NodeID> {
        var lost: Set<NodeID> = []
        var late: [(RepairRig.Reply, NodeID)] = []
        rig.start()
        for _ in 0..<100_000 where !rig.open.isEmpty {
            meanwhile(&rig, &random)
            if !late.isEmpty, random.below(4) == 0 {
                let (reply, node) = late.remove(at: random.below(late.count))
                rig.deliver(reply, from: node)
                continue
            }
            let index = random.below(rig.open.count)
            let request = rig.open[index]
            if case .wait(let until) = request.action {
                rig.now = max(rig.now, until)
                rig.deliver(index)
            } else if let node = request.action.node, random.below(100) < lossPercent {
                // Before its node had it, or on the way back.
                if rig.outcome == nil, !lost.contains(node) { lost.insert(node) }
                if let reply = request.reply { late.append((reply, node)) }
                rig.fail(index)
            } else if request.reply == nil {
                try rig.execute(index)
            } else {
                rig.deliver(index)
            }
        }
        for (reply, node) in late { rig.deliver(reply, from: node) }
        #expect(rig.outcome != nil)
        return lost
    }
}
