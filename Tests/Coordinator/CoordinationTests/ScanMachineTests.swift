import Catalog
import Coordination
import PeerMessages
import Storage
import Testing
import TokenPlacement

struct ScanMachineTests {
    typealias Action = ScanMachine.Action

    let a = Fixture.a
    let b = Fixture.b
    let c = Fixture.c
    let whole = Token.minimum...Token(.max)
    let old = Fixture.row(10, 1)
    let new = Fixture.row(20, 2)

    func partition(_ token: Int64, _ key: UInt8 = 0) -> PartitionRef {
        PartitionRef(token: Token(token), key: [key])
    }

    func row(_ token: Int64, _ row: [UInt8]) -> ScannedRow {
        ScannedRow(partition: partition(token), row: row)
    }

    func limits(_ rowsMax: Int = 100, bytesMax: Int = 1 << 20) -> ScanMachine.Limits {
        ScanMachine.Limits(
            rowsMax: rowsMax,
            bytesMax: bytesMax,
            requestRowsMax: 100,
            requestBytesMax: 1 << 16
        )
    }

    func machine(
        _ runs: [ScanRun],
        _ position: ScanPosition? = nil,
        _ consistency: ConsistencyLevel = .quorum,
        limits: ScanMachine.Limits? = nil
    ) -> ScanMachine {
        ScanMachine(
            table: TableID(1),
            position: position ?? ScanPosition(ranges: runs.map(\.tokens)),
            runs: runs,
            consistency: consistency,
            nowSeconds: Fixture.nowSeconds,
            gcGraceSeconds: Fixture.gcGraceSeconds,
            limits: limits ?? self.limits()
        )
    }

    func request(
        _ tokens: ClosedRange<Token>,
        after: PartitionRef? = nil,
        rows: Int = 100,
        bytes: Int = 1 << 16
    ) -> ScanRequest {
        ScanRequest(
            table: TableID(1),
            nowSeconds: Fixture.nowSeconds,
            tokens: tokens,
            after: after,
            rowsMax: rows,
            bytesMax: bytes
        )
    }

    /// A started machine over the whole ring on `a`, `b` and `c`, two of which must answer.
    func quorum(
        _ actions: inout [Action],
        limits: ScanMachine.Limits? = nil,
        candidates: [NodeID] = [Fixture.a, Fixture.b, Fixture.c]
    ) -> ScanMachine {
        var machine = machine(
            [ScanRun(tokens: whole, candidates: candidates, required: 2)],
            limits: limits
        )
        machine.start(&actions)
        return machine
    }

    func page(
        _ rows: [ScannedRow],
        isComplete: Bool = true,
        coveredTo: Int64? = nil
    ) -> ScanPage {
        ScanPage(rows: rows, isComplete: isComplete, coveredTo: coveredTo.map(Token.init))
    }

    func answer(_ rows: [ScannedRow], _ position: ScanPosition? = nil) -> Action {
        .answer(ScanMachine.Page(rows: rows, position: position))
    }

    func asked(_ actions: [Action]) -> [NodeID] {
        actions.compactMap { action in
            guard case .scan(_, let node, _) = action else { return nil }
            return node
        }
    }

    // MARK: Merging

    @Test func `at ONE the page of one replica is the answer`() {
        var machine = machine([ScanRun(tokens: whole, candidates: [a, b], required: 1)], nil, .one)
        var actions: [Action] = []
        machine.start(&actions)
        #expect(actions == [.scan(request: 0, from: a, request(whole))])
        actions = []
        let rows = [row(-5, old), row(7, new)]
        machine.pageReceived(request: 0, page: page(rows), actions: &actions)
        #expect(actions == [answer(rows)])
        #expect(machine.isFinished)
    }

