internal import Catalog
internal import ClusterLog
internal import HistoryChecking
internal import NodeCore
internal import PeerMessages
internal import Storage
internal import TokenPlacement

/// The clients of a run: each does one thing after the other on a node that it likes, and moves on
/// if that node dies.
final class Workload {
    private struct Client {
        var node: Int
        /// The steps of its script that it began.
        var steps = 0
        /// What it waits for: bumped when it gives up.
        var attempt = 0
        /// The operation that is under way, and the node that it runs on.
        var open: (operation: Int?, node: Int)?
        var skew: Nanoseconds
    }

    private let plan: WorkloadPlan
    private unowned let run: Run
    private var random: SimulatedRandom
    private var clients: [Client] = []
    private var remaining: Int
    private let isPinned: Bool
    private var nextScratch = 0
    /// The tables that were made meanwhile, as a client saw them last.
    private var scratch: [String: TableDefinition] = [:]
    private var partitions: [Int: PartitionRef] = [:]

    /// Pinned clients stay on their node, the first one on node 0 and so on.
    init(_ plan: WorkloadPlan, _ run: Run, _ random: SimulatedRandom, isPinned: Bool = false) {
        self.isPinned = isPinned
        self.plan = plan
        self.run = run
        self.random = random
        remaining = plan.operations
    }

    /// Whether all operations have returned, or never will.
    var isDone: Bool { remaining == 0 && clients.allSatisfy { $0.open == nil } }

    func start() {
        for index in 0..<plan.clients {
            let skew = random.number(in: -plan.clientSkewMax...plan.clientSkewMax)
            let node = isPinned ? index % run.nodes.count : random.below(run.nodes.count)
            clients.append(Client(node: node, skew: skew))
            think(index)
        }
    }

    /// A node died: what ran there may or may not have been done.
    func nodeDied(_ node: Int) {
        for index in clients.indices {
            guard let open = clients[index].open, open.node == node else { continue }
            if let operation = open.operation {
                run.history.ended(operation, at: run.kernel.now, .unknown("its node died"))
            }
            finished(index)
        }
    }

    /// The partition of a key.
    func partition(_ key: Int) -> PartitionRef {
        if let found = partitions[key] { return found }
        let partition = PartitionRef(key: Self.partitionKey(key))
        partitions[key] = partition
        return partition
    }

    /// The bytes of a key.
    static func partitionKey(_ key: Int) -> [UInt8] { Array("key\(key)".utf8) }

    /// The key whose bytes these are.
    static func key(of bytes: [UInt8]) -> Int? {
        Int(String(decoding: bytes.dropFirst(3), as: UTF8.self))
    }

    // MARK: One operation after the other

    private func think(_ client: Int) {
        guard remaining > 0 else { return }
        let span = random.exponential(mean: plan.thinkMean)
        run.kernel.schedule(after: span, node: Kernel.world, kind: .client) { [unowned self] in
            issue(client)
        }
    }

    private func finished(_ client: Int) {
        clients[client].open = nil
        clients[client].attempt += 1
        if !isPinned, random.chance(0.1) { clients[client].node = random.below(run.nodes.count) }
        think(client)
    }

    private func issue(_ client: Int) {
        guard remaining > 0 else { return }
        if !run.nodes[clients[client].node].isUp {
            let living = run.nodes.filter(\.isUp)
            guard !living.isEmpty else {
                think(client)
                return
            }
            clients[client].node = random.pick(living).index
        }
        let node = run.nodes[clients[client].node]
        guard let life = node.life, let subject = node.subject else { return }
        guard let action = nextAction(client) else { return }
        remaining -= 1
        let attempt = clients[client].attempt
        clients[client].open = (nil, node.index)
        let loop = random.pick(life.loops)
        loop.post { [unowned self, unowned subject] in
            guard clients[client].attempt == attempt else { return }
            perform(
                action,
                Site(client: client, attempt: attempt, node: node.index),
                subject.port(loop: loop.index)
            )
        }
    }

