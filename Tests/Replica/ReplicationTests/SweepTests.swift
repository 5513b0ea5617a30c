import Catalog
import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

/// What is swept, and when.
struct SweepTests {
    private let table = replicatedTable(owners: [1, 2, 3, 1], factor: 2, gcGraceSeconds: 100)

    private var settings: RepairSettings {
        var settings = RepairSettings()
        settings.sweepIntervalSeconds = 60
        settings.hintWindowSeconds = 40
        settings.skewMarginSeconds = 5
        settings.sweepBytesPerSecond = 0
        settings.pageRowsMax = 3
        return settings
    }

    /// The seconds of a sweep at second 1000, with a grace period of 100: `[now, purge before]`.
    private func seconds(repaired: Int64?, replicas: Int = 3) -> [Int64]? {
        SweepPlanner.seconds(
            nowSeconds: 1000,
            gcGraceSeconds: 100,
            replicaCount: replicas,
            repairedSeconds: repaired,
            settings: settings
        ).map { [$0.now, $0.purgeBefore] }
    }

    @Test func `only what is past the grace period and surely repaired may go`() {
        #expect(seconds(repaired: 500) == [495, 400])
        #expect(seconds(repaired: 945) == [940, 845])
        #expect(seconds(repaired: .min) == [.min, .min])
        var settings = settings
        settings.hintWindowSeconds = 300
        let late = SweepPlanner.seconds(
            nowSeconds: 1000,
            gcGraceSeconds: 100,
            replicaCount: 3,
            repairedSeconds: 945,
            settings: settings
        )
        #expect(late?.purgeBefore == 640)
    }

    @Test func `a clock that jumped ahead takes nothing away that the last repair did not see`() {
        // The repair began at 1000; since then this node's clock jumped by a year.
        let jumped = SweepPlanner.seconds(
            nowSeconds: 1000 + 31_536_000,
            gcGraceSeconds: 100,
            replicaCount: 2,
            repairedSeconds: 1000,
            settings: settings
        )
        #expect(jumped?.now == 995)
        #expect(jumped?.purgeBefore == 900)
    }

    @Test func `a clock that was set back only delays, a repair from the future is none`() {
        #expect(seconds(repaired: 1005) == [995, 900])
        #expect(seconds(repaired: 1006) == nil)
    }

    @Test func `without a repair nothing is swept, unless there is one replica`() {
        #expect(seconds(repaired: nil) == nil)
        #expect(seconds(repaired: nil, replicas: 1) == [995, 900])
        #expect(seconds(repaired: 1006, replicas: 1) == [995, 900])
    }

    /// A ledger in which slices were repaired at a second.
    private func ledger(repaired slices: [Int], at seconds: Int64 = 990) -> RepairLedger {
        var ledger = RepairLedger(settings: settings)
        for slice in slices {
            _ = ledger.note(
                RepairNote(table: testTable, slice: slice, startedSeconds: seconds),
                replicas: table.replicas(ofSlice: slice),
                nowSeconds: seconds
            )
        }
        return ledger
    }

    @Test func `each slice has its turn once an interval, the one that waits longest first`() throws
    {
        var planner = SweepPlanner(node: node(1), settings: settings)
        planner.viewChanged(tables: [table])
        let ledger = ledger(repaired: [0, 1, 2, 3])
        var health = SliceHealth(sliceCount: 4)
        health.set(.rebuilding, SliceID(testTable, 3))
        func next(_ seconds: Int64, _ health: SliceHealth) -> SweepTask? {
            planner.next(nowSeconds: 1000, now: .seconds(seconds), ledger: ledger, health: health)
        }
        // Node 1 has a replica of slices 0, 2 and 3; the last one cannot be read.
        let first = try #require(next(0, health))
        #expect(first.slice.slice == 0)
        #expect(first.nowSeconds == 985)
        #expect(first.purgeBeforeSeconds == 890)
        #expect(next(1, health)?.slice.slice == 2)
        #expect(next(59, health) == nil)
        #expect(next(59, SliceHealth(sliceCount: 4))?.slice.slice == 3)
        #expect(next(60, health)?.slice.slice == 0)
        #expect(next(61, health)?.slice.slice == 2)
    }

    @Test func `a slice whose sweep failed waits, and starves no other`() throws {
        var settings = settings
        settings.sweepRetrySeconds = 10
        var planner = SweepPlanner(node: node(1), settings: settings)
        planner.viewChanged(tables: [table])
        let ledger = ledger(repaired: [0, 1, 2, 3])
        func next(_ seconds: Int64) -> SweepTask? {
            planner.next(
                nowSeconds: 1000,
                now: .seconds(seconds),
                ledger: ledger,
                health: SliceHealth(sliceCount: 4)
            )
        }
        let first = try #require(next(0))
        #expect(first.slice.slice == 0)
        planner.failed(first, now: .seconds(1))
        #expect(next(1)?.slice.slice == 2)
        #expect(next(2)?.slice.slice == 3)
        #expect(next(10) == nil)
        #expect(next(11)?.slice.slice == 0)
        planner.failed(first, now: .seconds(55))
        #expect(next(65)?.slice.slice == 2, "it has waited for longer")
        #expect(next(65)?.slice.slice == 3)
        #expect(next(65)?.slice.slice == 0)
    }

