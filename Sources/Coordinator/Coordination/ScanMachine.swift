package import Catalog
package import PeerMessages
package import TokenPlacement

/// Reads a page of a table's rows in the order of their tokens at a consistency level.
///
/// For each run of tokens as many replicas as the level asks for send a page from the same key on.
/// Rows are merged up to the key that all of them covered, stale replicas are repaired before a
/// row is answered, as in a ``ReadMachine``, and the next round begins behind that key. Runs that
/// turn out to hold few rows are read several at a time; their pages are smaller then, so that
/// what is held stays in the order of the required replicas times the bytes of one request.
package struct ScanMachine: Sendable {
    /// The bounds of a page, and of what replicas are asked for.
    package struct Limits: Hashable, Sendable {
        /// The most rows of a page.
        package var rowsMax: Int
        /// The bytes of rows and keys after which a page ends.
        package var bytesMax: Int
        /// The most rows that one request asks for.
        package var requestRowsMax: Int
        /// The bytes after which one reply ends; shared by the runs that are read at a time.
        package var requestBytesMax: Int
        /// The most runs that are read at a time.
        package var runsMax: Int

        /// Limits with all their parts.
        package init(
            rowsMax: Int,
            bytesMax: Int,
            requestRowsMax: Int,
            requestBytesMax: Int,
            runsMax: Int = 16
        ) {
            self.rowsMax = rowsMax
            self.bytesMax = bytesMax
            self.requestRowsMax = requestRowsMax
            self.requestBytesMax = requestBytesMax
            self.runsMax = runsMax
        }
    }

    /// What a page holds.
    package struct Page: Hashable, Sendable {
        /// Merged rows in the order of their keys; some may be dead (deleted or expired).
        package var rows: [ScannedRow]
        /// Where the next page begins, for another machine; nil at the end.
        package var position: ScanPosition?

        /// A page with both its parts.
        package init(rows: [ScannedRow], position: ScanPosition?) {
            self.rows = rows
            self.position = position
        }
    }

    /// What the shell must do; requests and repairs are numbered together.
    package enum Action: Equatable, Sendable {
        case scan(request: Int, from: NodeID, ScanRequest)
        /// Write merged rows at a replica.
        case repair(request: Int, at: NodeID, [ScannedRow])
        case answer(Page)
        case fail(CoordinationError)
    }

    private enum State: Sendable {
        /// Exits: `start` to running.
        case initialized
        /// Exits: a full page, the end, a run without enough replicas, the time-out.
        case running
        /// No exit: what comes later is ignored.
        case finished
    }

    private enum Request: Sendable {
        case page(run: Int, round: Int, node: NodeID, ScanRequest)
        case repair(run: Int, round: Int, node: NodeID)
    }

    /// A run that gave less than this part of what was asked for was small.
    private static let smallPart = 4
    /// However many runs are read at a time, a reply may have so many bytes.
    private static let requestBytesMin = 4096

    private let table: TableID
    private let ranges: [ClosedRange<Token>]
    private var runs: [ScanRun]
    private let origin: PartitionRef?
    private let consistency: ConsistencyLevel
    private let nowSeconds: Int64
    private let gcGraceSeconds: Int32
    private var limits: Limits

    /// The runs that are being read, in their order; the first is `runs[firstActive]`.
    private var active: [RunProgress] = []
    private var firstActive = 0
    private var width = 1
    private var requests: [Int: Request] = [:]
    private var requestCount = 0
    private var page: [ScannedRow] = []
    private var pageBytes = 0
    private var failures = 0
    private var state = State.initialized

    /// The runs of which one replica more was asked because others were slow.
    package private(set) var speculatedRunCount = 0
    /// The replicas that were slow when another one was asked; later rounds ask them last.
    package private(set) var slowNodes: Set<NodeID> = []
    /// How often the machine began to wait for replicas: whoever times `speculate` begins anew.
    package private(set) var waitCount = 0

    /// A machine that goes on from a position.
    ///
    /// The runs are what ``ClusterView/runs(of:keyspace:consistency:latencies:)`` makes of the
    /// position's ranges.
    package init(
        table: TableID,
        position: ScanPosition,
        runs: [ScanRun],
        consistency: ConsistencyLevel,
        nowSeconds: Int64,
        gcGraceSeconds: Int32,
        limits: Limits
    ) {
        self.table = table
        ranges = position.ranges
        origin = position.after
        self.runs = runs
        self.consistency = consistency
        self.nowSeconds = nowSeconds
        self.gcGraceSeconds = gcGraceSeconds
        self.limits = limits
        self.limits.rowsMax = max(1, limits.rowsMax)
        self.limits.bytesMax = max(1, limits.bytesMax)
    }

    // MARK: Events

    /// Asks the first replicas.
    package mutating func start(_ actions: inout [Action]) {
        guard case .initialized = state else { preconditionFailure("started twice: \(state)") }
        state = .running
        advance(&actions)
    }

    /// A replica sent a page.
    package mutating func pageReceived(
        request: Int,
        page: ScanPage,
        actions: inout [Action]
    ) {
        guard case .running = state,
            case .page(let run, let round, let node, let asked)? = requests[request]
        else { return }
        guard Self.fits(page, asked) else {
            let failure = PeerFailure(code: .failed, text: "the page of \(node) does not fit")
            requestFailed(request: request, failure, actions: &actions)
            return
        }
        requests[request] = nil
        guard let place = place(of: run, round), case .reading = active[place].phase else { return }
        active[place].openRequests -= 1
        let repairs = active[place].received(
            page,
            from: node,
            nowSeconds: nowSeconds,
            gcGraceSeconds: gcGraceSeconds
        )
        if !repairs.isEmpty { waitCount += 1 }
        for (node, rows) in repairs { repair(node, place, rows, &actions) }
        advance(&actions)
    }

    /// A replica wrote merged rows.
    package mutating func repairAcknowledged(request: Int, actions: inout [Action]) {
        guard case .running = state,
            case .repair(let run, let round, let node)? = requests.removeValue(forKey: request),
            let place = place(of: run, round)
        else { return }
        active[place].openRequests -= 1
        active[place].repaired(by: node)
        advance(&actions)
    }

    /// A replica could not do what it was asked for, or its connection was lost: another one is
    /// asked instead, if there is one.
    package mutating func requestFailed(
        request: Int,
        _ failure: PeerFailure,
        actions: inout [Action]
    ) {
        guard case .running = state, let closed = requests.removeValue(forKey: request) else {
            return
        }
        let (run, round, node, isPage) =
            switch closed {
            case .page(let run, let round, let node, _): (run, round, node, true)
            case .repair(let run, let round, let node): (run, round, node, false)
            }
        guard let place = place(of: run, round) else { return }
        switch active[place].phase {
        case .idle: return
        case .reading: guard isPage else { return }
        // A page that nobody waits for any more.
        case .repairing: guard !isPage else { return }
        }
        failures += 1
        active[place].nodeFailed(node)
        active[place].openRequests -= 1
        guard active[place].isShort(awaited: awaited(place)) else { return }
        let standIns = active[place].standIns(for: node)
        guard let spare = active[place].takeSpare(avoiding: slowNodes, of: standIns) else {
            let error = CoordinationError(
                failure,
                count(at: place),
                failures: failures,
                dataPresent: !active[place].pages.isEmpty
            )
            finish(.fail(error), &actions)
            return
        }
        stepIn(spare, place, &actions)
    }

    /// The replicas are slow: one more of each run that waits is asked, once for its pages and
    /// once for its repairs in each round.
    package mutating func speculate(_ actions: inout [Action]) {
        guard case .running = state else { return }
        for place in active.indices where !active[place].isIdle && !active[place].isSpeculated {
            for nodes in active[place].slowNodes {
                guard let spare = active[place].takeSpare(avoiding: slowNodes, of: nodes) else {
                    continue
                }
                if !active[place].isSpeculated {
                    slowNodes.formUnion(awaited(place))
                    speculatedRunCount += 1
                }
                active[place].isSpeculated = true
                stepIn(spare, place, &actions)
            }
        }
    }

    /// The page's time is over.
    package mutating func timedOut(_ actions: inout [Action]) {
        guard case .running = state else { return }
        let hasData = active.first.map { !$0.pages.isEmpty || !$0.merged.isEmpty } ?? false
        finish(.fail(.readTimeout(count(at: 0), dataPresent: hasData)), &actions)
    }

    // MARK: Queries

    /// Whether the page was answered, or the scan failed.
    package var isFinished: Bool {
        if case .finished = state { true } else { false }
    }

    /// The bytes of all rows that the machine holds.
    package var heldBytes: Int {
        var bytes = pageBytes
        for progress in active { bytes += progress.heldBytes }
        return bytes
    }

    private func count(at place: Int) -> AnswerCount {
        let progress = active.indices.contains(place) ? active[place] : nil
        return AnswerCount(
            consistency: consistency,
            received: progress?.answeredOfRequired ?? 0,
            required: progress?.run.required ?? runs.first?.required ?? 0
        )
    }

    private func place(of run: Int, _ round: Int) -> Int? {
        let place = run - firstActive
        guard active.indices.contains(place), active[place].round == round else { return nil }
        return place
    }

    /// The replicas whose answers a run waits for.
    private func awaited(_ place: Int) -> [NodeID] {
        let (place, current) = (firstActive + place, active[place].round)
        let isRepairing = active[place - firstActive].isRepairing
        return requests.values.compactMap { request in
            switch request {
            case .page(place, current, let node, _): isRepairing ? nil : node
            case .repair(place, current, let node): node
            case .page, .repair: nil
            }
        }
    }

    /// Whether a page holds only what it was asked for, in order, and gets on.
    private static func fits(_ page: ScanPage, _ request: ScanRequest) -> Bool {
        guard page.isComplete || !page.rows.isEmpty || page.coveredTo != nil,
            page.rows.count <= request.rowsMax
        else { return false }
        if let token = page.coveredTo {
            guard !page.isComplete, request.tokens.contains(token),
                page.rows.last.map({ $0.partition.token <= token }) ?? true
            else { return false }
        }
        var last = request.after
        for row in page.rows {
            guard request.tokens.contains(row.partition.token) else { return false }
            if let last, !last.precedes(row.partition) { return false }
            last = row.partition
        }
        return true
    }

    // MARK: Helpers

    /// Goes as far as what is there allows: begins rounds, takes rows, ends the page.
    private mutating func advance(_ actions: inout [Action]) {
        while case .running = state {
            openRuns()
            beginRounds(&actions)
            guard case .running = state else { return }
            takeRows()
            closeRuns()
            if page.count >= limits.rowsMax || pageBytes >= limits.bytesMax || isAtEnd {
                answer(&actions)
                return
            }
            guard let front = active.first else { continue }
            // With a front that waits for replicas, only more runs can be opened.
            let isFull = active.count >= width || firstActive + active.count == runs.count
            if !front.isIdle, isFull { return }
        }
    }

    /// Whether all runs are read.
    private var isAtEnd: Bool { active.isEmpty && firstActive == runs.count }

    private mutating func openRuns() {
        while active.count < width, firstActive + active.count < runs.count {
            let run = runs[firstActive + active.count]
            let after = origin.flatMap { run.tokens.contains($0.token) ? $0 : nil }
            active.append(RunProgress(run, after: after))
        }
    }

    private mutating func beginRounds(_ actions: inout [Action]) {
        for place in active.indices {
            let progress = active[place]
            // Runs that wait for their turn hold the rows of one round, no more.
            guard progress.isIdle, !progress.isExhausted, !progress.hasReady else { continue }
            if let lack = progress.run.lack {
                guard place == 0 else { continue }
                // What was read is not lost: the next page fails.
                if !page.isEmpty {
                    answer(&actions)
                    return
                }
                let error = CoordinationError.unavailable(
                    consistency: consistency,
                    required: lack.required,
                    alive: lack.alive
                )
                finish(.fail(error), &actions)
                return
            }
            waitCount += 1
            for node in active[place].begin(avoiding: slowNodes) { ask(node, place, &actions) }
        }
    }

    private mutating func takeRows() {
        while page.count < limits.rowsMax, pageBytes < limits.bytesMax, !active.isEmpty,
            let row = active[0].take()
        {
            pageBytes += row.row.count + row.partition.key.count
            page.append(row)
        }
    }

    private mutating func closeRuns() {
        while let front = active.first, front.isDone {
            let isSmall =
                front.round == 1 && front.takenCount * Self.smallPart <= limits.requestRowsMax
            width = isSmall ? min(width * 2, max(1, limits.runsMax)) : max(1, width / 2)
            active.removeFirst()
            firstActive += 1
            guard !active.isEmpty, page.count < limits.rowsMax, pageBytes < limits.bytesMax else {
                return
            }
            takeRows()
        }
    }

    private mutating func answer(_ actions: inout [Action]) {
        finish(.answer(Page(rows: page, position: position)), &actions)
    }

    /// Where the next page begins.
    private var position: ScanPosition? {
        let place = active.first?.place
        let first: Token
        if let place {
            first = place.first
        } else if firstActive < runs.count {
            first = runs[firstActive].tokens.lowerBound
        } else {
            guard let last = runs.last?.tokens.upperBound, last.value < .max else { return nil }
            first = Token(last.value + 1)
        }
        var left: [ClosedRange<Token>] = []
        for range in ranges where range.upperBound >= first {
            left.append(max(range.lowerBound, first)...range.upperBound)
        }
        return left.isEmpty ? nil : ScanPosition(after: place?.after, ranges: left)
    }

    private mutating func ask(_ node: NodeID, _ place: Int, _ actions: inout [Action]) {
        let progress = active[place]
        let request = ScanRequest(
            table: table,
            nowSeconds: nowSeconds,
            tokens: progress.next.first...progress.run.tokens.upperBound,
            after: progress.next.after,
            rowsMax: max(1, min(limits.requestRowsMax, limits.rowsMax - page.count)),
            bytesMax: max(limits.requestBytesMax / width, Self.requestBytesMin)
        )
        active[place].openRequests += 1
        actions.append(.scan(request: requestCount, from: node, request))
        requests[requestCount] = .page(
            run: firstActive + place,
            round: progress.round,
            node: node,
            request
        )
        requestCount += 1
    }

    private mutating func repair(
        _ node: NodeID,
        _ place: Int,
        _ rows: [ScannedRow],
        _ actions: inout [Action]
    ) {
        active[place].openRequests += 1
        actions.append(.repair(request: requestCount, at: node, rows))
        requests[requestCount] = .repair(
            run: firstActive + place,
            round: active[place].round,
            node: node
        )
        requestCount += 1
    }

    /// Has a replica do what the round waits for.
    private mutating func stepIn(_ node: NodeID, _ place: Int, _ actions: inout [Action]) {
        if case .repairing = active[place].phase {
            repair(node, place, active[place].repairedRows, &actions)
        } else {
            ask(node, place, &actions)
        }
    }

    /// Gives the last action, and lets go of all rows: late answers may keep the machine alive.
    private mutating func finish(_ action: Action, _ actions: inout [Action]) {
        state = .finished
        requests = [:]
        active = []
        runs = []
        page = []
        pageBytes = 0
        actions.append(action)
    }
}