    /// What a client does next; nil if its script is done.
    private func nextAction(_ client: Int) -> WorkloadPlan.Action? {
        guard !plan.script.isEmpty else { return random.pick(weighted: plan.actions) }
        guard clients[client].steps < plan.script.count else { return nil }
        defer { clients[client].steps += 1 }
        return plan.script[clients[client].steps]
    }

    private struct Site {
        let client: Int
        let attempt: Int
        let node: Int
    }

    private func begin(
        _ site: Site,
        table: Int,
        _ request: Operation.Request,
        _ level: ConsistencyLevel,
        nowSeconds: Int64?
    ) -> Int {
        let id = run.history.nextID
        run.history.began(
            Operation(
                id: id,
                client: site.client,
                node: site.node,
                datacenter: run.setup.datacenter(of: site.node),
                table: table,
                request: request,
                level: level,
                invoked: run.kernel.now,
                nowSeconds: nowSeconds
            )
        )
        clients[site.client].open = (id, site.node)
        return id
    }

    private func end(
        _ site: Site,
        _ id: Int,
        _ outcome: OperationOutcome,
        rows: [Int: VisibleRow] = [:],
        scores: [Int: Float?] = [:]
    ) {
        guard clients[site.client].attempt == site.attempt else { return }
        run.history.ended(id, at: run.kernel.now, outcome, rows: rows, scores: scores)
        run.kernel.note(UInt64(id) << 8 | (outcome == .done ? 1 : 0))
        finished(site.client)
    }

    private func failure(_ failure: ClientFailure) -> OperationOutcome {
        switch failure {
        case .refused(let text): .refused(text)
        case .unknown(let text): .unknown(text)
        }
    }

    private func perform(_ action: WorkloadPlan.Action, _ site: Site, _ port: any ClientPort) {
        let table = random.below(run.setup.tables.count)
        switch action {
        case .insert, .setCell, .deleteCell, .deleteRow, .insertExpiring, .batch:
            write(action, table, site, port)
        case .read: read(1, table, site, port)
        case .readMany: read(random.number(in: 2...max(2, min(8, plan.keys))), table, site, port)
        case .scan: scan(table, site, port)
        case .score: score(table, site, port)
        case .schema: changeSchema(site, port)
        case .writeScratch: writeScratch(site, port)
        }
    }

    // MARK: Writes

    private func write(
        _ action: WorkloadPlan.Action,
        _ table: Int,
        _ site: Site,
        _ port: any ClientPort
    ) {
        let level = random.pick(weighted: plan.writeLevels)
        var timestamp = port.nextTimestamp()
        if random.chance(plan.ownTimestamps) {
            let skew = clients[site.client].skew
            timestamp =
                NodeClock.epochSeconds * 1_000_000 + (run.kernel.now + skew) / 1000
            timestamp -= timestamp % plan.timestampStep
        }
        let id = run.history.nextID
        var rows: [RowWrite] = []
        if action == .batch {
            var keys = Array(0..<plan.keys)
            random.shuffle(&keys)
            for (place, key) in keys.prefix(random.number(in: 2...4)).enumerated() {
                let part = random.pick([WorkloadPlan.Action.insert, .insert, .setCell, .deleteRow])
                rows.append(row(part, key, place, id, site, port))
            }
        } else {
            rows = [row(action, random.below(plan.keys), 0, id, site, port)]
        }
        let isLogged = action == .batch
        _ = begin(
            site,
            table: table,
            .write(rows, timestamp: timestamp, isLogged: isLogged),
            level,
            nowSeconds: nil
        )
        var parts = [rows]
        if run.mutant == .splitInsert, !isLogged { parts = Self.split(rows[0]).map { [$0] } }
        send(
            parts.map { rows in
                rows.map { row in
                    Mutation(
                        table: run.setup.tables[table].id,
                        partition: partition(row.key),
                        operand: RowCoding.operand(
                            row,
                            timestamp: timestamp,
                            nowSeconds: port.nowSeconds
                        )
                    )
                }
            }[...],
            Write(id: id, table: table, level: level, isLogged: isLogged),
            site,
            port
        )
    }

