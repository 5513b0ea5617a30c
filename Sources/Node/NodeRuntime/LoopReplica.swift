internal import Catalog
internal import Coordination
internal import Logging
internal import NIOCore
internal import OnnxScoring
internal import PeerMessages
internal import RocksStorage
internal import Scoring
internal import Storage

/// This node as a replica: reads, writes and scores the rows that it keeps, for one event loop.
///
/// Bound to its loop. Completions are called on it, sometimes before the call returns.
final class LoopReplica {
    typealias Completion<Value> = (Result<Value, PeerFailure>) -> Void

    private let eventLoop: any EventLoop
    private let store: RocksStore
    private let readPool: BlockingPool
    private let inferencePool: InferencePool
    private let models: ModelRegistry
    private let inbox: CommitInbox
    private let scoreTimeLimit: Duration

    /// The state that names tables and models.
    var state = ClusterState() {
        didSet {
            guard oldValue.schemaVersion != state.schemaVersion else { return }
            tables = [:]
            for table in state.tables.values.flatMap(\.values) { tables[table.id] = table }
        }
    }

    private var tables: [TableID: TableDefinition] = [:]

    /// The most keys that are read on the loop itself, from memory.
    private static let inlineKeysMax = 128

    init(
        eventLoop: any EventLoop,
        store: RocksStore,
        readPool: BlockingPool,
        inferencePool: InferencePool,
        models: ModelRegistry,
        scoreTimeLimit: Duration
    ) {
        self.eventLoop = eventLoop
        self.store = store
        self.readPool = readPool
        self.inferencePool = inferencePool
        self.models = models
        self.scoreTimeLimit = scoreTimeLimit
        inbox = CommitInbox(eventLoop: eventLoop)
    }

    // MARK: Writes

    /// Writes mutations as one atomic batch; completes once they are durable.
    func write(_ mutations: [Mutation], completion: @escaping Completion<Void>) {
        var writes = StoreWrites()
        for mutation in mutations {
            guard tables[mutation.table] != nil else {
                completion(.failure(unknown(mutation.table)))
                return
            }
            guard mutation.operand.withUnsafeBytes({ RowMerge.isRow($0) }) else {
                let text = "a mutation is no row of this program's format"
                completion(.failure(PeerFailure(code: .invalid, text: text)))
                return
            }
            writes.merge(mutation.operand, into: mutation.rowKey.encoded)
        }
        let ticket = inbox.expect { error in
            completion(error.map { .failure(PeerFailure($0)) } ?? .success(()))
        }
        guard store.submit(writes, ticket: ticket, sink: inbox) else {
            inbox.forget(ticket)
            let text = """
                the writer's queue is full (storage.writer_queue_mib); nothing was written, try \
                again later
                """
            completion(.failure(PeerFailure(code: .overloaded, text: text)))
            return
        }
    }

    // MARK: Reads

    /// Reads the groups' rows, or their digests.
    func read(_ request: ReadRequest, completion: @escaping Completion<[ReadGroupReply]>) {
        guard let table = tables[request.table] else {
            completion(.failure(unknown(request.table)))
            return
        }
        let groups = request.groups
        rows(of: table, groups.map(\.partitions)) { result in
            completion(
                result.flatMap { rows in
                    Self.replies(groups, rows, table, nowSeconds: request.nowSeconds)
                }
            )
        }
    }

