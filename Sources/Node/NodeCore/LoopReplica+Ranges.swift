internal import Catalog
internal import Coordination
package import PeerMessages
internal import Replication
internal import Storage
package import TokenPlacement

/// Ranges of rows, logged batches and marks: what other nodes ask of this one beside single rows.
extension LoopReplica {
    /// The most rows and bytes of a page, whatever the asker wants.
    private static let pageRowsMax = 10_000
    private static let pageBytesMax = 8 << 20

    // MARK: Ranges

    /// Reads a page of rows in the order of their keys, up to a slice that may not be read.
    ///
    /// A client's scan and a repair alike must not see a slice that is being rebuilt; who rebuilds
    /// it too may have what there is, and is told.
    package func scan(_ request: ScanRequest, completion: @escaping Completion<ScanPage>) {
        guard let table = table(request.table) else {
            completion(.failure(unknown(request.table)))
            return
        }
        let isPartial = isPartial(request)
        guard let tokens = readable(request) else {
            completion(.failure(unreadable(table, "is being rebuilt from its replicas")))
            return
        }
        let bounds = PageRead.Bounds(
            table: table.id,
            tokens: tokens,
            sliceCount: health.sliceCount,
            after: request.after,
            rowsMax: min(max(1, request.rowsMax), Self.pageRowsMax),
            bytesMax: min(max(1, request.bytesMax), Self.pageBytesMax)
        )
        let isTaken = environment.runOnPool(.reads) { store throws(StorageError) in
            try PageRead.read(bounds, in: store)
        } completion: { [self] (result: Result<PageRead, StorageError>) in
            completion(
                page(result, of: table, request, readTo: tokens.upperBound).map { page in
                    var page = page
                    // Before it was read or behind that.
                    page.isPartial = isPartial || self.isPartial(request)
                    return page
                }
            )
        }
        if !isTaken { completion(.failure(Self.tooManyReads)) }
    }

    /// What may be given of the tokens of a request, from their beginning.
    private func readable(_ request: ScanRequest) -> ClosedRange<Token>? {
        guard request.isForRebuild else {
            return health.readablePrefix(request.table, request.tokens)
        }
        let mayServe = health.mayServeRebuild(request.table, tokens: request.tokens)
        return mayServe ? request.tokens : nil
    }

    private func isPartial(_ request: ScanRequest) -> Bool {
        request.isForRebuild && !health.mayRead(request.table, tokens: request.tokens)
    }

    private func page(
        _ result: Result<PageRead, StorageError>,
        of table: TableDefinition,
        _ request: ScanRequest,
        readTo last: Token
    ) -> Result<ScanPage, PeerFailure> {
        switch result {
        case .success(.page(var page)):
            // Where slices were given up meanwhile, what was read of them does not count.
            guard let tokens = readable(request) else {
                return .failure(unreadable(table, "is being rebuilt from its replicas"))
            }
            page.cut(behind: min(last, tokens.upperBound), of: request.tokens)
            return .success(page)
        case .success(.badKey):
            let text = "a key of table \(table.qualifiedName) cannot be read"
            return .failure(PeerFailure(code: .failed, text: text))
        case .success(.badRow(let token, let error)):
            undecodable(error, table, token)
            let text = "a stored row of \(table.qualifiedName) at token \(token): \(error)"
            return .failure(PeerFailure(code: .failed, text: text))
        case .success(.damaged(let token, let error)):
            corruptionFound(table.id, token, error)
            return .failure(PeerFailure(error))
        case .failure(let error): return .failure(PeerFailure(error))
        }
    }

    // MARK: Logged batches

    /// Keeps a logged batch, durably, with the time of its receipt: its age is a matter of this
    /// node's clock alone.
    package func storeBatch(_ batch: StoredBatch, completion: @escaping Completion<Void>) {
        var batch = batch
        batch.createdMicros = batches.clock.micros(at: environment.now)
        let id = batch.id
        let value = batch.encoded
        guard !batches.withBook({ $0.isStored(id) }) else {
            completion(.success(()))
            return
        }
        guard batches.withBook({ $0.admit(id, bytes: value.count) }) else {
            let text = """
                the log of batches is full (hints.batch_log_mib_max); nothing was written, try \
                again later
                """
            completion(.failure(PeerFailure(code: .overloaded, text: text)))
            return
        }
        var writes = StoreWrites()
        writes.putLocal(value, for: LocalKeys.batch(id))
        submit(writes) { [batches, environment] result in
            let bytes = value.count
            let nowMicros = batches.clock.micros(at: environment.now)
            switch result {
            case .success: batches.withBook { $0.stored(id, bytes: bytes, nowMicros: nowMicros) }
            case .failure: batches.withBook { $0.removed(id) }
            }
            completion(result)
        }
    }

    /// Forgets logged batches that are written everywhere.
    ///
    /// What stays for lack of room is written once more later, which changes nothing.
    package func removeBatches(
        _ ids: [NodeID],
        completion: @escaping Completion<Void> = { _ in }
    ) {
        var writes = StoreWrites()
        for id in ids { writes.deleteLocal(LocalKeys.batch(id)) }
        submit(writes) { [batches] result in
            if case .success = result {
                batches.withBook { book in
                    for id in ids { book.removed(id) }
                }
            }
            completion(result)
        }
    }
}
