internal import Catalog
internal import HistoryChecking
internal import NodeCore
internal import PeerMessages
package import Storage
internal import TokenPlacement

/// A quorum store of a hundred lines, which the simulator itself is proven with.
///
/// Reads ask all replicas and repair them, every node compares its rows with those of another one
/// now and then. There are no hints, batches, scans or repairs of lost disks: those need the real
/// node. If a run with this program breaks a promise, suspect the simulator first.
package struct PlainProgram: SubjectProgram {
    private let mutant: Mutant?

    /// The program with a planted mistake, if any.
    package init(mutant: Mutant? = nil) { self.mutant = mutant }

    package var features: SubjectFeatures { [] }

    package func prepareDisk(
        _ store: any StoreBackend,
        node: Int,
        setup: ClusterSetup,
        isReplacement: Bool,
        survivors: [any StoreBackend]
    ) throws {}

    package func makeSubject(_ context: SubjectContext) throws -> any Subject {
        PlainSubject(context, mutant)
    }
}

/// One life of a plain node.
final class PlainSubject: Subject {
    private let nodes: [PlainNode]

    init(_ context: SubjectContext, _ mutant: Mutant?) {
        nodes = context.life.loops.map { PlainNode(context, $0, mutant) }
    }

    func start() {
        for node in nodes { node.loop.post { [unowned node] in node.start() } }
    }

    func end() {}

    func receiver(loop: Int) -> any PeerReceiver { nodes[loop] }

    func port(loop: Int) -> any ClientPort { nodes[loop] }

    var unrest: String? { nil }
}

/// A plain node on one of its loops: replica and coordinator.
final class PlainNode {
    let loop: SimulatedLoop
    private let context: SubjectContext
    private let mutant: Mutant?
    private var lastTimestamp: Int64 = 0

    private static let timeout = Duration.seconds(2)

    init(_ context: SubjectContext, _ loop: SimulatedLoop, _ mutant: Mutant?) {
        self.context = context
        self.loop = loop
        self.mutant = mutant
    }

    func start() {
        loop.adopt(context.setup.state)
        if loop.index == 0 { scheduleComparison() }
    }

    private var id: NodeID { context.life.id }

    private func required(_ level: ConsistencyLevel) -> Int {
        switch level {
        case .one: 1
        case .two: 2
        case .three: 3
        case .all: 3
        default: 2
        }
    }

    // MARK: Replica

    private func ask(
        _ message: PeerMessage,
        _ node: NodeID,
        _ completion: @escaping (Result<PeerMessage, PeerFailure>) -> Void
    ) {
        guard node == id else {
            loop.request(message, to: node, class: .request, timeout: Self.timeout) {
                completion($0.map(\.message))
            }
            return
        }
        handle(message) { reply in
            if case .failed(let failure) = reply {
                completion(.failure(failure))
            } else {
                completion(.success(reply))
            }
        }
    }

    private func handle(_ message: PeerMessage, _ reply: @escaping (PeerMessage) -> Void) {
        switch message {
        case .write(let mutations): write(mutations, reply)
        case .read(let request): read(request, reply)
        case .scan(let request):
            let range = RowKey.tableRange(request.table)
            let isTaken = loop.runOnPool(.background) { store throws(StorageError) in
                try store.scan(range, rowsMax: 10_000, bytesMax: 1 << 24).entries
            } completion: { result in
                let rows = ((try? result.get()) ?? []).compactMap { entry -> ScannedRow? in
                    guard let key = try? RowKey(decoding: entry.key) else { return nil }
                    let partition = PartitionRef(token: key.token, key: key.partitionKey)
                    return ScannedRow(partition: partition, row: entry.row)
                }
                reply(.page(ScanPage(rows: rows, isComplete: true)))
            }
            if !isTaken { reply(Self.overloaded) }
        default: break
        }
    }

    private static let overloaded = PeerMessage.failed(
        PeerFailure(code: .overloaded, text: "a queue is full")
    )

