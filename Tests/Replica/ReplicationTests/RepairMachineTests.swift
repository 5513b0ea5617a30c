import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

@Suite struct RepairMachineTests {
    private static let note = RepairNote(
        table: testTable,
        slice: RepairRig.slice.slice,
        startedSeconds: RepairRig.nowSeconds
    )

    /// Three replicas with 100 rows, of which each lacks another one and one has an old version.
    private static func diverged() -> [ReplicaModel] {
        var replicas = [ReplicaModel](repeating: spreadRows(100), count: 3)
        for number in 0..<3 {
            replicas[number].rows[spread(10 + 30 * number, of: 100)] = nil
        }
        for number in 0..<2 { replicas[number].rows[spread(50, of: 100)] = versionRow(2) }
        return replicas
    }

    // MARK: Digests

    @Test func `equal replicas cost one digest each, and are noted everywhere`() throws {
        var rig = RepairRig([ReplicaModel](repeating: spreadRows(100), count: 3))
        try rig.run()
        #expect(rig.outcome == .repaired)
        #expect(rig.history.count { $0.isDigestRequest } == 3)
        #expect(!rig.history.contains { $0.isPageRequest || $0.isWrite })
        #expect(rig.machine.statistics == RepairStatistics())
        #expect(rig.notes == [node(1): [Self.note], node(2): [Self.note], node(3): [Self.note]])
        #expect(rig.machine.isFinished)
        #expect(rig.violations == [])
    }

    @Test func `all replicas are asked the same, as of the second of the start`() throws {
        var rig = RepairRig([ReplicaModel](repeating: spreadRows(3), count: 3), node: 2)
        rig.start()
        let request = RangeDigestRequest(
            table: testTable,
            nowSeconds: RepairRig.nowSeconds,
            ranges: [RepairRig.tokens]
        )
        #expect(rig.open.map(\.action) == nodes(1...3).map { .requestDigests(from: $0, request) })
    }

    @Test func `one replica alone is repaired with itself`() throws {
        var rig = RepairRig([spreadRows(5)])
        try rig.run()
        #expect(rig.outcome == .repaired)
        #expect(rig.notes == [node(1): [Self.note]])
    }

    @Test func `a node that is no replica repairs, and notes nothing itself`() throws {
        var rig = RepairRig(Self.diverged(), node: 9)
        try rig.run()
        #expect(rig.outcome == .repaired)
        #expect(rig.notes.keys.sorted() == nodes(1...3))
        #expect(try rig.differences().versions == 0)
        #expect(rig.violations == [])
    }

    @Test func `only the leaves that differ are read`() throws {
        let count = 2_000
        var replicas = [ReplicaModel](repeating: spreadRows(count), count: 3)
        let changed = [3, 700, 701, 1_400, 1_999].map { spread($0, of: count) }
        for partition in changed { replicas[1].rows[partition] = versionRow(2) }
        var rig = RepairRig(replicas)
        try rig.run()
        #expect(rig.outcome == .repaired)
        #expect(rig.machine.statistics.rowsWritten == 2 * changed.count)
        // Two digests of each, and then a leaf for each row, which holds 16 at the most.
        #expect(rig.history.count { $0.isDigestRequest } == 6)
        #expect(rig.machine.statistics.ranges <= changed.count)
        #expect(rig.machine.statistics.rowsCompared >= changed.count)
        #expect(rig.machine.statistics.rowsCompared <= 16 * changed.count)
        let pages = rig.history.count { $0.isPageRequest }
        #expect(pages <= 3 * changed.count)
        #expect(try rig.differences().versions == 0)
        #expect(rig.violations == [])
    }

    @Test func `few rows are read at once, without a second look`() throws {
        var replicas = [ReplicaModel](repeating: spreadRows(16), count: 2)
        replicas[0].rows[spread(3, of: 16)] = nil
        var rig = RepairRig(replicas)
        try rig.run()
        #expect(rig.history.count { $0.isDigestRequest } == 2)
        #expect(rig.machine.statistics.ranges == 1)
        #expect(rig.machine.statistics.rowsCompared == 16)
        #expect(rig.machine.statistics.rowsWritten == 1)
    }

    // MARK: Rows

