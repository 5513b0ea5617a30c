import Catalog
import Coordination
import PeerMessages
import Storage
import TokenPlacement

/// Scans a table whose replicas differ, over an unreliable network, from one seed.
///
/// Every row was acknowledged at QUORUM or not; the others may show up, in one form or another.
/// Pages are fetched to the end, each by a machine that goes on from a position; some replicas may
/// not read all tokens that they are asked for, and cover the first of them.
struct ScanPlay {
    /// What is broken on purpose, to prove that the checks see it.
    enum Mutant {
        case none
        /// A page that is cut is said to be complete.
        case cutPage
        /// A page says that it covers more tokens than it does.
        case overstatedCover
        /// One replica's page is enough.
        case oneReplica
        /// The next page begins one key later.
        case skippedKey
        /// Repairs are acknowledged, and never sent.
        case skippedRepair
    }

    /// What must not be.
    enum Violation: Hashable {
        case lost, twice, outOfOrder, stale, invented, notOnQuorum, overLimit, unbounded, stuck
        case unfinished
    }

    private enum Reply {
        case page(Int, ScanPage)
        case repaired(Int)
        case failed(Int, PeerFailure)
    }

    private static let table = TableID(1)
    private static let requestBytes = 4096

    private let mutant: Mutant
    private var random: SplitMix
    private let view: ClusterView
    private var stores: [NodeID: MemoryStore] = [:]
    /// The newest version of every key, and whether it was acknowledged.
    private var rows: [(partition: PartitionRef, row: [UInt8], isAcknowledged: Bool)] = []
    private let consistency: ConsistencyLevel
    private var failureRate: Double
    private var emitted: [ScannedRow] = []

    private(set) var violations: Set<Violation> = []
    private(set) var pages = 0
    private(set) var repairs = 0
    private(set) var failures = 0

    init(seed: UInt64, mutant: Mutant = .none) {
        self.mutant = mutant
        random = SplitMix(state: seed)
        let nodes = [3, 5, 6].randomElement(using: &random) ?? 3
        let alive = Int.random(in: 0..<3, using: &random) == 0 ? nodes - 1 : nodes
        view = Fixture.view(
            nodes: nodes,
            .simple(factor: 3),
            alive: (1...UInt64(alive)).map { Fixture.id($0) }
        )
        consistency = .quorum
        failureRate = alive == nodes ? Double.random(in: 0...0.05, using: &random) : 0
        for number in 1...UInt64(nodes) { stores[Fixture.id(number)] = MemoryStore() }
    }

    private mutating func chance(_ rate: Double) -> Bool {
        Double.random(in: 0..<1, using: &random) < rate
    }

    private static func storageKey(_ partition: PartitionRef) -> [UInt8] {
        RowKey(table: table, token: partition.token, partitionKey: partition.key).encoded
    }

    /// Writes rows of which some replicas lack some versions.
    private mutating func fill() throws {
        let count = [0, 1, 7, 60].randomElement(using: &random) ?? 7
        let staleRate = Double.random(in: 0...0.9, using: &random)
        for number in 0..<count {
            let partition = PartitionRef(key: [UInt8(number / 200), UInt8(number % 200)])
            let replicas = try view.placement(of: "ks").replicas(of: partition.token)
            let isAcknowledged = chance(0.8)
            let holders = replicas.shuffled(using: &random)
            // Who is dead may have acknowledged; then the other that must is alive.
            let fresh = isAcknowledged ? 2 : Int.random(in: 0...1, using: &random)
            let old = Fixture.row(10, UInt8(number % 200))
            var newest = Fixture.row(20, UInt8(number % 200))
            if chance(0.1) {
                newest = Fixture.tombstone(30, deletionSeconds: Fixture.nowSeconds)
            }
            for (place, node) in holders.enumerated() {
                if chance(0.5) { stores[node]?.apply([(Self.storageKey(partition), old)]) }
                if place < fresh || !chance(staleRate) {
                    stores[node]?.apply([(Self.storageKey(partition), newest)])
                }
            }
            let row = RowMerge.merge([old, newest])
            rows.append((partition, row, isAcknowledged))
            if stores.values.allSatisfy({ $0.read(Self.storageKey(partition)) == nil }) {
                rows.removeLast()
            }
        }
        rows.sort { RowOrder.precedes($0.partition, $1.partition) }
    }

    /// Plays one scan to its end.
    mutating func run() throws {
        try fill()
        var position: ScanPosition? = ScanPosition(
            ranges: [Token.minimum...Token(0), Token(1)...Token(.max)]
        )
        var steps = 0
        while let from = position {
            var runs = try view.runs(of: from.ranges, keyspace: "ks", consistency: consistency)
            if mutant == .oneReplica { for index in runs.indices { runs[index].required = 1 } }
            let limits = ScanMachine.Limits(
                rowsMax: Int.random(in: 1...20, using: &random),
                bytesMax: Int.random(in: 20...2000, using: &random),
                requestRowsMax: Int.random(in: 1...8, using: &random),
                requestBytesMax: Self.requestBytes,
                runsMax: Int.random(in: 1...8, using: &random)
            )
            var machine = ScanMachine(
                table: Self.table,
                position: from,
                runs: runs,
                consistency: consistency,
                nowSeconds: Fixture.nowSeconds,
                gcGraceSeconds: Fixture.gcGraceSeconds,
                limits: limits
            )
            var actions: [ScanMachine.Action] = []
            machine.start(&actions)
            steps += 1
            guard steps < 2000, let page = try play(&machine, &actions) else { return }
            pages += 1
            if page.rows.count > limits.rowsMax { violations.insert(.overLimit) }
            take(page)
            position = page.position
        }
        check()
    }

