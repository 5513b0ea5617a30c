internal import Catalog

/// Holds what clients saw against what each consistency level owes them.
///
/// All rests on one order of versions (``Version``), never on real time: under skewed clocks an
/// acknowledged write may rightly lose. From every acknowledged write and every finished read
/// follows a **floor**: reads that begin later, at a level whose replicas must meet the earlier
/// ones', may find that version or a later one, nothing less. A value tells by itself who wrote it,
/// as no two writes write the same bytes; a null is explained by a deletion or an expiry that is at
/// least the floor, and counts as the least of those that explain it.
package struct HistoryChecker {
    /// What a later read must find at the least.
    struct Floor {
        let operation: Operation
        let version: Version
        let isRead: Bool
    }

    /// One row as an operation found it.
    private struct Sight {
        let operation: Operation
        let key: Int
        let row: VisibleRow
        let columns: [Int]
        let earliest: Int64
        let latest: Int64
        let broken: Invariant?
    }

    let history: History
    let rules: CheckingRules
    let cells: CellWrites
    private(set) var floors: [CellName: [Floor]] = [:]
    /// The operations of which some value was seen.
    private(set) var seen: Set<Int> = []
    /// What is broken.
    package private(set) var violations: [Violation] = []

    private static let violationsMax = 5

    /// A checker of a history that is over.
    package init(_ history: History, _ rules: CheckingRules) {
        self.history = history
        self.rules = rules
        cells = CellWrites(history, columns: rules.columns)
    }

    // MARK: Reads

    /// Checks all reads, scans and scores.
    package mutating func checkReads() {
        addWriteFloors()
        let done = history.operations.filter { $0.outcome == .done && $0.returned != nil }
            .sorted { ($0.returned ?? 0, $0.id) < ($1.returned ?? 0, $1.id) }
        for operation in done where violations.count < Self.violationsMax {
            checkClock(operation)
            switch operation.request {
            case .write, .schema: continue
            case .read(let keys):
                for key in keys.sorted() { check(operation, key, operation.rows[key] ?? [:]) }
            case .scan:
                for name in cells.keys.filter({ $0.table == operation.table }).sorted() {
                    check(operation, name.key, operation.rows[name.key] ?? [:])
                }
                let known = Set(cells.keys.filter { $0.table == operation.table }.map(\.key))
                for key in operation.rows.keys.sorted() where !known.contains(key) {
                    report(.noInventedValue, operation, key, "a scan found key \(key)")
                }
            case .score(let keys): checkScores(operation, keys.sorted())
            }
        }
    }

    private mutating func addWriteFloors() {
        for (cell, writes) in cells.writes {
            for write in writes {
                let operation = history.operations[write.operation]
                guard operation.outcome == .done else { continue }
                floors[cell, default: []].append(
                    Floor(operation: operation, version: write.version, isRead: false)
                )
            }
        }
    }

    private func window(_ operation: Operation) -> (earliest: Int64, latest: Int64) {
        let end = operation.returned ?? operation.invoked
        if let now = operation.nowSeconds {
            // What expired long before a slow read came to it may be swept.
            let swept = trueSeconds(at: end) + rules.skewSeconds - rules.sweptAfterSeconds
            return (now, max(now, swept))
        }
        return (
            trueSeconds(at: operation.invoked) - rules.skewSeconds,
            trueSeconds(at: end) + rules.skewSeconds
        )
    }

    /// The second by which an operation judged expiry is that of a clock that is right, nearly.
    private mutating func checkClock(_ operation: Operation) {
        guard let now = operation.nowSeconds else { return }
        var allowed = rules.skewSeconds
        if let jumping = rules.jumping, jumping.node == operation.node {
            allowed += jumping.seconds
        }
        let difference = now - trueSeconds(at: operation.invoked)
        guard abs(difference) > allowed else { return }
        let text =
            "its coordinator judged expiry by \(now), \(difference) s off the true time, where "
            + "clocks are wrong by \(allowed) s at most"
        report(.expiryIsExact, operation, operation.keys.first ?? 0, text)
    }

    func trueSeconds(at time: Nanoseconds) -> Int64 {
        rules.epochSeconds + time / 1_000_000_000
    }

    private mutating func check(_ operation: Operation, _ key: Int, _ row: VisibleRow) {
        let (earliest, latest) = window(operation)
        check(
            Sight(
                operation: operation,
                key: key,
                row: row,
                columns: rules.columns,
                earliest: earliest,
                latest: latest,
                broken: nil
            )
        )
    }

    private mutating func checkScores(_ operation: Operation, _ keys: [Int]) {
        let (earliest, latest) = window(operation)
        for key in keys {
            var row: VisibleRow = [:]
            if let score = operation.scores[key].flatMap({ $0 }) {
                let cell = CellName(table: operation.table, key: key, column: 0)
                let scored = cells.writes[cell, default: []].map(\.version).first {
                    $0.rank != .deletion && rules.score($0.value) == score
                }
                guard let scored else {
                    let text = "key \(key) scored \(score), the score of no value ever written"
                    report(.scoresAreOfRows, operation, key, text)
                    continue
                }
                row[0] = scored.value
            }
            check(
                Sight(
                    operation: operation,
                    key: key,
                    row: row,
                    columns: [0],
                    earliest: earliest,
                    latest: latest,
                    broken: .scoresAreOfRows
                )
            )
        }
    }

    private mutating func check(_ sight: Sight) {
        var found: [(cell: CellName, floor: Floor)] = []
        var isSound = true
        for column in sight.columns {
            let cell = CellName(table: sight.operation.table, key: sight.key, column: column)
            let bound = bound(for: sight.operation, cell)
            switch judge(sight, cell, bound) {
            case .success(let version?):
                let floor = Floor(operation: sight.operation, version: version, isRead: true)
                found.append((cell, floor))
            case .success(nil): continue
            case .failure(let problem):
                isSound = false
                report(sight.broken ?? problem.invariant, sight.operation, sight.key, problem.text)
            }
        }
        if isSound, sight.broken == nil {
            checkAtomicity(sight)
        }
        for (cell, floor) in found { floors[cell, default: []].append(floor) }
    }

    struct Problem: Error {
        let invariant: Invariant
        let text: String
    }

    /// Judges one cell; what it found is the least version that explains it.
    private mutating func judge(
        _ sight: Sight,
        _ cell: CellName,
        _ bound: Floor?
    ) -> Result<Version?, Problem> {
        let end = sight.operation.returned ?? .max
        if let value = sight.row[cell.column] {
            if let origin = cells.origin(of: value) { seen.insert(origin.write.operation) }
            return judge(value, cell, bound, before: end, earliest: sight.earliest)
                .map { Optional($0) }
        }
        return judgeNull(cell, bound, before: end, latest: sight.latest)
    }

    /// Judges a visible value.
    func judge(
        _ value: [UInt8],
        _ cell: CellName,
        _ bound: Floor?,
        before end: Nanoseconds,
        earliest: Int64
    ) -> Result<Version, Problem> {
        let name = "column c\(cell.column) of key \(cell.key) is \(HistoryText.text(value))"
        guard let origin = cells.origin(of: value), origin.cell == cell else {
            let text = "\(name), which nobody wrote there"
            return .failure(Problem(invariant: .noInventedValue, text: text))
        }
        let writer = history.operations[origin.write.operation]
        if case .refused(let text) = writer.outcome, !rules.refusedMayAppear {
            let text = "\(name), whose write was refused: \(text)"
            return .failure(Problem(invariant: .refusedStaysAbsent, text: text))
        }
        guard writer.invoked <= end else {
            let text = "\(name), which is written only at \(writer.invoked.secondsText)"
            return .failure(Problem(invariant: .noInventedValue, text: text))
        }
        let version = origin.write.version
        if let bound, version < bound.version,
            !maybeSwept(bound.version, of: cell, before: writer, by: end)
        {
            let invariant: Invariant =
                bound.version.rank == .deletion
                ? .noResurrection : bound.isRead ? .readsNeverGoBack : .acknowledgedIsSeen
            return .failure(
                Problem(invariant: invariant, text: "\(name), but \(text(of: bound))")
            )
        }
        guard version.mayBeVisible(from: earliest) else {
            let text = "\(name), which expired at \(version.seconds); the read's now is \(earliest)"
            return .failure(Problem(invariant: .expiryIsExact, text: text))
        }
        return .success(version)
    }

    /// Whether a deletion or an expired value may have been swept before an older write came.
    ///
    /// No rule of a store can tell that a write is older than what it has rightly forgotten. What was
    /// asked for before the deletion is another thing: for that, sweepers wait.
    private func maybeSwept(
        _ version: Version,
        of cell: CellName,
        before writer: Operation,
        by end: Nanoseconds
    ) -> Bool {
        guard let grace = rules.gcGraceSeconds, version.rank != .live else { return false }
        let second = max(version.timestamp / 1_000_000, version.seconds)
        let margin = rules.skewSeconds + rules.sweptAfterSeconds
        guard trueSeconds(at: end) >= second + grace - margin else { return false }
        return cells.writes[cell, default: []].contains {
            $0.version == version && history.operations[$0.operation].invoked < writer.invoked
        }
    }

    /// Judges a null.
    func judgeNull(
        _ cell: CellName,
        _ bound: Floor?,
        before end: Nanoseconds,
        latest: Int64
    ) -> Result<Version?, Problem> {
        guard let bound else { return .success(nil) }
        let explanation = nulls(cell, before: end, latest: latest)
            .filter { $0 >= bound.version }.min()
        guard let explanation else {
            let text = "column c\(cell.column) of key \(cell.key) is null, but \(text(of: bound))"
            let invariant: Invariant = bound.isRead ? .readsNeverGoBack : .acknowledgedIsSeen
            return .failure(Problem(invariant: invariant, text: text))
        }
        return .success(explanation)
    }

    /// The deletions and expiries that may make a cell null.
    func nulls(_ cell: CellName, before end: Nanoseconds, latest: Int64) -> [Version] {
        cells.writes[cell, default: []].filter { write in
            let writer = history.operations[write.operation]
            if case .refused = writer.outcome, !rules.refusedMayAppear { return false }
            return writer.invoked <= end && write.version.mayBeNull(until: latest)
        }.map(\.version)
    }

    private func text(of floor: Floor) -> String {
        let version = floor.version
        let what =
            version.rank == .deletion
            ? "a deletion at \(version.timestamp)"
            : "\(HistoryText.text(version.value)) at \(version.timestamp)"
        let id = floor.operation.id
        return floor.isRead
            ? "read #\(id) had found \(what)" : "write #\(id) was acknowledged with \(what)"
    }

    // MARK: Floors

    private func bound(for operation: Operation, _ cell: CellName) -> Floor? {
        var bound: Floor?
        for floor in floors[cell, default: []] {
            if let bound, floor.version <= bound.version { continue }
            guard (floor.operation.returned ?? .max) < operation.invoked,
                rules.replicas.overlap(
                    floor.operation.level,
                    in: floor.operation.datacenter,
                    operation.level,
                    in: operation.datacenter
                ),
                !isExcused(floor, cell, readBy: operation)
            else { continue }
            bound = floor
        }
        return bound
    }

    /// What everybody must find once all is quiet.
    func finalBound(_ cell: CellName) -> Floor? {
        var bound: Floor?
        for floor in floors[cell, default: []] {
            if let bound, floor.version <= bound.version { continue }
            if floor.operation.level == .any, !floor.isRead {
                guard rules.anyArrives, !hintsWereLost(since: floor.operation) else { continue }
            }
            guard !isExcused(floor, cell) else { continue }
            bound = floor
        }
        return bound
    }

    /// Whether faults may rightly have taken away what a floor rests on.
    ///
    /// As many replicas must have lost it as the floor's level has at least. A lost disk is rebuilt
    /// from all other replicas before it is read; who lost power alone serves what it has left, so a
    /// `reader` may miss what the others still have.
    func isExcused(_ floor: Floor, _ cell: CellName, readBy reader: Operation? = nil) -> Bool {
        let operation = floor.operation
        let powerless = powerlessNodes(operation, cell)
        let losses = history.diskLosses.filter {
            $0.time >= operation.invoked && $0.hits(table: cell.table, key: cell.key)
        }
        let lost = holders(of: cell, Set(losses.map(\.node)))
        guard !powerless.isEmpty || !lost.isEmpty else { return false }
        let copies = rules.replicas.copies(operation.level, in: operation.datacenter)
        guard powerless.union(lost).count < max(1, copies) else { return true }
        guard let reader, !powerless.isEmpty else { return false }
        return !rules.replicas.overlap(
            operation.level,
            in: operation.datacenter,
            reader.level,
            in: reader.datacenter,
            without: powerless.count
        )
    }

    /// The replicas of a cell that may have lost what an operation found or wrote, since they lost
    /// power before they had to sync it.
    ///
    /// While a node is paused it does not sync. What was never acknowledged, or at ANY only, may have
    /// come to a replica at any time later: from a hint, or from a batch that is written once more.
    func powerlessNodes(_ operation: Operation, _ cell: CellName) -> Set<Int> {
        guard rules.periodicTables.contains(operation.table) else { return [] }
        let end = operation.returned ?? operation.invoked
        let mayComeLate = operation.outcome != .done || operation.level == .any
        let losses = history.powerLosses.filter { time, node in
            guard time >= operation.invoked else { return false }
            return mayComeLate || time - end - paused(node, end, time) <= rules.periodicWindow
        }
        return holders(of: cell, Set(losses.map(\.node)))
    }

    /// Whether some node lost the hints that it kept since an operation began.
    func hintsWereLost(since operation: Operation) -> Bool {
        history.hintLosses.contains { $0.time >= operation.invoked }
    }

    private func holders(of cell: CellName, _ nodes: Set<Int>) -> Set<Int> {
        guard !nodes.isEmpty else { return [] }
        return rules.holders[cell.key].map { nodes.intersection($0) } ?? nodes
    }

    // MARK: Atomicity

    /// What is seen of a write of several cells implies all of it, or what came over it.
    private mutating func checkAtomicity(_ sight: Sight) {
        for column in sight.columns {
            guard let value = sight.row[column], let origin = cells.origin(of: value) else {
                continue
            }
            let writer = history.operations[origin.write.operation]
            guard case .write(let rows, let timestamp, _) = writer.request else { continue }
            for row in rows where row.key == sight.key {
                let versions = CellWrites.versions(row, timestamp, rules.columns)
                guard versions.contains(where: { $0.version == origin.write.version }) else {
                    continue
                }
                for (other, version) in versions where other != column {
                    let cell = CellName(
                        table: sight.operation.table,
                        key: sight.key,
                        column: other
                    )
                    guard !hasReached(version, cell, sight) else { continue }
                    let text =
                        "c\(column) is \(HistoryText.text(value)) of write #\(writer.id), but "
                        + "c\(other) is \(HistoryText.text(sight.row[other])), older than what "
                        + "the same write put there"
                    report(.rowIsAtomic, sight.operation, sight.key, text)
                    return
                }
            }
        }
    }

    private func hasReached(_ version: Version, _ cell: CellName, _ sight: Sight) -> Bool {
        if let value = sight.row[cell.column] {
            return (cells.origin(of: value)?.write.version).map { $0 >= version } ?? false
        }
        let end = sight.operation.returned ?? .max
        return nulls(cell, before: end, latest: sight.latest).contains { $0 >= version }
    }

    // MARK: Reports

    mutating func report(
        _ invariant: Invariant,
        _ operation: Operation,
        _ key: Int,
        _ text: String
    ) {
        guard violations.count < Self.violationsMax else { return }
        let history = HistoryText.lines(
            history,
            table: operation.table,
            key: key,
            around: operation.id
        )
        let name = "#\(operation.id) at \(operation.level): \(text)"
        violations.append(Violation(invariant, name, history: history))
    }

    mutating func report(
        _ invariant: Invariant,
        table: Int,
        key: Int,
        _ text: String
    ) {
        guard violations.count < Self.violationsMax else { return }
        let lines = HistoryText.lines(history, table: table, key: key, around: nil)
        violations.append(
            Violation(invariant, "table \(table) key \(key): \(text)", history: lines)
        )
    }
}
