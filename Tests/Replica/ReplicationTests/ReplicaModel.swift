import Catalog
import PeerMessages
import Replication
import Storage
import TokenPlacement

/// One replica's rows of one table: a dictionary that answers what repair asks of a replica.
struct ReplicaModel: Hashable {
    /// The rows as they are stored.
    var rows: [PartitionRef: [UInt8]] = [:]

    mutating func write(_ mutations: [Mutation]) {
        for mutation in mutations {
            let stored = rows[mutation.partition].map { [$0] } ?? []
            rows[mutation.partition] = RowMerge.merge(stored + [mutation.operand])
        }
    }

    /// The answer to a request for digests, from pages of so many rows.
    func digests(
        _ request: RangeDigestRequest,
        gcGraceSeconds: Int32,
        pageRows: Int = 50
    ) throws -> [RangeDigest] {
        let stored = sorted.map { partition, row in
            StoredRow(key: storeKey(partition, table: request.table), row: row)
        }
        var digester = RangeDigester(request, gcGraceSeconds: gcGraceSeconds)
        while let range = digester.nextScan {
            let found = stored.filter { range.contains($0.key) }
            try digester.add(
                StoreScan(
                    entries: Array(found.prefix(pageRows)),
                    isComplete: found.count <= pageRows
                )
            )
        }
        return digester.digests
    }

    /// The answer to a request for rows.
    func page(_ request: ScanRequest) -> ScanPage {
        var found: [ScannedRow] = []
        var bytes = 0
        let candidates = rows.filter { partition, _ in
            request.tokens.contains(partition.token)
                && (request.after.map { isBefore($0, partition) } ?? true)
        }
        for (partition, row) in candidates.sorted(by: { isBefore($0.key, $1.key) }) {
            if found.count >= max(1, request.rowsMax) || bytes >= request.bytesMax {
                return ScanPage(rows: found, isComplete: false)
            }
            found.append(ScannedRow(partition: partition, row: row))
            bytes += row.count
        }
        return ScanPage(rows: found, isComplete: true)
    }

    /// The rows in the order of their keys.
    var sorted: [(key: PartitionRef, value: [UInt8])] {
        rows.sorted { isBefore($0.key, $1.key) }
    }

    /// The rows as they are at a second; those of which nothing is left are none.
    func canonical(nowSeconds: Int64, gcGraceSeconds: Int32) throws -> [PartitionRef: [UInt8]] {
        try rows.mapValues {
            try RowView(validating: $0)
                .canonicalBytes(nowSeconds: nowSeconds, gcGraceSeconds: gcGraceSeconds)
        }
        .filter { $0.value != RowMerge.emptyRow }
    }

    /// A replica with everything that some replicas have.
    static func merged(_ replicas: some Sequence<ReplicaModel>) -> ReplicaModel {
        var merged = ReplicaModel()
        for replica in replicas {
            merged.rows.merge(replica.rows) { RowMerge.merge([$0, $1]) }
        }
        return merged
    }
}

/// The key on disk of a partition of a table.
func storeKey(_ partition: PartitionRef, table: TableID = testTable) -> [UInt8] {
    RowKey(table: table, token: partition.token, partitionKey: partition.key).encoded
}

/// Whether a partition stands before another one on disk.
func isBefore(_ left: PartitionRef, _ right: PartitionRef) -> Bool {
    left.token != right.token ? left.token < right.token : left.key.precedes(right.key)
}

/// Tokens by their distance from a first one.
func tokens(_ range: ClosedRange<Int64>) -> ClosedRange<Token> {
    Token(range.lowerBound)...Token(range.upperBound)
}

/// A partition at a token; several may share it.
func partition(_ token: Int64, _ name: String = "") -> PartitionRef {
    PartitionRef(token: Token(token), key: Array("\(name)\(token)".utf8))
}
