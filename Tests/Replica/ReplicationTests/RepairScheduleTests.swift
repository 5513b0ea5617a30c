import Catalog
import PeerMessages
import Replication
import Testing
import TokenPlacement

/// Which slice is repaired or rebuilt next.
struct RepairScheduleTests {
    private static let dayOneSeconds: Int64 = 1_000_000

    private var settings: RepairSettings {
        var settings = RepairSettings()
        settings.intervalSeconds = 1000
        settings.retrySeconds = 50
        settings.rebuildRetrySeconds = 10
        settings.pause = .seconds(1)
        settings.markCoverSeconds = 5
        settings.skewMarginSeconds = 5
        return settings
    }

    /// Four slices on three nodes; of slices 0 and 3 node 1 is the first replica.
    private let table = replicatedTable(owners: [1, 2, 3, 1], factor: 3)
    private let all = Set(nodes(1...3))

    private func schedule(
        _ number: Int = 1,
        alive: Set<NodeID>? = nil,
        tables: [ReplicatedTable]? = nil
    ) -> RepairSchedule {
        var schedule = RepairSchedule(node: node(number), settings: settings)
        schedule.viewChanged(tables: tables ?? [table], alive: alive ?? all)
        return schedule
    }

    private func next(
        _ schedule: inout RepairSchedule,
        at seconds: Int64,
        _ ledger: RepairLedger? = nil,
        _ health: SliceHealth = SliceHealth(sliceCount: 4)
    ) -> RepairTask? {
        schedule.next(
            nowSeconds: Self.dayOneSeconds + seconds,
            now: .seconds(seconds),
            ledger: ledger ?? RepairLedger(settings: settings),
            health: health
        )
    }

    private func finish(
        _ schedule: inout RepairSchedule,
        _ task: RepairTask,
        _ outcome: RepairOutcome,
        at seconds: Int64
    ) {
        schedule.finished(
            task,
            outcome,
            RepairStatistics(),
            nowSeconds: Self.dayOneSeconds + seconds,
            now: .seconds(seconds)
        )
    }

    @Test func `each slice is repaired by its first living replica, and by no other`() {
        var found: [Int: [Int]] = [:]
        for (number, alive) in [(1, all), (2, all), (3, all)] {
            var schedule = schedule(number, alive: alive)
            while let task = next(&schedule, at: Int64(found.values.joined().count) * 2) {
                #expect(task.mode == .repair)
                #expect(task.replicas.count == 3)
                found[number, default: []].append(task.slice.slice)
            }
        }
        #expect(found == [1: [0, 3], 2: [1], 3: [2]])
        var heir = schedule(2, alive: [node(2), node(3)])
        let result1 = heir.run()
        #expect(result1 == 3)
    }

    @Test func `a table with one replica is never repaired`() {
        var schedule = schedule(tables: [replicatedTable(owners: [1, 1], factor: 1)])
        #expect(next(&schedule, at: 0) == nil)
        let result2 = schedule.run()
        #expect(result2 == 0)
        #expect(schedule.progress?.isDone == true)
    }

    @Test func `repairs that nobody asked for keep their pause`() throws {
        var schedule = schedule()
        let first = try #require(next(&schedule, at: 0))
        finish(&schedule, first, .repaired, at: 0)
        #expect(next(&schedule, at: 0) == nil)
        #expect(next(&schedule, at: 1)?.slice.slice == 3)
    }

    @Test func `what is rebuilt comes first, then what was asked for, then what is dirty`() throws {
        var schedule = schedule()
        var ledger = RepairLedger(settings: settings)
        var health = SliceHealth(sliceCount: 4)
        health.set(.rebuilding, SliceID(testTable, 2))
        let mark = DirtyMark(
            table: testTable,
            slice: 3,
            target: node(2),
            sinceSeconds: Self.dayOneSeconds
        )
        let result3 = ledger.note(mark, nowSeconds: Self.dayOneSeconds)
        #expect(result3 != nil)
        let result4 = schedule.run()
        #expect(result4 == 2)
        let rebuild = try #require(next(&schedule, at: 100, ledger, health))
        #expect(rebuild.slice.slice == 2)
        #expect(rebuild.mode == .rebuild)
        #expect(next(&schedule, at: 100, ledger, health)?.slice.slice == 0)
        let last = try #require(next(&schedule, at: 100, ledger, health))
        #expect(last.slice.slice == 3)
        // The dirty one again, before slice 0, whose repair is as long ago.
        finish(&schedule, last, .repaired, at: 100)
        #expect(next(&schedule, at: 151, ledger, health)?.slice.slice == 3)
    }