    @Test func `each replica gets what it lacks, and nothing else`() throws {
        var rig = RepairRig(Self.diverged())
        try rig.run()
        var written: [NodeID: Set<PartitionRef>] = [:]
        for case .write(let target, let mutations) in rig.history {
            written[target, default: []].formUnion(mutations.map(\.partition))
        }
        #expect(
            written == [
                node(1): [spread(10, of: 100)], node(2): [spread(40, of: 100)],
                node(3): [spread(70, of: 100), spread(50, of: 100)],
            ]
        )
        #expect(rig.machine.statistics.rowsWritten == 4)
        #expect(rig.replicas[node(3)]?.rows[spread(50, of: 100)] == versionRow(2))
        #expect(Set(rig.replicas.values).count == 1)
        #expect(rig.outcome == .repaired)
    }

    @Test func `versions of which each has a part are merged everywhere`() throws {
        var replicas = [ReplicaModel](repeating: ReplicaModel(), count: 3)
        for number in 0..<3 {
            replicas[number].rows[repaired(5)] = columnRow(number + 1, timestamp: 5, value: [1])
        }
        var rig = RepairRig(replicas)
        try rig.run()
        let merged = RowMerge.merge((1...3).map { columnRow($0, timestamp: 5, value: [1]) })
        #expect(nodes(1...3).allSatisfy { rig.replicas[$0]?.rows == [repaired(5): merged] })
        #expect(rig.machine.statistics.rowsWritten == 3)
    }

    @Test func `a deletion reaches those that lack it, and none comes back`() throws {
        let live = versionRow(3)
        let deleted = RowMerge.merge([live, deletedRow(timestamp: 4, atSeconds: 9_900)])
        var rig = RepairRig([
            ReplicaModel(rows: [repaired(1): live]), ReplicaModel(rows: [repaired(1): deleted]),
        ])
        try rig.run()
        #expect(rig.replicas[node(1)]?.rows == [repaired(1): deleted])
        #expect(rig.replicas[node(2)]?.rows == [repaired(1): deleted])
    }

    @Test
    func `a purgeable deletion goes to who shows what it covers, not to who has nothing`() throws {
        let live = versionRow(3)
        let deleted = deletedRow(timestamp: 4, atSeconds: 5_000)
        var rig = RepairRig([
            ReplicaModel(rows: [repaired(1): live]), ReplicaModel(rows: [repaired(1): deleted]),
            ReplicaModel(),
        ])
        try rig.run()
        #expect(rig.machine.statistics.rowsWritten == 1)
        #expect(rig.replicas[node(1)]?.rows == [repaired(1): deleted])
        #expect(rig.replicas[node(3)]?.rows == [:])
    }

    @Test func `rows are read in pages and written in batches`() throws {
        var settings = RepairSettings()
        settings.pageRowsMax = 7
        settings.writeRowsMax = 4
        var replicas = [ReplicaModel(), spreadRows(16)]
        replicas[0].rows[spread(3, of: 16)] = versionRow(1)
        var rig = RepairRig(replicas, settings: settings)
        try rig.run()
        let batches = rig.history.compactMap { action -> Int? in
            if case .write(_, let mutations) = action { mutations.count } else { nil }
        }
        #expect(batches == [4, 4, 4, 3])
        #expect(rig.history.count { $0.isPageRequest && $0.node == node(2) } == 3)
        #expect(rig.violations == [])
        #expect(try rig.differences().versions == 0)
    }

    @Test func `a batch waits for the one before it, and no more is read meanwhile`() throws {
        var settings = RepairSettings()
        settings.pageRowsMax = 2
        settings.writeRowsMax = 2
        var rig = RepairRig([ReplicaModel(), spreadRows(16)], settings: settings)
        rig.start()
        // Everything is answered but writes.
        for _ in 0..<100 {
            guard let index = rig.open.firstIndex(where: { !$0.action.isWrite }) else { break }
            try rig.execute(index)
            rig.deliver(index)
        }
        #expect(rig.open.count == 1)
        #expect(rig.open.first?.action.isWrite == true)
        #expect(rig.history.count { $0.isPageRequest && $0.node == node(2) } <= 3)
        #expect(rig.outcome == nil)
        try rig.run()
        #expect(rig.outcome == .repaired)
        #expect(try rig.differences().versions == 0)
    }

    @Test func `nothing is noted before the last write is done`() throws {
        var rig = RepairRig(Self.diverged())
        rig.start()
        while let index = rig.open.firstIndex(where: { !$0.action.isWrite }) {
            try rig.execute(index)
            rig.deliver(index)
        }
        #expect(rig.open.count == 3)
        for left in (0..<3).reversed() {
            #expect(!rig.history.contains { $0.isNote })
            try rig.execute(left)
            rig.deliver(left)
        }
        #expect(rig.history.count { $0.isNote } == 2)
        #expect(rig.notes == [:])
        try rig.run()
        #expect(rig.outcome == .repaired)
    }

    @Test func `rates are kept, by waiting before pages`() throws {
        var settings = RepairSettings()
        settings.pageRowsMax = 5
        settings.bytesPerSecond = 500
        var replicas = [ReplicaModel](repeating: spreadRows(16), count: 2)
        replicas[0].rows = [:]
        var rig = RepairRig(replicas, settings: settings)
        try rig.run()
        let statistics = rig.machine.statistics
        #expect(rig.outcome == .repaired)
        #expect(rig.history.contains { $0.isWait })
        let bytes = statistics.bytesRead + statistics.bytesWritten
        #expect(bytes > 500)
        // All but the last page and what was written behind it are paid for.
        #expect(rig.machine.bandwidth.ready(now: .zero) == .seconds(1) * bytes / 500)
        #expect(rig.now > .zero)
        #expect(rig.now < .seconds(1) * bytes / 500)
        // The next machine pays the rest.
        var next = RepairRig(
            [ReplicaModel(), spreadRows(3)],
            settings: settings,
            bandwidth: rig.machine.bandwidth
        )
        next.now = rig.now
        next.start()
        while next.open.first?.action.isDigestRequest == true { try next.step() }
        #expect(next.open.map(\.action) == [.wait(until: rig.machine.bandwidth.ready(now: .zero))])
    }

    // MARK: Resumption

    @Test func `a repair that a crash ended leaves the rest to the next one`() throws {
        var settings = RepairSettings()
        settings.writeRowsMax = 3
        let replicas = [ReplicaModel(), spreadRows(120)]
        var whole = RepairRig(replicas, settings: settings)
        try whole.run()
        #expect(whole.machine.statistics.rowsWritten == 120)
        var steps = 0
        for crashAt in stride(from: 2, to: 60, by: 7) {
            var first = RepairRig(replicas, settings: settings)
            first.start()
            for _ in 0..<crashAt where !first.open.isEmpty { try first.step() }
            guard first.outcome == nil else { break }
            let done = first.replicas[node(1)]?.rows.count ?? 0
            var second = first.again()
            try second.run()
            #expect(second.outcome == .repaired)
            #expect(second.machine.statistics.rowsWritten == 120 - done)
            #expect(try second.differences().versions == 0)
            steps += 1
        }
        #expect(steps >= 5)
    }
}