    private static func replies(
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
                let digest = try Self.digest(part, table, nowSeconds)
                replies.append(
                    ReadGroupReply(digest: digest, rows: group.mode == .data ? Array(part) : [])
                )
            } catch {
                return .failure(PeerFailure(code: .failed, text: "a stored row: \(error)"))
            }
        }
        return .success(replies)
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
        var keys: [[UInt8]] = []
        keys.reserveCapacity(groups.reduce(0) { $0 + $1.count })
        for group in groups {
            for partition in group {
                keys.append(
                    RowKey(
                        table: table.id,
                        token: partition.token,
                        partitionKey: partition.key
                    ).encoded
                )
            }
        }
        var found: [[UInt8]?] = []
        found.reserveCapacity(keys.count)
        if keys.count <= Self.inlineKeysMax {
            do {
                inline: for key in keys {
                    switch try store.readFromMemory(key) {
                    case .found(let row): found.append(row)
                    case .absent: found.append(nil)
                    case .needsDisk: break inline
                    }
                }
            } catch {
                completion(.failure(PeerFailure(error)))
                return
            }
            if found.count == keys.count {
                completion(.success(found))
                return
            }
        }
        let rest = Array(keys[found.count...])
        let head = found
        let sink = NIOLoopBound(completion, eventLoop: eventLoop)
        let (store, eventLoop) = (store, eventLoop)
        let isTaken = readPool.submit {
            let result: Result<[[UInt8]?], PeerFailure>
            do throws(StorageError) {
                result = .success(head + (try store.read(rest)))
            } catch {
                result = .failure(PeerFailure(error))
            }
            eventLoop.execute { sink.value(result) }
        }
        if !isTaken {
            let text = "too many reads wait for the disk; try again later"
            completion(.failure(PeerFailure(code: .overloaded, text: text)))
        }
    }

    // MARK: Scores

    /// Reads the candidates, runs the model once on all of them, and returns the best.
    func score(_ request: ScoreRequest, completion: @escaping Completion<ScoreReply>) {
        guard let table = tables[request.table] else {
            completion(.failure(unknown(request.table)))
            return
        }
        rows(of: table, request.groups) { [self] result in
            switch result {
            case .success(let rows): score(rows, request, table, completion: completion)
            case .failure(let failure): completion(.failure(failure))
            }
        }
    }

    /// Scores rows that were read before, group by group as in the request.
    func score(
        rows: [[UInt8]?],
        _ request: ScoreRequest,
        completion: @escaping Completion<ScoreReply>
    ) {
        guard let table = tables[request.table] else {
            completion(.failure(unknown(request.table)))
            return
        }
        score(rows, request, table, completion: completion)
    }

    private func score(
        _ rows: [[UInt8]?],
        _ request: ScoreRequest,
        _ table: TableDefinition,
        completion: @escaping Completion<ScoreReply>
    ) {
        guard let definition = state.models[request.modelName] else {
            let text = "model \(request.modelName) is not known here at epoch \(state.epoch)"
            completion(.failure(PeerFailure(code: .modelNotReady, text: text)))
            return
        }
        let key = ModelKey(hash: request.model, signature: definition.signature)
        let model: OnnxModel
        switch models.model(key) {
        case .success(let loaded): model = loaded
        case .failure(let failure):
            completion(.failure(failure))
            return
        }
        let assembled: ScoreAssembly
        do {
            assembled = try ScoreAssembly(request: request, rows: rows, table: table, model: model)
        } catch {
            completion(.failure(error))
            return
        }
        let sink = NIOLoopBound(completion, eventLoop: eventLoop)
        let (eventLoop, limit) = (eventLoop, scoreTimeLimit)
        let isTaken = inferencePool.submit {
            let result = Result { () throws(PeerFailure) in
                try assembled.run(model, timeLimit: limit)
            }
            eventLoop.execute { sink.value(result) }
        }
        if !isTaken {
            let text = "too many scores wait for the model (threads.inference); try again later"
            completion(.failure(PeerFailure(code: .overloaded, text: text)))
        }
    }

    private func unknown(_ table: TableID) -> PeerFailure {
        PeerFailure(
            code: .unknownTable,
            text: "table \(table) is not known here at epoch \(state.epoch)"
        )
    }
}

extension PeerFailure {
    /// The failure that a storage error is to the one who asked.
    init(_ error: StorageError) {
        self.init(code: .failed, text: "\(error)")
    }
}
