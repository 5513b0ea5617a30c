import Catalog
import PeerMessages
import TokenPlacement

/// Random messages about ranges of rows, logged batches and marks.
extension RandomMessages {
    mutating func rangeMessage(_ kind: Kind) -> PeerMessage {
        switch kind {
        case .scan: .scan(scanRequest())
        case .rangeDigests: .rangeDigests(rangeDigestRequest())
        case .storeBatch: .storeBatch(storedBatch())
        case .noteDirty:
            .noteDirty(
                list { messages in
                    DirtyMark(
                        table: messages.table(),
                        slice: messages.count(1 << 20),
                        target: messages.id(),
                        sinceSeconds: messages.number()
                    )
                }
            )
        case .noteRepaired:
            .noteRepaired(
                list { messages in
                    RepairNote(
                        table: messages.table(),
                        slice: messages.count(1 << 20),
                        startedSeconds: messages.number()
                    )
                }
            )
        case .removeBatches: .removeBatches(list { $0.id() })
        case .deliverHints:
            .deliverHints(list { $0.mutation() }, oldestMicros: number())
        case .page:
            .page(
                ScanPage(
                    rows: list { messages in
                        ScannedRow(partition: messages.partition(), row: messages.bytes())
                    },
                    isComplete: count(2) == 0,
                    isPartial: count(2) == 0
                )
            )
        case .digests:
            .digests(
                list { messages in
                    RangeDigest(digest: messages.digest(), rowCount: messages.count(1 << 40))
                }
            )
        case .gossip, .fetchLog, .logEntries, .propose, .write, .read, .score, .loadModel,
            .fetchModel, .awaitEpoch, .proposed, .done, .rows, .scored, .modelBytes, .failed:
            preconditionFailure("\(kind) is not about ranges")
        }
    }

    mutating func table() -> TableID { TableID(UInt32(truncatingIfNeeded: random.next())) }

    mutating func number() -> Int64 { Int64(bitPattern: random.next()) }

    mutating func tokens() -> ClosedRange<Token> {
        let ends = [Token(number()), Token(number())].sorted()
        return ends[0]...ends[1]
    }

    mutating func scanRequest() -> ScanRequest {
        ScanRequest(
            table: table(),
            nowSeconds: number(),
            tokens: tokens(),
            after: count(2) == 0 ? nil : partition(),
            rowsMax: count(Int(UInt32.max)),
            bytesMax: count(Int(UInt32.max)),
            isForRebuild: count(2) == 0
        )
    }

    mutating func rangeDigestRequest() -> RangeDigestRequest {
        let ends = (0..<2 * count(4)).map { _ in number() }.sorted()
        let ranges = stride(from: 0, to: ends.count, by: 2).map {
            Token(ends[$0])...Token(ends[$0 + 1])
        }
        return RangeDigestRequest(table: table(), nowSeconds: number(), ranges: ranges)
    }

    mutating func storedBatch() -> StoredBatch {
        StoredBatch(id: id(), createdMicros: number(), mutations: list { $0.mutation() })
    }
}
