import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

/// Fetching a slice's rows from all other replicas.
@Suite struct RebuildTests {
    @Test func `a lost slice is what the others have, merged`() throws {
        var sources = [spreadRows(50), spreadRows(50)]
        sources[0].rows[spread(3, of: 50)] = nil
        sources[1].rows[spread(3, of: 50)] = columnRow(2, timestamp: 4, value: [4])
        sources[0].rows[spread(9, of: 50)] = columnRow(2, timestamp: 7, value: [7])
        var rig = RepairRig([ReplicaModel()] + sources, mode: .rebuild)
        try rig.run()
        #expect(rig.outcome == .rebuilt)
        #expect(rig.replicas[node(1)] == ReplicaModel.merged(sources))
        #expect(rig.replicas[node(2)] == sources[0])
        #expect(rig.replicas[node(3)] == sources[1])
        #expect(rig.machine.statistics.rowsWritten == 50)
        #expect(rig.notes == [:])
        #expect(rig.violations == [])
    }

    @Test func `nobody is asked for digests, nor this node for rows`() throws {
        var rig = RepairRig([ReplicaModel(), spreadRows(5), spreadRows(5)], mode: .rebuild)
        try rig.run()
        #expect(!rig.history.contains { $0.isDigestRequest || $0.isNote })
        #expect(rig.history.filter(\.isPageRequest).allSatisfy { $0.node != node(1) })
        #expect(rig.history.filter(\.isWrite).allSatisfy { $0.node == node(1) })
    }

    @Test func `deletions come along, and what was written here meanwhile stays`() throws {
        let deleted = deletedRow(timestamp: 5, atSeconds: 100)
        let written = columnRow(2, timestamp: 9, value: [9])
        var rig = RepairRig(
            [
                ReplicaModel(rows: [repaired(1): written]),
                ReplicaModel(rows: [repaired(1): deleted]),
            ],
            mode: .rebuild
        )
        try rig.run()
        #expect(rig.outcome == .rebuilt)
        #expect(
            rig.replicas[node(1)]?.rows == [repaired(1): RowMerge.merge([deleted, written])]
        )
    }

    @Test func `alone there is no source`() throws {
        var rig = RepairRig([ReplicaModel()], mode: .rebuild)
        rig.start()
        #expect(rig.history == [.finish(.noSource)])
    }

    /// Lets all nodes answer, some of which are being rebuilt themselves.
    private func run(_ rig: inout RepairRig, partial: Set<Int>) throws {
        rig.start()
        while let action = rig.open.first?.action {
            guard case .requestPage(let from, let request) = action, let model = rig.replicas[from]
            else {
                try rig.step()
                continue
            }
            #expect(request.isForRebuild)
            var page = model.page(request)
            page.isPartial = partial.contains { node($0) == from }
            rig.deliver(0, .page(page))
        }
    }

    @Test func `a replica that is rebuilt too gives what it has, if another one has all`() throws {
        var sources = [spreadRows(30), spreadRows(10)]
        sources[1].rows[repaired(1)] = columnRow(2, timestamp: 4, value: [4])
        var rig = RepairRig([ReplicaModel()] + sources, mode: .rebuild)
        try run(&rig, partial: [3])
        #expect(rig.outcome == .rebuilt)
        #expect(rig.replicas[node(1)] == ReplicaModel.merged(sources))
        #expect(rig.violations == [])
    }

    @Test func `replicas that are all being rebuilt do not make a slice whole again`() throws {
        var rig = RepairRig(
            [ReplicaModel(), spreadRows(30), spreadRows(10)],
            mode: .rebuild
        )
        try run(&rig, partial: [2, 3])
        #expect(rig.outcome == .noSource)
        #expect(rig.violations == [])
        #expect(!rig.history.contains { $0.isWrite })
    }

    @Test func `a repair asks for no rows of a slice that is being rebuilt`() throws {
        var rig = RepairRig([spreadRows(30), spreadRows(10)])
        try rig.run()
        for case .requestPage(_, let request) in rig.history { #expect(!request.isForRebuild) }
    }

    @Test func `sources without rows rebuild nothing, which is right`() throws {
        var rig = RepairRig([ReplicaModel(), ReplicaModel()], mode: .rebuild)
        try rig.run()
        #expect(rig.outcome == .rebuilt)
        #expect(!rig.history.contains { $0.isWrite })
    }

    @Test(arguments: 0..<40)
    func `any failure ends it, and the next one makes up for all`(step: Int) throws {
        var settings = RepairSettings()
        settings.pageRowsMax = 6
        settings.writeRowsMax = 4
        let sources = [spreadRows(40), spreadRows(40)]
        var rig = RepairRig([ReplicaModel()] + sources, mode: .rebuild, settings: settings)
        rig.start()
        for _ in 0..<step where !rig.open.isEmpty { try rig.step() }
        while rig.open.first?.action.isWait == true { try rig.step() }
        guard let failing = rig.open.first?.action.node else {
            #expect(rig.outcome == .rebuilt)
            #expect(step > 20)
            return
        }
        rig.fail(0)
        #expect(rig.outcome == .incomplete(missing: [failing]))
        // What was asked before is answered still.
        while !rig.open.isEmpty { try rig.step() }
        #expect(rig.violations == [])
        var next = rig.again()
        try next.run()
        #expect(next.outcome == .rebuilt)
        #expect(next.replicas[node(1)] == spreadRows(40))
    }
}