    /// Delivers messages in any order until a page is answered; nil after a failure.
    private mutating func play(
        _ machine: inout ScanMachine,
        _ actions: inout [ScanMachine.Action]
    ) throws -> ScanMachine.Page? {
        var replies: [Reply] = []
        while true {
            for action in actions {
                switch action {
                case .scan(let request, let node, let asked):
                    replies.append(reply(request, asked, of: node))
                case .repair(let request, let node, let rows):
                    repairs += 1
                    if mutant != .skippedRepair {
                        stores[node]?.apply(rows.map { (Self.storageKey($0.partition), $0.row) })
                    }
                    let isLost = chance(failureRate)
                    replies.append(
                        isLost
                            ? .failed(request, Fixture.failure(.disconnected))
                            : .repaired(request)
                    )
                case .answer(let page):
                    checkFinished(machine, replies)
                    return page
                case .fail:
                    if failureRate == 0 { violations.insert(.stuck) }
                    failures += 1
                    return nil
                }
            }
            actions = []
            // A page each of three replicas, what of it is merged, and a page for the client.
            if machine.heldBytes > 8 * Self.requestBytes { violations.insert(.unbounded) }
            guard let index = replies.indices.randomElement(using: &random) else {
                violations.insert(.stuck)
                return nil
            }
            if chance(0.05) { machine.speculate(&actions) }
            switch replies.remove(at: index) {
            case .page(let request, let page):
                machine.pageReceived(request: request, page: page, actions: &actions)
            case .repaired(let request):
                machine.repairAcknowledged(request: request, actions: &actions)
            case .failed(let request, let failure):
                machine.requestFailed(request: request, failure, actions: &actions)
            }
        }
    }

    /// Whatever is under way when a page is answered must change nothing any more.
    private mutating func checkFinished(_ machine: ScanMachine, _ replies: [Reply]) {
        var machine = machine
        var actions: [ScanMachine.Action] = []
        for reply in replies {
            switch reply {
            case .page(let request, _):
                let failure = Fixture.failure(.failed)
                machine.requestFailed(request: request, failure, actions: &actions)
            case .repaired(let request):
                machine.repairAcknowledged(request: request, actions: &actions)
            case .failed(let request, let failure):
                machine.requestFailed(request: request, failure, actions: &actions)
            }
        }
        if !actions.isEmpty || machine.heldBytes != 0 { violations.insert(.unfinished) }
    }

    private mutating func reply(_ request: Int, _ asked: ScanRequest, of node: NodeID) -> Reply {
        if chance(failureRate) { return .failed(request, Fixture.failure(.unreadable)) }
        var range = RowKey.sliceRange(table: Self.table, tokens: asked.tokens)
        if let after = asked.after {
            range.lower = Self.storageKey(after) + [0]
        }
        let found = stores[node]?.rows(in: range) ?? []
        var rows: [ScannedRow] = []
        var bytes = 0
        for entry in found {
            guard rows.count < asked.rowsMax, bytes < asked.bytesMax,
                let key = try? RowKey(decoding: entry.key)
            else { break }
            bytes += entry.row.count
            let partition = PartitionRef(token: key.token, key: key.partitionKey)
            rows.append(ScannedRow(partition: partition, row: entry.row))
        }
        var isComplete = rows.count == found.count
        // Now and then a page is cut early, as bytes may have it.
        if rows.count > 1, chance(0.3) {
            rows.removeLast()
            isComplete = false
        }
        var coveredTo: Token?
        if isComplete, asked.tokens.lowerBound < asked.tokens.upperBound, chance(0.3) {
            // What lies behind some token is being rebuilt here.
            let token = cut(asked.tokens)
            rows.removeAll { $0.partition.token > token }
            isComplete = false
            coveredTo = mutant == .overstatedCover ? asked.tokens.upperBound : token
        }
        if mutant == .skippedKey, asked.after != nil, rows.count > 1 { rows.removeFirst() }
        if mutant == .cutPage { (isComplete, coveredTo) = (true, nil) }
        return .page(request, ScanPage(rows: rows, isComplete: isComplete, coveredTo: coveredTo))
    }

    /// A token between two others, which may be the first and is not the last.
    private mutating func cut(_ tokens: ClosedRange<Token>) -> Token {
        Token(
            Int64.random(in: tokens.lowerBound.value..<tokens.upperBound.value, using: &random)
        )
    }

    // MARK: What the client sees

    private mutating func take(_ page: ScanMachine.Page) {
        for row in page.rows {
            if let last = emitted.last, !RowOrder.precedes(last.partition, row.partition) {
                violations.insert(last.partition == row.partition ? .twice : .outOfOrder)
            }
            emitted.append(row)
            let key = Self.storageKey(row.partition)
            let holders = stores.values.count { store in
                guard let stored = store.read(key) else { return false }
                return RowMerge.merge([stored, row.row]) == stored
            }
            if holders < 2 { violations.insert(.notOnQuorum) }
        }
    }

    private mutating func check() {
        let seen = Dictionary(emitted.map { ($0.partition, $0.row) }, uniquingKeysWith: { $1 })
        let known = Set(rows.map(\.partition))
        if !known.isSuperset(of: seen.keys) { violations.insert(.invented) }
        for row in rows where row.isAcknowledged {
            guard let found = seen[row.partition] else {
                violations.insert(.lost)
                continue
            }
            if RowMerge.merge([found, row.row]) != found { violations.insert(.stale) }
        }
    }
}

/// The order in which partitions are stored.
private enum RowOrder {
    static func precedes(_ left: PartitionRef, _ right: PartitionRef) -> Bool {
        if left.token != right.token { return left.token < right.token }
        return left.key.lexicographicallyPrecedes(right.key)
    }
}