    @Test func `equal pages are answered without a repair`() {
        var actions: [Action] = []
        var machine = quorum(&actions)
        #expect(
            actions == [
                .scan(request: 0, from: a, request(whole)),
                .scan(request: 1, from: b, request(whole)),
            ]
        )
        actions = []
        machine.pageReceived(request: 1, page: page([row(1, old)]), actions: &actions)
        #expect(actions == [])
        machine.pageReceived(request: 0, page: page([row(1, old)]), actions: &actions)
        #expect(actions == [answer([row(1, old)])])
    }

    @Test func `an empty table is an empty page and the end`() {
        var actions: [Action] = []
        var machine = quorum(&actions)
        actions = []
        for request in 0...1 {
            machine.pageReceived(request: request, page: page([]), actions: &actions)
        }
        #expect(actions == [answer([])])
    }

    @Test func `stale replicas are repaired with whole merged rows before the answer`() {
        let left = Fixture.row(10, 1, column: 2)
        let right = Fixture.row(10, 2, column: 3)
        let merged = RowMerge.merge([left, right])
        var actions: [Action] = []
        var machine = quorum(&actions)
        actions = []
        machine.pageReceived(
            request: 0,
            page: page([row(1, left), row(3, new), row(4, old)]),
            actions: &actions
        )
        machine.pageReceived(
            request: 1,
            page: page([row(1, right), row(2, new), row(4, old)]),
            actions: &actions
        )
        #expect(
            actions == [
                .repair(request: 2, at: a, [row(1, merged), row(2, new)]),
                .repair(request: 3, at: b, [row(1, merged), row(3, new)]),
            ]
        )
        actions = []
        machine.repairAcknowledged(request: 3, actions: &actions)
        machine.repairAcknowledged(request: 3, actions: &actions)
        #expect(actions == [], "one acknowledgement counts once")
        machine.repairAcknowledged(request: 2, actions: &actions)
        #expect(
            actions == [answer([row(1, merged), row(2, new), row(3, new), row(4, old)])]
        )
    }

    @Test func `a tombstone that may go is neither answered nor written back`() {
        let dead = Fixture.tombstone(30, deletionSeconds: 1)
        var actions: [Action] = []
        var machine = quorum(&actions)
        actions = []
        machine.pageReceived(request: 0, page: page([row(1, dead)]), actions: &actions)
        machine.pageReceived(request: 1, page: page([row(2, old)]), actions: &actions)
        #expect(actions == [.repair(request: 2, at: a, [row(2, old)])])
        machine.repairAcknowledged(request: 2, actions: &actions)
        #expect(actions.last == answer([row(2, old)]))
    }

    @Test func `rows count only up to the least last key of the incomplete pages`() {
        // `b` has more rows between: what it holds behind token 3 is not known yet.
        var actions: [Action] = []
        var machine = quorum(&actions)
        actions = []
        machine.pageReceived(
            request: 0,
            page: page([row(1, old), row(5, old), row(9, old)], isComplete: false),
            actions: &actions
        )
        machine.pageReceived(
            request: 1,
            page: page([row(1, old), row(2, new), row(3, new)], isComplete: false),
            actions: &actions
        )
        #expect(actions == [.repair(request: 2, at: a, [row(2, new), row(3, new)])])
        actions = []
        machine.repairAcknowledged(request: 2, actions: &actions)
        let after = partition(3)
        let rest = request(Token(3)...Token(.max), after: after, rows: 97)
        #expect(
            actions == [
                .scan(request: 3, from: a, rest), .scan(request: 4, from: b, rest),
            ]
        )
        actions = []
        machine.pageReceived(
            request: 3,
            page: page([row(5, old), row(9, old)]),
            actions: &actions
        )
        machine.pageReceived(
            request: 4,
            page: page([row(5, new)], isComplete: true),
            actions: &actions
        )
        #expect(
            actions == [
                .repair(request: 5, at: a, [row(5, new)]),
                .repair(request: 6, at: b, [row(9, old)]),
            ]
        )
        machine.repairAcknowledged(request: 5, actions: &actions)
        machine.repairAcknowledged(request: 6, actions: &actions)
        #expect(
            actions.last
                == answer([
                    row(1, old), row(2, new), row(3, new), row(5, new), row(9, old),
                ])
        )
    }

    // MARK: Pages

    @Test func `a full page tells where the next begins`() {
        var actions: [Action] = []
        var machine = quorum(&actions, limits: limits(2))
        #expect(actions.first == .scan(request: 0, from: a, request(whole, rows: 2)))
        let rows = (1...4).map { row($0, old) }
        actions = []
        for request in 0...1 {
            machine.pageReceived(
                request: request,
                page: page(Array(rows[..<2]), isComplete: false),
                actions: &actions
            )
        }
        let left = ScanPosition(after: partition(2), ranges: [Token(2)...Token(.max)])
        #expect(actions == [answer(Array(rows[..<2]), left)])
        #expect(machine.isFinished)
    }

    @Test func `a page that was answered is not answered again, whatever comes late`() {
        let runs = (0..<8).map { index in
            ScanRun(
                tokens: Token(Int64(index) * 10)...Token(Int64(index) * 10 + 9),
                candidates: [a],
                required: 1
            )
        }
        var machine = machine(runs, nil, .one, limits: limits(1))
        var actions: [Action] = []
        machine.start(&actions)
        // The first runs are small, so that others are read ahead of them.
        machine.pageReceived(request: 0, page: page([]), actions: &actions)
        machine.pageReceived(request: 1, page: page([]), actions: &actions)
        actions = []
        machine.pageReceived(request: 2, page: page([row(25, old)]), actions: &actions)
        guard case .answer(let first)? = actions.last else {
            Issue.record("no answer: \(actions)")
            return
        }
        #expect(first.rows == [row(25, old)])
        #expect(first.position?.ranges.first == Token(30)...Token(39))
        #expect(machine.isFinished)
        actions = []
        for request in 0..<8 {
            machine.requestFailed(request: request, Fixture.failure(.failed), actions: &actions)
            machine.pageReceived(request: request, page: page([]), actions: &actions)
            machine.repairAcknowledged(request: request, actions: &actions)
        }
        machine.speculate(&actions)
        machine.timedOut(&actions)
        #expect(actions == [])
        #expect(machine.heldBytes == 0, "nothing is held for late answers")
    }

    @Test func `what a page has no room for is read again for the next`() {
        var actions: [Action] = []
        var machine = quorum(&actions, limits: limits(100, bytesMax: 1))
        let rows = (1...3).map { row($0, old) }
        actions = []
        for request in 0...1 {
            machine.pageReceived(request: request, page: page(rows), actions: &actions)
        }
        func left(_ token: Int64) -> ScanPosition {
            ScanPosition(after: partition(token), ranges: [Token(token)...Token(.max)])
        }
        #expect(actions == [answer([rows[0]], left(1))])
        #expect(machine.heldBytes == 0)
    }

    @Test func `a page that ends with its run leaves the next run`() {
        let runs = [
            ScanRun(tokens: Token(0)...Token(9), candidates: [a], required: 1),
            ScanRun(tokens: Token(20)...Token(29), candidates: [b], required: 1),
        ]
        var machine = machine(runs, nil, .one, limits: limits(1))
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.pageReceived(request: 0, page: page([row(4, old)]), actions: &actions)
        #expect(
            actions == [answer([row(4, old)], ScanPosition(ranges: [Token(20)...Token(29)]))]
        )
    }

    @Test func `several keys of one token are told apart`() {
        let rows = (0..<3).map { ScannedRow(partition: partition(7, $0), row: old) }
        var actions: [Action] = []
        var machine = quorum(&actions, limits: limits(2))
        actions = []
        for request in 0...1 {
            machine.pageReceived(
                request: request,
                page: page(Array(rows[..<2]), isComplete: false),
                actions: &actions
            )
        }
        let position = ScanPosition(after: partition(7, 1), ranges: [Token(7)...Token(.max)])
        #expect(actions == [answer(Array(rows[..<2]), position)])
        var next = self.machine(
            [ScanRun(tokens: Token(7)...Token(.max), candidates: [a, b], required: 2)],
            position
        )
        actions = []
        next.start(&actions)
        #expect(
            actions.first
                == .scan(
                    request: 0,
                    from: a,
                    request(Token(7)...Token(.max), after: partition(7, 1))
                )
        )
    }

    @Test func `a page that ends within the last token of a range leaves that token`() {
        let run = ScanRun(tokens: Token(3)...Token(7), candidates: [a], required: 1)
        let rows = (0..<2).map { ScannedRow(partition: partition(7, $0), row: old) }
        var machine = machine([run], nil, .one, limits: limits(2))
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.pageReceived(
            request: 0,
            page: page(rows, isComplete: false),
            actions: &actions
        )
        let left = ScanPosition(after: partition(7, 1), ranges: [Token(7)...Token(7)])
        #expect(actions == [answer(rows, left)])
    }

    @Test func `ranges behind the last run are left for another machine`() {
        let run = ScanRun(tokens: Token(0)...Token(9), candidates: [a], required: 1)
        let ranges = [Token(0)...Token(30), Token(40)...Token(50)]
        var machine = machine([run], ScanPosition(ranges: ranges), .one)
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.pageReceived(request: 0, page: page([]), actions: &actions)
        let left = ScanPosition(ranges: [Token(10)...Token(30), ranges[1]])
        #expect(actions == [answer([], left)])
        #expect(machine.isFinished)
    }

    @Test func `runs with few rows are read several at a time, with smaller pages`() {
        let runs = (0..<40).map { index in
            ScanRun(
                tokens: Token(Int64(index) * 10)...Token(Int64(index) * 10 + 9),
                candidates: [a],
                required: 1
            )
        }
        var machine = machine(runs, nil, .one)
        var actions: [Action] = []
        machine.start(&actions)
        var open: [Int] = []
        var widest = 0
        var next = 0
        while !machine.isFinished {
            for case .scan(let request, _, let asked) in actions {
                open.append(request)
                #expect(asked.bytesMax * open.count <= 1 << 16)
            }
            widest = max(widest, open.count)
            actions = []
            #expect(next < 40)
            machine.pageReceived(request: open.removeFirst(), page: page([]), actions: &actions)
            next += 1
        }
        #expect(widest == 16)
        #expect(actions == [answer([])])
    }

    // MARK: Failures

    @Test func `a replica that fails is replaced by a spare, from the same place on`() {
        var actions: [Action] = []
        var machine = quorum(&actions)
        actions = []
        machine.requestFailed(request: 1, Fixture.failure(.unreadable), actions: &actions)
        #expect(actions == [.scan(request: 2, from: c, request(whole))])
        actions = []
        machine.requestFailed(request: 0, Fixture.failure(.failed), actions: &actions)
        let count = AnswerCount(consistency: .quorum, received: 0, required: 2)
        #expect(
            actions == [.fail(.readFailure(count, failures: 2, dataPresent: false, text: "no"))]
        )
        #expect(machine.isFinished)
    }

    @Test func `one that failed is asked last in the next round`() {
        var actions: [Action] = []
        var machine = quorum(&actions)
        machine.requestFailed(request: 0, Fixture.failure(.disconnected), actions: &actions)
        actions = []
        for request in 1...2 {
            machine.pageReceived(
                request: request,
                page: page([row(1, old)], isComplete: false),
                actions: &actions
            )
        }
        #expect(asked(actions) == [b, c])
    }

    @Test func `a repair that fails goes to a spare, with all rows that were repaired`() {
        var actions: [Action] = []
        var machine = quorum(&actions)
        machine.pageReceived(
            request: 0,
            page: page([row(1, old), row(2, old)]),
            actions: &actions
        )
        machine.pageReceived(
            request: 1,
            page: page([row(1, new), row(2, old)]),
            actions: &actions
        )
        actions = []
        machine.requestFailed(request: 2, Fixture.failure(.failed), actions: &actions)
        #expect(actions == [.repair(request: 3, at: c, [row(1, new)])])
        actions = []
        machine.requestFailed(request: 3, Fixture.failure(.disconnected), actions: &actions)
        let count = AnswerCount(consistency: .quorum, received: 1, required: 2)
        #expect(actions == [.fail(.readTimeout(count, dataPresent: false))])
    }

    @Test func `a spare that steps into a repair gets dead rows too`() {
        // Of the merged row of token 1 nothing is left, and `b` still has what was deleted.
        let dead = Fixture.tombstone(30, deletionSeconds: 1)
        var actions: [Action] = []
        var machine = quorum(&actions)
        machine.pageReceived(request: 0, page: page([row(1, dead)]), actions: &actions)
        actions = []
        machine.pageReceived(request: 1, page: page([row(1, old)]), actions: &actions)
        let merged = row(1, RowMerge.merge([dead, old]))
        #expect(actions == [.repair(request: 2, at: b, [merged])])
        actions = []
        machine.requestFailed(request: 2, Fixture.failure(.failed), actions: &actions)
        #expect(actions == [.repair(request: 3, at: c, [merged])])
        actions = []
        machine.repairAcknowledged(request: 3, actions: &actions)
        #expect(actions == [answer([])])
    }

    @Test func `a page that does not fit is a failure`() {
        let wrong = [
            page([row(2, old)], isComplete: false, coveredTo: 1),
            page([row(2, old)], isComplete: true, coveredTo: 5),
            page([], isComplete: false), page([row(2, old), row(1, old)]),
            page([row(1, old), row(1, old)]), page((0...100).map { row($0, old) }),
        ]
        for page in wrong {
            var actions: [Action] = []
            var machine = quorum(&actions)
            actions = []
            machine.pageReceived(request: 0, page: page, actions: &actions)
            #expect(actions == [.scan(request: 2, from: c, request(whole))])
        }
        var machine = machine([
            ScanRun(tokens: Token(0)...Token(9), candidates: [a, b], required: 1)
        ])
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.pageReceived(request: 0, page: page([row(10, old)]), actions: &actions)
        #expect(actions == [.scan(request: 1, from: b, request(Token(0)...Token(9)))])
        actions = []
        machine.pageReceived(
            request: 1,
            page: page([], isComplete: false, coveredTo: 10),
            actions: &actions
        )
        let count = AnswerCount(consistency: .quorum, received: 0, required: 1)
        guard case .fail(.readFailure(count, failures: 2, dataPresent: false, _))? = actions.last
        else {
            Issue.record("no failure: \(actions)")
            return
        }
    }

    @Test func `too few living replicas are unavailable when the scan gets there`() {
        let runs = [
            ScanRun(tokens: Token(0)...Token(9), candidates: [a], required: 1),
            ScanRun(tokens: Token(10)...Token(19), candidates: [], required: 1),
        ]
        var machine = machine(runs, nil, .one)
        var actions: [Action] = []
        machine.start(&actions)
        actions = []
        machine.pageReceived(request: 0, page: page([row(4, old)]), actions: &actions)
        let position = ScanPosition(ranges: [Token(10)...Token(19)])
        #expect(actions == [answer([row(4, old)], position)], "what was read is not lost")
        var next = self.machine([runs[1]], position, .one)
        actions = []
        next.start(&actions)
        let error = CoordinationError.unavailable(consistency: .one, required: 1, alive: 0)
        #expect(actions == [.fail(error)])
    }

    @Test func `a time-out tells how far the page came`() {
        var actions: [Action] = []
        var machine = quorum(&actions)
        machine.pageReceived(request: 1, page: page([row(1, old)]), actions: &actions)
        actions = []
        machine.timedOut(&actions)
        let count = AnswerCount(consistency: .quorum, received: 1, required: 2)
        #expect(actions == [.fail(.readTimeout(count, dataPresent: true))])
        actions = []
        machine.pageReceived(request: 0, page: page([row(1, old)]), actions: &actions)
        machine.requestFailed(request: 0, Fixture.failure(.failed), actions: &actions)
        machine.timedOut(&actions)
        machine.speculate(&actions)
        #expect(actions == [])
    }

    @Test func `starting twice is a broken invariant`() async {
        await #expect(processExitsWith: .failure) {
            var machine = ScanMachine(
                table: TableID(1),
                position: ScanPosition(ranges: []),
                runs: [],
                consistency: .one,
                nowSeconds: 0,
                gcGraceSeconds: 0,
                limits: ScanMachine.Limits(
                    rowsMax: 1,
                    bytesMax: 1,
                    requestRowsMax: 1,
                    requestBytesMax: 1
                )
            )
            var actions: [ScanMachine.Action] = []
            machine.start(&actions)
            machine.start(&actions)
        }
    }
}
