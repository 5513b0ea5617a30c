import Catalog
import SystemTables
import Testing
import TokenPlacement

/// The tables of `system_martlet` about the connected node's own work.
@Suite struct ActivityTablesTests {
    private func snapshot(_ fill: (inout NodeActivity) -> Void) -> SystemSnapshot {
        var snapshot = Fixture.snapshot()
        fill(&snapshot.activity)
        return snapshot
    }

    @Test func `a node that did nothing has empty tables`() throws {
        for name in ["slice_repairs", "repair_runs", "hints", "memory", "caches"] {
            #expect(try DecodedRow.all(of: "system_martlet.\(name)").isEmpty, "\(name)")
        }
    }

    @Test func `slices show their last repair, those of dropped tables do not`() throws {
        let snapshot = snapshot { activity in
            activity.sliceRepairs = [
                SliceRepair(
                    table: TableID(1),
                    slice: 7,
                    lastRepairSeconds: nil,
                    isDirty: true,
                    state: .rebuilding
                ),
                SliceRepair(
                    table: TableID(1),
                    slice: 2,
                    lastRepairSeconds: 1_700_000_000,
                    isDirty: false
                ),
                SliceRepair(table: TableID(99), slice: 0, lastRepairSeconds: 5, isDirty: false),
            ]
        }
        #expect(
            try DecodedRow.all(of: "system_martlet.slice_repairs", in: snapshot).map(\.values) == [
                [
                    "keyspace_name": "ml", "table_name": "movies", "slice": "2",
                    "last_repair": "1700000000000", "is_dirty": "false", "state": "readable",
                ],
                [
                    "keyspace_name": "ml", "table_name": "movies", "slice": "7",
                    "is_dirty": "true", "state": "rebuilding",
                ],
            ]
        )
    }

    @Test func `runs show their progress`() throws {
        let snapshot = snapshot { activity in
            var failed = RepairRun(
                id: Fixture.id(9),
                keyspace: "ml",
                table: "movies",
                state: .failed,
                startedSeconds: 1_700_000_000
            )
            failed.slicesTotal = 8
            failed.slicesDone = 3
            failed.rowsStreamed = 20
            failed.bytesStreamed = 5_000_000_000
            failed.error = "node 2 is down"
            let all = RepairRun(
                id: Fixture.id(8),
                keyspace: nil,
                table: nil,
                state: .running,
                startedSeconds: .max
            )
            activity.repairRuns = [failed, all]
        }
        #expect(
            try DecodedRow.all(of: "system_martlet.repair_runs", in: snapshot).map(\.values) == [
                [
                    "id": "171-9", "keyspace_name": "ml", "table_name": "movies",
                    "state": "failed", "started": "1700000000000", "slices_total": "8",
                    "slices_done": "3", "rows_streamed": "20", "bytes_streamed": "5000000000",
                    "error": "node 2 is down",
                ],
                [
                    "id": "171-8", "state": "running", "started": "9223372036854775807",
                    "slices_total": "0", "slices_done": "0", "rows_streamed": "0",
                    "bytes_streamed": "0",
                ],
            ]
        )
    }

    @Test func `hints, memory and caches show what is measured`() throws {
        let snapshot = snapshot { activity in
            activity.hints = [
                HintQueue(target: Fixture.id(3), count: 0, bytes: 0, oldestMillis: nil),
                HintQueue(target: Fixture.id(2), count: 4, bytes: 512, oldestMillis: 1234),
                HintQueue(target: Fixture.id(77), count: 1, bytes: 9, oldestMillis: 1),
            ]
            activity.memory = [
                MemoryShare(consumer: "row cache", limitBytes: 1 << 30, usedBytes: 17),
                MemoryShare(consumer: "inference", limitBytes: nil, usedBytes: nil),
            ]
            activity.caches = [
                CacheActivity(
                    name: "rows",
                    entries: 3,
                    usedBytes: 100,
                    capacityBytes: 1000,
                    hits: 3,
                    misses: 1,
                    evictions: 2,
                    staleFills: 5
                ), CacheActivity(name: "blocks", hits: 0, misses: 0),
            ]
        }
        #expect(
            try DecodedRow.all(of: "system_martlet.hints", in: snapshot).map(\.values) == [
                [
                    "target": "171-2", "address": "127.0.0.2", "count": "4", "bytes": "512",
                    "oldest": "1234",
                ], ["target": "171-3", "address": "127.0.0.3", "count": "0", "bytes": "0"],
                ["target": "171-77", "count": "1", "bytes": "9", "oldest": "1"],
            ]
        )
        #expect(
            try DecodedRow.all(of: "system_martlet.memory", in: snapshot).map(\.values) == [
                ["consumer": "row cache", "limit_bytes": "1073741824", "used_bytes": "17"],
                ["consumer": "inference"],
            ]
        )
        #expect(
            try DecodedRow.all(of: "system_martlet.caches", in: snapshot).map(\.values) == [
                [
                    "name": "rows", "entries": "3", "used_bytes": "100", "capacity_bytes": "1000",
                    "hits": "3", "misses": "1", "hit_ratio": "0.75", "evictions": "2",
                    "stale_fills": "5",
                ], ["name": "blocks", "hits": "0", "misses": "0"],
            ]
        )
    }
}
