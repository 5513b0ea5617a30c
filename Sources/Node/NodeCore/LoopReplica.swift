package import Catalog
package import PeerMessages
package import Replication
package import Storage
package import TokenPlacement

/// This node as a replica: reads, writes and scores the rows that it keeps, for one event loop.
///
/// Bound to its loop. Completions are called on it, sometimes before the call returns.
package final class LoopReplica {
    /// What became of a request.
    package typealias Completion<Value> = (Result<Value, PeerFailure>) -> Void

    let environment: any LoopEnvironment
    private let scorer: any RowScorer
    let batches: SharedBatches

    /// The state that names tables and models.
    package var state = ClusterState() {
        didSet {
            guard oldValue.schemaVersion != state.schemaVersion else { return }
            // A planted mistake: what an older epoch had is taken as ever.
            if !faults.contains(.staleEpochWrite) { tables = [:] }
            for table in state.tables.values.flatMap(\.values) { tables[table.id] = table }
        }
    }

    /// Which slices may be read and written here.
    package var health = SliceHealth()

    /// The rate at which rows are read for digests, shared by the loops.
    package var digestRate = SharedRate(bytesPerSecond: 0)
    /// Who waits for digests, shared by the loops.
    package var digestTurns = SharedTurns()
    /// The most rows that are read for digests in one step.
    package var digestRowsMax = 4096

    /// Planted faults, for the simulator's proofs.
    var faults = PlantedFaults()

    /// Called when a stored row or block turned out damaged.
    package var corruptionFound: (TableID, Token, StorageError) -> Void = { _, _, _ in }

    private var tables: [TableID: TableDefinition] = [:]
    /// Whether keys are read one by one to find the damaged ones.
    private var isFindingDamage = false

    /// The most bytes of rows that one request may ask for: what a message between nodes holds.
    package var readBytesMax = 60 << 20

    /// The most keys that are read on the loop itself, from memory.
    private static let inlineKeysMax = 128
    /// The most keys that are read from the disk before their bytes are counted.
    private static let stepKeysMax = 512

    /// The replica of a loop.
    package init(
        environment: any LoopEnvironment,
        scorer: any RowScorer,
        batches: SharedBatches
    ) {
        self.environment = environment
        self.scorer = scorer
        self.batches = batches
    }

    /// The table with an id, if the state knows it.
    package func table(_ id: TableID) -> TableDefinition? { tables[id] }

    // MARK: Writes

    /// Writes mutations as one atomic batch; completes once they are as durable as their tables
    /// promise.
    package func write(_ mutations: [Mutation], completion: @escaping Completion<Void>) {
        var writes = StoreWrites()
        writes.durability = .periodic
        for mutation in mutations {
            guard let table = tables[mutation.table] else {
                completion(.failure(unknown(mutation.table)))
                return
            }
            guard health.mayWrite(table.id, mutation.partition.token) else {
                completion(.failure(unreadable(table, "takes no writes for a moment")))
                return
            }
            guard mutation.operand.withUnsafeBytes({ RowMerge.isRow($0) }) else {
                let text = "a mutation is no row of this program's format"
                completion(.failure(PeerFailure(code: .invalid, text: text)))
                return
            }
            if table.options.durability == .synced { writes.durability = .synced }
            writes.merge(mutation.operand, into: mutation.rowKey.encoded)
        }
        submit(writes, completion: completion)
    }

    /// Hands writes to the writer; a full queue and a failed disk are failures like others.
    func submit(_ writes: StoreWrites, completion: @escaping Completion<Void>) {
        let isTaken = environment.submit(writes) { error in
            completion(error.map { .failure(PeerFailure($0)) } ?? .success(()))
        }
        guard !isTaken else { return }
        let text = """
            the writer's queue is full (memory.parts_mib.writer_queue); nothing was written, try again \
            later
            """
        completion(.failure(PeerFailure(code: .overloaded, text: text)))
    }

    // MARK: Reads

    /// Reads the groups' rows, or their digests.
    package func read(_ request: ReadRequest, completion: @escaping Completion<[ReadGroupReply]>) {
        guard let table = tables[request.table] else {
            completion(.failure(unknown(request.table)))
            return
        }
        let groups = request.groups
        rows(of: table, groups.map(\.partitions)) { [self] result in
            completion(
                result.flatMap { rows in
                    self.replies(groups, rows, table, nowSeconds: request.nowSeconds)
                }
            )
        }
    }

    private func replies(
        _ groups: [ReadRequest.Group],
        _ rows: [[UInt8]?],
        _ table: TableDefinition,
        nowSeconds: Int64
    ) -> Result<[ReadGroupReply], PeerFailure> {
        var replies: [ReadGroupReply] = []
        replies.reserveCapacity(groups.count)
        var next = 0
        for group in groups {
            let part = rows[next..<next + group.partitions.count]
            next += group.partitions.count
            do {
                let digest =
                    group.mode == .rows ? .absent : try Self.digest(part, table, nowSeconds)
                replies.append(
                    ReadGroupReply(digest: digest, rows: group.mode == .digest ? [] : Array(part))
                )
            } catch {
                for (partition, row) in zip(group.partitions, part) {
                    if let row { check(row, table, partition.token) }
                }
                return .failure(PeerFailure(code: .failed, text: "a stored row: \(error)"))
            }
        }
        return .success(replies)
    }

    /// Reports a stored row that cannot be decoded: what replicas write can be, so the disk did it.
    private func check(_ row: [UInt8], _ table: TableDefinition, _ token: Token) {
        do throws(RowFormatError) {
            _ = try RowView(validating: row)
        } catch {
            undecodable(error, table, token)
        }
    }

    func undecodable(_ error: RowFormatError, _ table: TableDefinition, _ token: Token) {
        let fault = StorageError.Fault(
            operation: "decode a row of \(table.qualifiedName)",
            path: "the store",
            message: "\(error)"
        )
        corruptionFound(table.id, token, .corruption(fault))
    }

    private static func digest(
        _ rows: ArraySlice<[UInt8]?>,
        _ table: TableDefinition,
        _ nowSeconds: Int64
    ) throws(RowFormatError) -> RowDigest {
        var digests: [RowDigest] = []
        digests.reserveCapacity(rows.count)
        for row in rows {
            guard let row else {
                digests.append(.absent)
                continue
            }
            digests.append(
                try RowView(validating: row).digest(
                    nowSeconds: nowSeconds,
                    gcGraceSeconds: table.options.gcGraceSeconds
                )
            )
        }
        return RowDigest.combine(digests)
    }

    /// The rows of all groups one behind the other: from memory on this loop, the rest on a thread
    /// that may wait for the disk.
    private func rows(
        of table: TableDefinition,
        _ groups: [[PartitionRef]],
        completion: @escaping Completion<[[UInt8]?]>
    ) {
        let count = groups.reduce(0) { $0 + $1.count }
        var found: [[UInt8]?] = []
        var bytes = 0
        found.reserveCapacity(count)
        var rest: [RowKey] = []
        for group in groups {
            for partition in group {
                guard health.mayRead(table.id, partition.token) else {
                    completion(.failure(unreadable(table, "is being rebuilt from its replicas")))
                    return
                }
                let key = RowKey(
                    table: table.id,
                    token: partition.token,
                    partitionKey: partition.key
                )
                guard rest.isEmpty, found.count < Self.inlineKeysMax else {
                    rest.append(key)
                    continue
                }
                do throws(StorageError) {
                    switch try environment.readFromMemory(key) {
                    case .found(let row):
                        found.append(row)
                        bytes += row.count
                    case .absent: found.append(nil)
                    case .needsDisk: rest.append(key)
                    }
                } catch {
                    completion(.failure(failed([key], error)))
                    return
                }
                guard bytes <= readBytesMax else {
                    completion(.failure(tooManyBytes(table)))
                    return
                }
            }
        }
        read(rest[...], of: table, behind: found, bytes: bytes, completion: completion)
    }

    /// Reads what memory does not have, step by step, so that too many bytes are noticed early.
    private func read(
        _ keys: ArraySlice<RowKey>,
        of table: TableDefinition,
        behind found: [[UInt8]?],
        bytes: Int,
        completion: @escaping Completion<[[UInt8]?]>
    ) {
        guard !keys.isEmpty else {
            completion(.success(found))
            return
        }
        let rowBytes = max(1, bytes / max(1, found.count))
        let count = min(Self.stepKeysMax, max(1, (readBytesMax - bytes) / rowBytes))
        let step = Array(keys.prefix(count))
        let isTaken = environment.readRows(step) { [self] result in
            let rows: [[UInt8]?]
            do throws(StorageError) {
                rows = try result.get()
            } catch {
                completion(.failure(failed(step, error)))
                return
            }
            // A slice that was given up meanwhile may have lost rows before they were read.
            guard health.isWell || step.allSatisfy({ health.mayRead($0.table, $0.token) }) else {
                completion(.failure(unreadable(table, "is being rebuilt from its replicas")))
                return
            }
            let bytes = rows.reduce(bytes) { $0 + ($1?.count ?? 0) }
            guard bytes <= readBytesMax else {
                completion(.failure(tooManyBytes(table)))
                return
            }
            read(
                keys.dropFirst(count),
                of: table,
                behind: found + rows,
                bytes: bytes,
                completion: completion
            )
        }
        if !isTaken { completion(.failure(Self.tooManyReads)) }
    }

    static let tooManyReads = PeerFailure(
        code: .overloaded,
        text: "too many reads wait for the disk; try again later"
    )

    // MARK: Scores

    /// Reads the candidates, runs the model once on all of them, and returns the best.
    package func score(_ request: ScoreRequest, completion: @escaping Completion<ScoreReply>) {
        guard let table = tables[request.table] else {
            completion(.failure(unknown(request.table)))
            return
        }
        rows(of: table, request.groups) { [self] result in
            switch result {
            case .success(let rows): score(rows: rows, request, completion: completion)
            case .failure(let failure): completion(.failure(failure))
            }
        }
    }

    /// Scores rows that were read before, group by group as in the request.
    package func score(
        rows: [[UInt8]?],
        _ request: ScoreRequest,
        completion: @escaping Completion<ScoreReply>
    ) {
        guard let table = tables[request.table] else {
            completion(.failure(unknown(request.table)))
            return
        }
        guard let model = state.models[request.modelName] else {
            let text = "model \(request.modelName) is not known here at epoch \(state.epoch)"
            completion(.failure(PeerFailure(code: .modelNotReady, text: text)))
            return
        }
        scorer.score(rows, request, table, model, completion: completion)
    }

    // MARK: Failures

    private func tooManyBytes(_ table: TableDefinition) -> PeerFailure {
        PeerFailure(
            code: .invalid,
            text: """
                the rows of \(table.qualifiedName) that are asked for have too many bytes, the \
                limit is \(readBytesMax) for each replica: ask for fewer keys at once
                """
        )
    }

    func unknown(_ table: TableID) -> PeerFailure {
        PeerFailure(
            code: .unknownTable,
            text: "table \(table) is not known here at epoch \(state.epoch)"
        )
    }

    func unreadable(_ table: TableDefinition, _ why: String) -> PeerFailure {
        PeerFailure(
            code: .unreadable,
            text: "a slice of \(table.qualifiedName) \(why) on this node"
        )
    }

    /// What a storage error is to the one who asked; damage is reported to the control plane.
    func failed(_ keys: [RowKey], _ error: StorageError) -> PeerFailure {
        if error.asDamage != nil { findDamage(keys, error) }
        return PeerFailure(error)
    }

    /// Reports the damaged ones of some keys that were read together.
    ///
    /// One read at a time: what is left out is found by the next one that fails.
    private func findDamage(_ keys: [RowKey], _ error: StorageError) {
        guard keys.count > 1 else {
            for key in keys { corruptionFound(key.table, key.token, error) }
            return
        }
        guard !isFindingDamage else { return }
        isFindingDamage = true
        let isTaken = environment.runOnPool(.background) { store in
            // One by one: no slice is looked through for a neighbour's sake.
            keys.filter { key in
                do throws(StorageError) {
                    _ = try store.read([key.encoded])
                    return false
                } catch {
                    return error.asDamage != nil
                }
            }
        } completion: { [self] (result: Result<[RowKey], StorageError>) in
            isFindingDamage = false
            for key in (try? result.get()) ?? [] { corruptionFound(key.table, key.token, error) }
        }
        if !isTaken { isFindingDamage = false }
    }
}

extension PeerFailure {
    /// The failure that a storage error is to the one who asked.
    package init(_ error: StorageError) {
        // That nothing was done, and never will be, makes a difference to who coordinates.
        if case .invalid = error {
            self.init(code: .invalid, text: "\(error)")
        } else {
            self.init(code: .failed, text: "\(error)")
        }
    }

    /// A reply that is of the wrong kind.
    package static func mismatch(from node: NodeID) -> PeerFailure {
        PeerFailure(code: .failed, text: "node \(node) gave an answer of the wrong kind")
    }
}