    private func write(_ mutations: [Mutation], _ reply: @escaping (PeerMessage) -> Void) {
        var writes = StoreWrites()
        writes.durability = .periodic
        for mutation in mutations {
            let table = context.setup.tables.first { $0.id == mutation.table }
            if table?.options.durability == .synced { writes.durability = .synced }
            writes.merge(mutation.operand, into: mutation.rowKey.encoded)
        }
        let isTaken = loop.submit(writes) { error in
            reply(error.map { .failed(PeerFailure(code: .failed, text: "\($0)")) } ?? .done)
        }
        if !isTaken { reply(Self.overloaded) }
    }

    private func read(_ request: ReadRequest, _ reply: @escaping (PeerMessage) -> Void) {
        let partitions = request.groups.flatMap(\.partitions)
        let keys = partitions.map {
            RowKey(table: request.table, token: $0.token, partitionKey: $0.key)
        }
        var rows: [[UInt8]?] = []
        do throws(StorageError) {
            for key in keys {
                switch try loop.readFromMemory(key) {
                case .found(let row): rows.append(row)
                case .absent: rows.append(nil)
                case .needsDisk:
                    let isTaken = loop.readRows(keys) { result in
                        switch result {
                        case .success(let rows):
                            reply(.rows([ReadGroupReply(digest: .absent, rows: rows)]))
                        case .failure(let error):
                            reply(.failed(PeerFailure(code: .failed, text: "\(error)")))
                        }
                    }
                    if !isTaken { reply(Self.overloaded) }
                    return
                }
            }
            reply(.rows([ReadGroupReply(digest: .absent, rows: rows)]))
        } catch {
            reply(.failed(PeerFailure(code: .failed, text: "\(error)")))
        }
    }

    // MARK: Comparison

    private func scheduleComparison() {
        _ = loop.schedule(after: .milliseconds(1500)) { [weak self] in
            self?.compare()
            self?.scheduleComparison()
        }
    }

    /// Fetches all rows of a random node and merges what is different here.
    private func compare() {
        let nodes = context.setup.nodeIDs
        let other = nodes[Int(loop.random() % UInt64(nodes.count))]
        guard other != id else { return }
        let tables = context.setup.tables
        let table = tables[Int(loop.random() % UInt64(tables.count))]
        let request = ScanRequest(
            table: table.id,
            nowSeconds: nowSeconds,
            tokens: Token(.min)...Token(.max),
            after: nil,
            rowsMax: 10_000,
            bytesMax: 1 << 24
        )
        ask(.scan(request), other) { [weak self] result in
            guard let self, case .success(.page(let page)) = result else { return }
            merge(
                page.rows.filter {
                    context.setup.replicas(of: $0.partition.token).contains(context.node)
                }.map { Mutation(table: table.id, partition: $0.partition, operand: $0.row) }
            )
        }
    }

    private func merge(_ rows: [Mutation]) {
        let keys = rows.map(\.rowKey.encoded)
        _ = loop.runOnPool(.background) { store throws(StorageError) in
            try store.read(keys)
        } completion: { [weak self] result in
            guard case .success(let own) = result else { return }
            let news = zip(rows, own).filter { row, own in
                own.map { RowMerge.merge([$0, row.operand]) != $0 } ?? true
            }
            self?.write(oneByOne: news.map(\.0)[...])
        }
    }

    private func write(oneByOne mutations: ArraySlice<Mutation>) {
        guard let first = mutations.first else { return }
        write([first]) { [weak self] _ in self?.write(oneByOne: mutations.dropFirst()) }
    }
}

extension PlainNode: PeerReceiver {
    func messageReceived(
        _ message: PeerMessage,
        from peer: NodeID,
        reply: @escaping (PeerMessage) -> Void
    ) {
        handle(message, reply)
    }

    func epochSeen(_ epoch: Epoch, from peer: NodeID) {}

    func connectionLost(to peer: NodeID) {}
}

extension PlainNode: ClientPort {
    func nextTimestamp() -> Int64 {
        // The loop's number in the last digits: loops of one node never give the same.
        lastTimestamp = max(loop.wallMicros / 4 * 4 + Int64(loop.index), lastTimestamp + 4)
        return lastTimestamp
    }

    var nowSeconds: Int64 { loop.wallMicros / 1_000_000 }