    private struct Write {
        let id: Int
        let table: Int
        let level: ConsistencyLevel
        let isLogged: Bool
    }

    /// Sends the parts of a write, one after the other; but for a planted mistake there is one.
    private func send(
        _ parts: ArraySlice<[Mutation]>,
        _ write: Write,
        _ site: Site,
        _ port: any ClientPort
    ) {
        port.write(
            parts.first ?? [],
            of: run.setup.tables[write.table],
            at: write.level,
            isLogged: write.isLogged
        ) { [unowned self] result in
            switch result {
            case .success where parts.count > 1: send(parts.dropFirst(), write, site, port)
            case .success:
                end(site, write.id, .done)
                run.writeAcknowledged(by: site.node)
            case .failure(let error): end(site, write.id, failure(error))
            }
        }
    }

    /// A row's first cell and its others, as two writes.
    private static func split(_ row: RowWrite) -> [RowWrite] {
        guard case .set(let cells, isInsert: true) = row.change, let first = cells.keys.min() else {
            return [row]
        }
        return [cells.filter { $0.key == first }, cells.filter { $0.key != first }].map { cells in
            RowWrite(
                key: row.key,
                change: .set(cells, isInsert: true),
                expiresAt: row.expiresAt
            )
        }
    }

    private func row(
        _ action: WorkloadPlan.Action,
        _ key: Int,
        _ place: Int,
        _ id: Int,
        _ site: Site,
        _ port: any ClientPort
    ) -> RowWrite {
        func value(_ column: Int) -> [UInt8] {
            WrittenValue(client: site.client, operation: id, row: place, column: column)
                .bytes(padding: random.number(in: 0...plan.paddingMax))
        }
        let columns = run.rules.columns
        switch action {
        case .setCell:
            let column = random.pick(columns)
            return RowWrite(key: key, change: .set([column: value(column)], isInsert: false))
        case .deleteCell: return RowWrite(key: key, change: .deleteCells([random.pick(columns)]))
        case .deleteRow: return RowWrite(key: key, change: .deleteRow)
        default:
            var cells: [Int: [UInt8]] = [:]
            for column in columns { cells[column] = value(column) }
            var row = RowWrite(key: key, change: .set(cells, isInsert: true))
            if action == .insertExpiring {
                let seconds = random.number(in: 1...max(1, plan.timeToLiveMax))
                row.expiresAt = port.nowSeconds + Int64(seconds)
            }
            return row
        }
    }

    // MARK: Reads

    private func read(_ count: Int, _ table: Int, _ site: Site, _ port: any ClientPort) {
        let level = random.pick(weighted: plan.readLevels)
        let keys = pickKeys(count)
        let now = port.nowSeconds
        let id = begin(site, table: table, .read(keys), level, nowSeconds: now)
        port.read(keys.map(partition), of: run.setup.tables[table], at: level, nowSeconds: now) {
            [unowned self] result in
            switch result {
            case .success(let found):
                var rows: [Int: VisibleRow] = [:]
                for (key, row) in zip(keys, found) {
                    rows[key] = RowCoding.visible(row, run.rules.columns, nowSeconds: now)
                }
                end(site, id, .done, rows: rows)
            case .failure(let error): end(site, id, failure(error))
            }
        }
    }

    private func scan(_ table: Int, _ site: Site, _ port: any ClientPort) {
        let level = random.pick(weighted: plan.readLevels)
        let now = port.nowSeconds
        let id = begin(site, table: table, .scan, level, nowSeconds: now)
        port.scan(run.setup.tables[table], at: level, nowSeconds: now, pageRows: plan.pageRows) {
            [unowned self] result in
            switch result {
            case .success(let found):
                checkOrder(found, id)
                var rows: [Int: VisibleRow] = [:]
                for row in found {
                    rows[Self.key(of: row.partition.key) ?? -1] = RowCoding.visible(
                        row.row,
                        run.rules.columns,
                        nowSeconds: now
                    )
                }
                end(site, id, .done, rows: rows)
            case .failure(let error): end(site, id, failure(error))
            }
        }
    }

