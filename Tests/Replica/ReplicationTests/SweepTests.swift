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

    private func purgeBefore(repaired: Int64?, replicas: Int = 3) -> Int64 {
        SweepPlanner.purgeBefore(
            nowSeconds: 1000,
            gcGraceSeconds: 100,
            replicaCount: replicas,
            repairedSeconds: repaired,
            settings: settings
        )
    }

    @Test func `only what is past the grace period and surely repaired may go`() {
        #expect(purgeBefore(repaired: nil) == .min)
        #expect(purgeBefore(repaired: 500) == 455)
        #expect(purgeBefore(repaired: 945) == 900)
        #expect(purgeBefore(repaired: 999) == 900)
        #expect(purgeBefore(repaired: .min) == .min)
        #expect(purgeBefore(repaired: nil, replicas: 1) == 900)
    }

    @Test func `each slice has its turn once an interval, the one that waits longest first`() throws
    {
        var planner = SweepPlanner(node: node(1), settings: settings)
        planner.viewChanged(tables: [table])
        let ledger = RepairLedger(settings: settings)
        var health = SliceHealth(sliceCount: 4)
        health.set(.rebuilding, SliceID(testTable, 3))
        func next(_ seconds: Int64, _ health: SliceHealth) -> SweepTask? {
            planner.next(nowSeconds: 1000, now: .seconds(seconds), ledger: ledger, health: health)
        }
        // Node 1 has a replica of slices 0, 2 and 3; the last one cannot be read.
        let first = try #require(next(0, health))
        #expect(first.slice.slice == 0)
        #expect(first.nowSeconds == 995)
        #expect(first.purgeBeforeSeconds == .min)
        #expect(next(1, health)?.slice.slice == 2)
        #expect(next(59, health) == nil)
        #expect(next(59, SliceHealth(sliceCount: 4))?.slice.slice == 3)
        #expect(next(60, health)?.slice.slice == 0)
        planner.failed(first)
        #expect(next(60, health)?.slice.slice == 0)
        #expect(next(61, health)?.slice.slice == 2)
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
