internal import PeerMessages
internal import TokenPlacement

/// How far a scan came in one run of tokens.
///
/// It goes in rounds: as many replicas as required send a page each from the same place on, the
/// pages are merged, stale replicas are repaired, and the rows are ready.
struct RunProgress: Sendable {
    enum Phase: Sendable {
        /// Exits: `begin` a round.
        case idle
        /// Waits for pages. Exits: as many as required are there.
        case reading
        /// Waits for stale replicas to write. Exits: as many as required hold the merged rows.
        case repairing
    }

    /// A place between rows.
    struct Place: Hashable, Sendable {
        /// The first token behind the place, or the token that it lies in.
        var first: Token
        /// The partition that lies before the place, of the first token.
        var after: PartitionRef?
    }

    let run: ScanRun
    private(set) var phase = Phase.idle
    private(set) var round = 0
    /// Where the next round begins.
    private(set) var next: Place
    /// Up to here rows were taken, or there are none.
    private(set) var place: Place
    /// Whether there is nothing behind the rows that are ready.
    private(set) var isExhausted = false
    private(set) var pages: [(node: NodeID, page: ScanPage)] = []
    /// Who holds the merged rows of the round.
    private var holders: [NodeID] = []
    /// The merged rows of the round.
    private(set) var merged: [ScannedRow] = []
    /// Those of which replicas lacked something, dead ones among them: a replica that steps into a
    /// repair gets them all.
    private(set) var repairedRows: [ScannedRow] = []
    var openRequests = 0
    /// Whether a spare was asked for what is awaited now.
    var isSpeculated = false

    private var asked: Set<NodeID> = []
    private var failed: Set<NodeID> = []
    private var bound: RangeMerge.Bound?
    private var ready: ArraySlice<ScannedRow> = []
    /// The rows that were taken out of this run.
    private(set) var takenCount = 0

    init(_ run: ScanRun, after: PartitionRef?) {
        self.run = run
        next = Place(first: after?.token ?? run.tokens.lowerBound, after: after)
        place = next
    }

    var isIdle: Bool { if case .idle = phase { true } else { false } }
    var isRepairing: Bool { if case .repairing = phase { true } else { false } }
    var hasReady: Bool { !ready.isEmpty }
    /// Whether nothing will ever come of this run any more.
    var isDone: Bool { isExhausted && ready.isEmpty }

    /// The replicas that did what the round waits for, as time-outs tell it.
    var answered: Int {
        switch phase {
        case .idle: 0
        case .reading: pages.count
        case .repairing: holders.count
        }
    }

    private var answeredNodes: [NodeID] { isRepairing ? holders : pages.map(\.node) }

    /// As time-outs tell it: more of one datacenter do not make up for another.
    var answeredOfRequired: Int {
        isMet ? answered : min(answered, run.required - 1)
    }

    /// Whether all are there that the round waits for.
    private var isMet: Bool {
        answered >= run.required && run.datacenters.areMet(by: answeredNodes)
    }

    /// Whether the answers that are there and those that are awaited are too few.
    func isShort(awaited: [NodeID]) -> Bool {
        !isIdle
            && (answered + openRequests < run.required
                || !run.datacenters.areMet(by: answeredNodes + awaited))
    }

    /// Of whom a spare can do what one was asked for that failed; nil: anybody.
    func standIns(for failed: NodeID) -> [NodeID]? { run.datacenters.peers(of: failed) }

    /// Of whom one spare each is of use where others are slow; of a nil one anybody will do.
    var slowNodes: [[NodeID]?] { run.datacenters.short(of: answeredNodes) }

    /// The bytes of all rows that are held.
    var heldBytes: Int {
        func bytes(_ rows: some Sequence<ScannedRow>) -> Int {
            rows.reduce(0) { $0 + $1.row.count + $1.partition.key.count }
        }
        // The repaired rows are among the merged ones, or small: nothing of them is left.
        return bytes(ready) + bytes(merged) + pages.reduce(0) { $0 + bytes($1.page.rows) }
    }

    /// Begins a round and gives the replicas to ask; the slow ones come behind others.
    mutating func begin(avoiding slow: Set<NodeID>) -> [NodeID] {
        precondition(isIdle && ready.isEmpty && !isExhausted, "a round begins while one is open")
        phase = .reading
        round += 1
        openRequests = 0
        isSpeculated = false
        asked = []
        guard run.datacenters.isEmpty else {
            return run.datacenters.flatMap { quota in
                (0..<quota.required).compactMap { _ in takeSpare(avoiding: slow, of: quota.nodes) }
            }
        }
        return (0..<run.required).compactMap { _ in takeSpare(avoiding: slow) }
    }

    /// The next replica that was not asked for what is awaited, of some or, where they are nil, of
    /// all; slow ones and, behind them, those that failed come last.
    mutating func takeSpare(avoiding slow: Set<NodeID>, of nodes: [NodeID]? = nil) -> NodeID? {
        let left = run.candidates.filter {
            !asked.contains($0) && (nodes?.contains($0) ?? true)
        }
        let sound = left.filter { !failed.contains($0) }
        guard let spare = sound.first(where: { !slow.contains($0) }) ?? sound.first ?? left.first
        else { return nil }
        asked.insert(spare)
        return spare
    }

    mutating func nodeFailed(_ node: NodeID) { failed.insert(node) }

    /// Takes a page; once all are there, gives the repairs to send.
    mutating func received(
        _ page: ScanPage,
        from node: NodeID,
        nowSeconds: Int64,
        gcGraceSeconds: Int32
    ) -> [(node: NodeID, rows: [ScannedRow])] {
        pages.append((node, page))
        guard isMet else { return [] }
        let merge = RangeMerge(
            pages.map(\.page),
            nowSeconds: nowSeconds,
            gcGraceSeconds: gcGraceSeconds
        )
        let repairs = zip(pages, merge.repairs)
            .filter { !$0.1.isEmpty }
            .map { (node: $0.0.node, rows: $0.1) }
        merged = merge.rows
        bound = merge.bound
        // Who is late with a page may still step into a repair.
        asked = asked.intersection(failed).union(pages.map(\.node))
        holders = zip(pages, merge.repairs).filter(\.1.isEmpty).map(\.0.node)
        phase = .repairing
        pages = []
        openRequests = 0
        repairedRows = merge.repairedRows
        isSpeculated = false
        if isMet { finishRound() }
        return repairs
    }

    /// A replica wrote the round's rows.
    mutating func repaired(by node: NodeID) {
        guard case .repairing = phase else { return }
        holders.append(node)
        if isMet { finishRound() }
    }

    /// Takes the next row that is ready.
    mutating func take() -> ScannedRow? {
        guard let row = ready.popFirst() else { return nil }
        takenCount += 1
        place =
            ready.isEmpty ? next : Place(first: row.partition.token, after: row.partition)
        return row
    }

    private mutating func finishRound() {
        phase = .idle
        holders = []
        ready = merged[...]
        merged = []
        repairedRows = []
        switch bound {
        case .partition(let last): next = Place(first: last.token, after: last)
        case .token(let last) where last < run.tokens.upperBound:
            next = Place(first: Token(last.value + 1), after: nil)
        case .token, nil:
            // Nothing is read from here any more, so that only the place must be right.
            if let last = ready.last?.partition { next = Place(first: last.token, after: last) }
            isExhausted = true
        }
        if ready.isEmpty { place = next }
    }
}