    private func checkOrder(_ rows: [ScannedRow], _ id: Int) {
        for (left, right) in zip(rows, rows.dropFirst()) {
            let isAscending =
                left.partition.token != right.partition.token
                ? left.partition.token < right.partition.token
                : left.partition.key.lexicographicallyPrecedes(right.partition.key)
            guard !isAscending else { continue }
            let names = [left, right].map { "\(Self.key(of: $0.partition.key) ?? -1)" }
            run.report(
                Violation(
                    .scanIsExact,
                    "scan #\(id) returned key \(names[0]) before key \(names[1])"
                )
            )
            return
        }
    }

    private func score(_ table: Int, _ site: Site, _ port: any ClientPort) {
        let level = random.pick(weighted: plan.readLevels)
        let keys = pickKeys(random.number(in: 1...max(1, min(6, plan.keys))))
        let now = port.nowSeconds
        let id = begin(site, table: table, .score(keys), level, nowSeconds: now)
        port.score(keys.map(partition), of: run.setup.tables[table], at: level, nowSeconds: now) {
            [unowned self] result in
            switch result {
            case .success(let found):
                var scores: [Int: Float?] = [:]
                for scored in found where keys.indices.contains(scored.index) {
                    scores[keys[scored.index]] = .some(scored.score)
                }
                end(site, id, .done, scores: scores)
            case .failure(let error): end(site, id, failure(error))
            }
        }
    }

    private func pickKeys(_ count: Int) -> [Int] {
        var keys = Array(0..<plan.keys)
        random.shuffle(&keys)
        return Array(keys.prefix(count))
    }

    // MARK: Schema

    private func changeSchema(_ site: Site, _ port: any ClientPort) {
        let change: ClusterChange
        let text: String
        if nextScratch > 0, random.chance(0.4) {
            let name = "scratch\(random.below(nextScratch))"
            change = .dropTable(keyspace: ClusterSetup.keyspace, name: name)
            text = "drop \(name)"
        } else {
            let name = "scratch\(nextScratch)"
            nextScratch += 1
            change = .createTable(ClusterSetup.table(name, 0, ClusterShape()))
            text = "create \(name)"
        }
        let id = begin(site, table: -1, .schema(text), .one, nowSeconds: nil)
        port.change(change) { [unowned self] result in
            switch result {
            case .success: end(site, id, .done)
            case .failure(let error): end(site, id, failure(error))
            }
        }
    }

    /// Writes to a table that may be gone: to the node, to some of its peers, or not yet to any.
    ///
    /// As with a prepared statement, a client knows tables that its node knows no more.
    private func writeScratch(_ site: Site, _ port: any ClientPort) {
        let name = "scratch\(random.below(max(1, nextScratch)))"
        if let known = port.table(named: name) { scratch[name] = known }
        let level = random.pick(weighted: plan.writeLevels)
        let id = begin(site, table: -1, .schema("write to \(name)"), level, nowSeconds: nil)
        guard let table = scratch[name] else {
            end(site, id, .refused("nobody knows \(name) yet"))
            return
        }
        let row = row(.insert, random.below(plan.keys), 0, id, site, port)
        let mutation = Mutation(
            table: table.id,
            partition: partition(row.key),
            operand: RowCoding.operand(
                row,
                timestamp: port.nextTimestamp(),
                nowSeconds: port.nowSeconds
            )
        )
        port.write([mutation], of: table, at: level, isLogged: false) { [unowned self] result in
            switch result {
            case .success: end(site, id, .done)
            case .failure(let error): end(site, id, failure(error))
            }
        }
    }
}
