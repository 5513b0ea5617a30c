import Catalog
import HistoryChecking

/// Builds histories by hand; times are in milliseconds, values name their operation.
struct Play {
    private(set) var history = History()
    var rules = {
        var rules = CheckingRules()
        rules.score = testScore
        return rules
    }()

    static func value(_ id: Int, _ column: Int) -> [UInt8] {
        WrittenValue(client: 0, operation: id, row: 0, column: column).bytes()
    }

    /// An INSERT of all three columns.
    @discardableResult
    mutating func insert(
        key: Int = 0,
        at timestamp: Int64,
        _ span: ClosedRange<Int64>,
        level: ConsistencyLevel = .quorum,
        outcome: OperationOutcome = .done,
        until expiresAt: Int64? = nil,
        datacenter: String = "dc1"
    ) -> Int {
        let id = history.nextID
        var cells: [Int: [UInt8]] = [:]
        for column in 0..<3 { cells[column] = Self.value(id, column) }
        let row = RowWrite(
            key: key,
            change: .set(cells, isInsert: true),
            expiresAt: expiresAt
        )
        return write([row], at: timestamp, span, level, outcome, datacenter)
    }

    @discardableResult
    mutating func write(
        _ rows: [RowWrite],
        at timestamp: Int64,
        _ span: ClosedRange<Int64>,
        _ level: ConsistencyLevel = .quorum,
        _ outcome: OperationOutcome = .done,
        _ datacenter: String = "dc1",
        isLogged: Bool = false
    ) -> Int {
        begin(
            .write(rows, timestamp: timestamp, isLogged: isLogged),
            span,
            level,
            outcome,
            datacenter: datacenter
        )
    }

    @discardableResult
    mutating func deleteRow(
        key: Int = 0,
        at timestamp: Int64,
        _ span: ClosedRange<Int64>,
        level: ConsistencyLevel = .quorum,
        outcome: OperationOutcome = .done
    ) -> Int {
        write([RowWrite(key: key, change: .deleteRow)], at: timestamp, span, level, outcome)
    }

    /// A read that finds, by key, the columns of some writes; nil is an empty row.
    @discardableResult
    mutating func read(
        _ rows: [Int: VisibleRow],
        _ span: ClosedRange<Int64>,
        level: ConsistencyLevel = .quorum,
        nowSeconds: Int64? = nil,
        datacenter: String = "dc1",
        node: Int = 0
    ) -> Int {
        begin(
            .read(rows.keys.sorted()),
            span,
            level,
            .done,
            rows: rows,
            nowSeconds: nowSeconds,
            datacenter: datacenter,
            node: node
        )
    }

    @discardableResult
    mutating func scan(_ rows: [Int: VisibleRow], _ span: ClosedRange<Int64>) -> Int {
        begin(.scan, span, .quorum, .done, rows: rows)
    }

    @discardableResult
    mutating func score(_ scores: [Int: Float?], _ span: ClosedRange<Int64>) -> Int {
        begin(.score(scores.keys.sorted()), span, .quorum, .done, scores: scores)
    }

    mutating func powerLoss(at time: Int64, node: Int = 0) {
        history.powerLosses.append((.milliseconds(time), node))
    }

    mutating func pause(_ span: ClosedRange<Int64>, node: Int = 0) {
        history.pauses.append(
            (node, .milliseconds(span.lowerBound), .milliseconds(span.upperBound))
        )
    }

    mutating func diskLoss(at time: Int64, node: Int, keys: Set<Int>? = nil) {
        let lost = keys.map { [0: $0] }
        history.diskLosses.append(DiskLoss(at: .milliseconds(time), node: node, keys: lost))
    }

    mutating func hintLoss(at time: Int64, node: Int) {
        history.hintLosses.append((.milliseconds(time), node))
    }

    private mutating func begin(
        _ request: Operation.Request,
        _ span: ClosedRange<Int64>,
        _ level: ConsistencyLevel,
        _ outcome: OperationOutcome,
        rows: [Int: VisibleRow] = [:],
        scores: [Int: Float?] = [:],
        nowSeconds: Int64? = nil,
        datacenter: String = "dc1",
        node: Int = 0
    ) -> Int {
        let id = history.nextID
        history.began(
            Operation(
                id: id,
                node: node,
                datacenter: datacenter,
                request: request,
                level: level,
                invoked: .milliseconds(span.lowerBound),
                nowSeconds: nowSeconds
            )
        )
        if outcome != .open {
            history.ended(
                id,
                at: .milliseconds(span.upperBound),
                outcome,
                rows: rows,
                scores: scores
            )
        }
        return id
    }

    /// What the checker of reads finds.
    var broken: [Invariant] {
        var checker = HistoryChecker(history, rules)
        checker.checkReads()
        return checker.violations.map(\.invariant)
    }

    /// What the checker of times finds.
    var late: [Invariant] {
        var checker = HistoryChecker(history, rules)
        checker.checkTimes()
        return checker.violations.map(\.invariant)
    }

    /// What the checker finds with rows on all three replicas in the end.
    func brokenInTheEnd(
        _ rows: [Int: VisibleRow],
        nowSeconds: Int64 = CheckingRules().epochSeconds + 1000
    ) -> [Invariant] {
        var checker = HistoryChecker(history, rules)
        checker.checkReads()
        let finals = rows.sorted { $0.key < $1.key }.map { key, row in
            let replicas = (0..<3).map { FinalReplica(node: $0, row: row, digest: "same") }
            return FinalRow(table: 0, key: key, replicas: replicas)
        }
        checker.checkFinal(finals, nowSeconds: nowSeconds)
        return checker.violations.map(\.invariant)
    }
}

/// All three columns of a write.
func row(_ id: Int) -> VisibleRow {
    var row: VisibleRow = [:]
    for column in 0..<3 { row[column] = Play.value(id, column) }
    return row
}

/// What the checker takes for a value's score in tests.
func testScore(_ value: [UInt8]) -> Float {
    Float(value.reduce(0) { ($0 * 31 + Int($1)) % 65_521 })
}
