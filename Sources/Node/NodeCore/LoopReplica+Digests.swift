internal import Catalog
package import PeerMessages
internal import Replication
internal import Storage
package import TokenPlacement

/// Digests of token ranges, by which replicas are compared.
///
/// A slice may be greater than memory: it is read step by step, each a job of its own on the
/// background pool, so that hints, batches and sweeps have their turn, and within a rate that all
/// askers share.
extension LoopReplica {
    /// The most ranges of one request.
    private static let rangesMax = 4096
    /// The bytes of a step.
    private static let stepBytesMax = 1 << 20
    /// How long a step waits that the pool has no room for.
    private static let stepPause = Duration.milliseconds(50)

    /// Digests what is stored in some token ranges.
    ///
    /// A node repairs one slice at a time: what it asks for takes the place of what it asked for
    /// before, for which it may not wait any more.
    package func digests(
        _ request: RangeDigestRequest,
        for asker: NodeID,
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
        guard isReadable(request) else {
            completion(.failure(unreadable(table, "is being rebuilt from its replicas")))
            return
        }
        let digester = RangeDigester(request, gcGraceSeconds: table.options.gcGraceSeconds)
        digest(digester, of: request, table, digestTurns.begin(for: asker), completion)
    }

    /// Waits until the rate allows a step, and does it; then the next one.
    private func digest(
        _ digester: RangeDigester,
        of request: RangeDigestRequest,
        _ table: TableDefinition,
        _ turn: SharedTurns.Turn,
        _ completion: @escaping Completion<[RangeDigest]>
    ) {
        guard digestTurns.isLast(turn) else {
            let text = "node \(turn.asker) has asked for other digests since"
            completion(.failure(PeerFailure(code: .failed, text: text)))
            return
        }
        let pause = digestRate.ready(now: environment.now) - environment.now
        guard pause <= .zero else {
            _ = environment.schedule(after: max(.milliseconds(1), pause)) { [self] in
                digest(digester, of: request, table, turn, completion)
            }
            return
        }
        let rowsMax = digestRowsMax
        let isTaken = environment.runOnPool(.background) { store throws(StorageError) in
            var digester = digester
            try digester.run(in: store, rowsMax: rowsMax, bytesMax: Self.stepBytesMax)
            return digester
        } completion: { [self] (result: Result<RangeDigester, StorageError>) in
            switch result {
            case .success(let next):
                digestRate.take(next.bytesRead - digester.bytesRead, now: environment.now)
                guard isReadable(request) else {
                    completion(.failure(unreadable(table, "is being rebuilt from its replicas")))
                    return
                }
                guard next.isDone else {
                    digest(next, of: request, table, turn, completion)
                    return
                }
                completion(.success(next.digests))
            case .failure(let error):
                if error.asDamage != nil {
                    for range in request.ranges {
                        corruptionFound(table.id, range.lowerBound, error)
                    }
                }
                completion(.failure(PeerFailure(error)))
            }
        }
        guard !isTaken else { return }
        // Who began later asks again; what was read already is not thrown away.
        guard digester.bytesRead > 0 else {
            completion(.failure(Self.tooManyReads))
            return
        }
        _ = environment.schedule(after: Self.stepPause) { [self] in
            digest(digester, of: request, table, turn, completion)
        }
    }

    private func isReadable(_ request: RangeDigestRequest) -> Bool {
        request.ranges.allSatisfy { health.mayRead(request.table, tokens: $0) }
    }
}
