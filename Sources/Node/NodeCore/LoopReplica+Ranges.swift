internal import Catalog
package import PeerMessages
internal import Replication
internal import Storage
package import TokenPlacement

/// Ranges of rows, logged batches and marks: what other nodes ask of this one beside single rows.
extension LoopReplica {
    /// The most rows and bytes of a page, whatever the asker wants.
    private static let pageRowsMax = 10_000
    private static let pageBytesMax = 8 << 20
    /// The most ranges of one request for digests.
    private static let rangesMax = 4096

    // MARK: Ranges

    /// Reads a page of rows in the order of their keys.
    ///
    /// Rebuilding reads ranges of other replicas only; a client's scan and a repair alike must not
    /// see a slice that is being rebuilt.
    package func scan(_ request: ScanRequest, completion: @escaping Completion<ScanPage>) {
        guard let table = table(request.table) else {
            completion(.failure(unknown(request.table)))
            return
        }
        guard health.mayRead(table.id, tokens: request.tokens) else {
            completion(.failure(unreadable(table, "is being rebuilt from its replicas")))
            return
        }
        var range = RowKey.sliceRange(table: table.id, tokens: request.tokens)
        if let after = request.after {
            let key = RowKey(table: table.id, token: after.token, partitionKey: after.key)
            let start = key.encoded + [0]
            if range.lower.lexicographicallyPrecedes(start) { range.lower = start }
        }
        let keys = range
        let rowsMax = min(max(1, request.rowsMax), Self.pageRowsMax)
        let bytesMax = min(max(1, request.bytesMax), Self.pageBytesMax)
        let isTaken = environment.runOnPool(.reads) { store throws(StorageError) in
            Self.page(try store.scan(keys, rowsMax: rowsMax, bytesMax: bytesMax))
        } completion: { [self] (result: Result<ScanPage?, StorageError>) in
            switch result {
            case .success(let page?): completion(.success(page))
            case .success(nil):
                let text = "a key of table \(table.qualifiedName) cannot be read"
                completion(.failure(PeerFailure(code: .failed, text: text)))
            case .failure(let error): completion(.failure(rangeFailed(request, error)))
            }
        }
        if !isTaken { completion(.failure(Self.tooManyReads)) }
    }

    /// The rows with their partitions; nil if a key is none of this program's.
    private static func page(_ scan: StoreScan) -> ScanPage? {
        var rows: [ScannedRow] = []
        rows.reserveCapacity(scan.entries.count)
        for entry in scan.entries {
            guard let key = try? RowKey(decoding: entry.key) else { return nil }
            let partition = PartitionRef(token: key.token, key: key.partitionKey)
            rows.append(ScannedRow(partition: partition, row: entry.row))
        }
        return ScanPage(rows: rows, isComplete: scan.isComplete)
    }

    /// Digests what is stored in some token ranges.
    package func digests(
        _ request: RangeDigestRequest,
        completion: @escaping Completion<[RangeDigest]>
    ) {
        guard let table = table(request.table) else {
            completion(.failure(unknown(request.table)))
            return
        }
        guard request.ranges.count <= Self.rangesMax else {
            let text = """
                digests of \(request.ranges.count) ranges are asked for, the limit is \
                \(Self.rangesMax): ask for fewer at once
                """
            completion(.failure(PeerFailure(code: .invalid, text: text)))
            return
        }
        guard request.ranges.allSatisfy({ health.mayRead(table.id, tokens: $0) }) else {
            completion(.failure(unreadable(table, "is being rebuilt from its replicas")))
            return
        }
        let gcGraceSeconds = table.options.gcGraceSeconds
        let isTaken = environment.runOnPool(.background) { store throws(StorageError) in
            try RangeDigester.digests(request, gcGraceSeconds: gcGraceSeconds, in: store)
        } completion: { [self] (result: Result<[RangeDigest], StorageError>) in
            switch result {
            case .success(let digests): completion(.success(digests))
            case .failure(let error):
                for range in request.ranges {
                    if case .corruption = error {
                        corruptionFound(table.id, range.lowerBound, error)
                    }
                }
                completion(.failure(PeerFailure(error)))
            }
        }
        if !isTaken { completion(.failure(Self.tooManyReads)) }
    }

    private func rangeFailed(_ request: ScanRequest, _ error: StorageError) -> PeerFailure {
        if case .corruption = error {
            let start = request.after?.token ?? request.tokens.lowerBound
            corruptionFound(request.table, start, error)
        }
        return PeerFailure(error)
    }

    // MARK: Logged batches

    /// Keeps a logged batch, durably.
    package func storeBatch(_ batch: StoredBatch, completion: @escaping Completion<Void>) {
        var writes = StoreWrites()
        writes.putLocal(batch.encoded, for: LocalKeys.batch(batch.id))
        submit(writes, completion: completion)
    }

    /// Forgets logged batches that are written everywhere.
    package func removeBatches(_ ids: [NodeID]) {
        var writes = StoreWrites()
        for id in ids { writes.deleteLocal(LocalKeys.batch(id)) }
        // What stays for lack of room is written once more later, which changes nothing.
        submit(writes) { _ in }
    }
}