    func write(
        _ mutations: [Mutation],
        of table: TableDefinition,
        at level: ConsistencyLevel,
        isLogged: Bool,
        completion: @escaping (Result<Void, ClientFailure>) -> Void
    ) {
        let partition = mutations[0].partition
        let replicas = context.setup.placement.replicas(of: partition.token)
        let count = PlainCount(required: required(level), asked: replicas.count)
        for replica in replicas {
            ask(.write(mutations), replica) { result in
                switch count.answered((try? result.get()) != nil) {
                case .enough: completion(.success(()))
                case .tooFew: completion(.failure(.unknown("too few replicas acknowledged")))
                case .undecided: break
                }
            }
        }
    }

    func read(
        _ partitions: [PartitionRef],
        of table: TableDefinition,
        at level: ConsistencyLevel,
        nowSeconds: Int64,
        completion: @escaping (Result<[[UInt8]?], ClientFailure>) -> Void
    ) {
        var rows: [[UInt8]?] = partitions.map { _ in nil }
        var open = partitions.count
        var failure: ClientFailure?
        for (index, partition) in partitions.enumerated() {
            read(partition, of: table, level, nowSeconds) { result in
                switch result {
                case .success(let row): rows[index] = row
                case .failure(let found): failure = found
                }
                open -= 1
                guard open == 0 else { return }
                completion(failure.map { .failure($0) } ?? .success(rows))
            }
        }
    }

    private func read(
        _ partition: PartitionRef,
        of table: TableDefinition,
        _ level: ConsistencyLevel,
        _ nowSeconds: Int64,
        completion: @escaping (Result<[UInt8]?, ClientFailure>) -> Void
    ) {
        let replicas = context.setup.placement.replicas(of: partition.token)
        let needed = mutant == .readAtOneReplica ? 1 : required(level)
        let count = PlainCount(required: needed, asked: replicas.count)
        let request = ReadRequest(
            table: table.id,
            nowSeconds: nowSeconds,
            groups: [.init(mode: .rows, partitions: [partition])]
        )
        var found: [(NodeID, [UInt8]?)] = []
        for replica in replicas {
            ask(.read(request), replica) { [self] result in
                var isRow = false
                if case .success(.rows(let groups)) = result, groups.count == 1,
                    groups[0].rows.count == 1
                {
                    isRow = true
                    found.append((replica, groups[0].rows[0]))
                }
                switch count.answered(isRow) {
                case .enough: repair(found, partition, table, completion)
                case .tooFew: completion(.failure(.unknown("too few replicas answered")))
                case .undecided: break
                }
            }
        }
    }

    private func repair(
        _ found: [(node: NodeID, row: [UInt8]?)],
        _ partition: PartitionRef,
        _ table: TableDefinition,
        _ completion: @escaping (Result<[UInt8]?, ClientFailure>) -> Void
    ) {
        let rows = found.compactMap(\.row)
        guard !rows.isEmpty else {
            completion(.success(nil))
            return
        }
        let merged = RowMerge.merge(rows)
        let stale = found.filter { $0.row != merged }.map(\.node)
        guard !stale.isEmpty, mutant != .skippedReadRepair else {
            completion(.success(merged))
            return
        }
        let mutation = Mutation(table: table.id, partition: partition, operand: merged)
        let count = PlainCount(required: stale.count, asked: stale.count)
        for node in stale {
            ask(.write([mutation]), node) { result in
                switch count.answered((try? result.get()) != nil) {
                case .enough: completion(.success(merged))
                case .tooFew: completion(.failure(.unknown("a stale replica was not repaired")))
                case .undecided: break
                }
            }
        }
    }
}

/// Counts answers until they are enough, or cannot be any more.
private final class PlainCount {
    enum Verdict {
        case undecided, enough, tooFew
    }

    private let required: Int
    private var open: Int
    private var good = 0
    private var isDecided = false

    init(required: Int, asked: Int) {
        self.required = required
        open = asked
    }

    func answered(_ isGood: Bool) -> Verdict {
        open -= 1
        if isGood { good += 1 }
        guard !isDecided else { return .undecided }
        if good >= required {
            isDecided = true
            return .enough
        }
        guard good + open < required else { return .undecided }
        isDecided = true
        return .tooFew
    }
}