    @Test func `a dirty slice waits for its target, and until its mark is covered`() {
        var settings = settings
        settings.intervalSeconds = 1_000_000
        var schedule = RepairSchedule(node: node(1), settings: settings)
        schedule.viewChanged(tables: [table], alive: [node(1), node(3)])
        var ledger = RepairLedger(settings: settings)
        for slice in 0..<4 {
            let note = RepairNote(
                table: testTable,
                slice: slice,
                startedSeconds: Self.dayOneSeconds
            )
            let replicas = table.replicas(ofSlice: slice)
            let result5 = ledger.note(note, replicas: replicas, nowSeconds: Self.dayOneSeconds)
            #expect(result5 != nil)
        }
        let mark = DirtyMark(
            table: testTable,
            slice: 0,
            target: node(2),
            sinceSeconds: Self.dayOneSeconds + 10
        )
        let result6 = ledger.note(mark, nowSeconds: Self.dayOneSeconds + 10)
        #expect(result6 != nil)
        #expect(next(&schedule, at: 100, ledger) == nil)
        schedule.viewChanged(tables: [table], alive: all)
        #expect(next(&schedule, at: 25, ledger) == nil)
        #expect(next(&schedule, at: 26, ledger)?.slice.slice == 0)
    }

    @Test func `a slice that could not be repaired whole waits, but not once a node is back`()
        throws
    {
        var schedule = schedule(alive: [node(1), node(2)])
        let result7 = schedule.run()
        #expect(result7 == 3)
        for _ in 0..<3 {
            let task = try #require(next(&schedule, at: 0))
            finish(&schedule, task, .incomplete(missing: [node(3)]), at: 0)
        }
        #expect(schedule.progress?.incomplete == 3)
        #expect(schedule.progress?.isDone == true)
        #expect(next(&schedule, at: 999) == nil)
        schedule.viewChanged(tables: [table], alive: all)
        #expect(next(&schedule, at: 999) != nil)
    }

    @Test func `a rebuild that found no source is tried again after a while`() throws {
        var schedule = schedule()
        var health = SliceHealth(sliceCount: 4)
        health.set(.rebuilding, SliceID(testTable, 1))
        let task = try #require(next(&schedule, at: 0, nil, health))
        finish(&schedule, task, .noSource, at: 0)
        schedule.viewChanged(tables: [table], alive: all)
        let other = next(&schedule, at: 9, nil, health)
        #expect(other?.mode != .rebuild)
        #expect(next(&schedule, at: 10, nil, health)?.mode == .rebuild)
    }

    @Test func `what had no other replica is not rebuilt, and holds nothing up`() {
        let alone = replicatedTable(TableID(3), owners: [1, 1, 1, 1], factor: 1, name: "alone")
        var schedule = schedule(tables: [alone, table])
        var health = SliceHealth(sliceCount: 4)
        health.set(.rebuilding, SliceID(TableID(3), 0))
        health.set(.rebuilding, SliceID(testTable, 0))
        #expect(next(&schedule, at: 0, nil, health)?.slice == SliceID(testTable, 0))
        #expect(next(&schedule, at: 1000, nil, health)?.mode != .rebuild)
    }

    @Test func `a dropped table leaves the run`() {
        let other = replicatedTable(TableID(8), owners: [1, 2], factor: 2, name: "other")
        var schedule = schedule(tables: [table, other])
        let result8 = schedule.run(keyspace: "shop", table: "other")
        #expect(result8 == 1)
        let result9 = schedule.run(keyspace: "nope")
        #expect(result9 == 0)
        let result10 = schedule.run(keyspace: "shop")
        #expect(result10 == 3)
        schedule.viewChanged(tables: [table], alive: all)
        #expect(schedule.progress?.total == 2)
    }
}