    @Test func `a slice is swept once it was repaired, and has no turn before`() {
        var planner = SweepPlanner(node: node(1), settings: settings)
        planner.viewChanged(tables: [table])
        let health = SliceHealth(sliceCount: 4)
        func next(_ ledger: RepairLedger) -> SweepTask? {
            planner.next(nowSeconds: 1000, now: .seconds(1), ledger: ledger, health: health)
        }
        #expect(next(ledger(repaired: [])) == nil)
        #expect(next(ledger(repaired: [1])) == nil)
        #expect(next(ledger(repaired: [2]))?.slice.slice == 2)
        #expect(next(ledger(repaired: [0, 2]))?.slice.slice == 0)
    }

    @Test func `no interval, no sweep; and none of slices of others`() {
        var settings = settings
        settings.sweepIntervalSeconds = 0
        var planner = SweepPlanner(node: node(1), settings: settings)
        planner.viewChanged(tables: [table])
        let ledger = RepairLedger(settings: settings)
        let health = SliceHealth(sliceCount: 4)
        #expect(planner.next(nowSeconds: 9, now: .zero, ledger: ledger, health: health) == nil)
        let foreign = SliceID(testTable, 1)
        #expect(planner.task(foreign, nowSeconds: 1, ledger: ledger) == nil)
    }

    // MARK: One pass

    private var task: SweepTask {
        SweepTask(
            slice: SliceID(testTable, 0),
            tokens: Token(.min)...Token(.max),
            nowSeconds: 1000,
            purgeBeforeSeconds: 900
        )
    }

    private func page(_ rows: [(key: [UInt8], row: [UInt8])], isComplete: Bool) -> StoreScan {
        StoreScan(entries: rows.map { StoredRow(key: $0.key, row: $0.row) }, isComplete: isComplete)
    }

    @Test func `rows that a sweep would change go to the writer, page by page`() {
        var pass = SweepPass(
            task: task,
            settings: settings,
            bandwidth: TokenBucket(bytesPerSecond: 0, burstBytes: 1)
        )
        var actions: [SweepPass.Action] = []
        pass.start(now: .zero, actions: &actions)
        let range = RowKey.sliceRange(table: testTable, tokens: task.tokens)
        #expect(actions == [.scan(range, rowsMax: 3, bytesMax: settings.pageBytesMax)])
        actions = []
        let rows: [(key: [UInt8], row: [UInt8])] = [
            (Array("a".utf8), deletedRow(timestamp: 5, atSeconds: 899)),
            (Array("b".utf8), deletedRow(timestamp: 5, atSeconds: 900)),
            (Array("c".utf8), expiringRow(timestamp: 5, atSeconds: 1000)),
        ]
        pass.pageRead(page(rows, isComplete: false), now: .zero, actions: &actions)
        #expect(actions == [.sweep([Array("a".utf8), Array("c".utf8)])])
        actions = []
        pass.swept(now: .zero, actions: &actions)
        var rest = range
        rest.lower = Array("c".utf8) + [0]
        #expect(actions == [.scan(rest, rowsMax: 3, bytesMax: settings.pageBytesMax)])
        actions = []
        let last: [(key: [UInt8], row: [UInt8])] = [
            (Array("d".utf8), expiringRow(timestamp: 5, atSeconds: 1001)),
            (Array("e".utf8), [0xFF]),
        ]
        pass.pageRead(page(last, isComplete: true), now: .zero, actions: &actions)
        #expect(pass.isFinished)
        #expect(pass.statistics.rows == 5)
        #expect(pass.statistics.swept == 2)
        #expect(pass.statistics.damaged == 1)
        #expect(actions == [.finish(pass.statistics, isComplete: true)])
    }

    @Test func `a pass keeps to its rate, and ends where the disk fails`() {
        var pass = SweepPass(
            task: task,
            settings: settings,
            bandwidth: TokenBucket(bytesPerSecond: 10, burstBytes: 1)
        )
        var actions: [SweepPass.Action] = []
        pass.start(now: .zero, actions: &actions)
        actions = []
        let row = (key: Array("b".utf8), row: deletedRow(timestamp: 5, atSeconds: 950))
        pass.pageRead(page([row], isComplete: false), now: .zero, actions: &actions)
        guard case .wait(let until)? = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(until > .zero)
        actions = []
        pass.failed(actions: &actions)
        #expect(actions.isEmpty, "nothing is under way that could fail")
        pass.resumed(now: until, actions: &actions)
        actions = []
        pass.failed(actions: &actions)
        #expect(actions == [.finish(pass.statistics, isComplete: false)])
    }
}
