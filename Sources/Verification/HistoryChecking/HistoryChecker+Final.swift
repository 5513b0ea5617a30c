internal import Catalog

/// What a replica holds of a row in the end.
package struct FinalReplica: Hashable, Sendable {
    /// The node.
    package var node: Int
    /// What a read would find.
    package var row: VisibleRow
    /// The digest of the canonical row, as text; or why it cannot be read.
    package var digest: String

    /// A replica's row.
    package init(node: Int, row: VisibleRow, digest: String) {
        self.node = node
        self.row = row
        self.digest = digest
    }
}

/// A row on all its replicas in the end.
package struct FinalRow: Hashable, Sendable {
    /// The table's place.
    package var table: Int
    /// The key.
    package var key: Int
    /// What its replicas hold.
    package var replicas: [FinalReplica]

    /// A row on all its replicas.
    package init(table: Int, key: Int, replicas: [FinalReplica]) {
        self.table = table
        self.key = key
        self.replicas = replicas
    }
}

extension HistoryChecker {
    /// Checks what is on the disks once everything is healed and quiet; behind ``checkReads()``.
    ///
    /// - Parameters:
    ///   - rows: all rows that any operation wrote to.
    ///   - nowSeconds: the second by which the rows' visible values were judged.
    package mutating func checkFinal(_ rows: [FinalRow], nowSeconds: Int64) {
        var finals: [CellName: [UInt8]] = [:]
        for row in rows {
            guard let first = row.replicas.first else { continue }
            if let other = row.replicas.first(where: { $0.digest != first.digest }) {
                report(
                    .replicasAgree,
                    table: row.table,
                    key: row.key,
                    "node \(first.node) holds \(Self.text(first)), node \(other.node) holds "
                        + Self.text(other)
                )
                continue
            }
            for column in rules.columns {
                let cell = CellName(table: row.table, key: row.key, column: column)
                finals[cell] = first.row[column]
                checkFinal(first.row[column], cell, nowSeconds)
            }
        }
        checkBatches(finals, rows, nowSeconds)
    }

    private mutating func checkFinal(_ value: [UInt8]?, _ cell: CellName, _ now: Int64) {
        let bound = finalBound(cell)
        let problem: Problem?
        if let value {
            problem =
                switch judge(value, cell, bound, before: .max, earliest: now) {
                case .success: nil
                case .failure(let problem): problem
                }
        } else {
            problem =
                switch judgeNull(cell, bound, before: .max, latest: now) {
                case .success: nil
                case .failure(let problem): problem
                }
        }
        guard let problem else { return }
        let invariant =
            switch problem.invariant {
            case .acknowledgedIsSeen, .readsNeverGoBack: Invariant.acknowledgedIsKept
            default: problem.invariant
            }
        report(invariant, table: cell.table, key: cell.key, "in the end \(problem.text)")
    }

    /// Of a logged batch of which anything was ever seen, everything is there in the end.
    private mutating func checkBatches(
        _ finals: [CellName: [UInt8]],
        _ finalRows: [FinalRow],
        _ now: Int64
    ) {
        let known = Set(finalRows.map { CellName(table: $0.table, key: $0.key, column: -1) })
        let present = Set(finals.values.compactMap { cells.origin(of: $0)?.write.operation })
        for operation in history.operations {
            // At ANY the rest may stand in hints only, which may expire.
            if operation.level == .any, !rules.anyArrives || hintsWereLost(since: operation) {
                continue
            }
            guard case .write(let rows, let timestamp, isLogged: true) = operation.request,
                seen.contains(operation.id) || present.contains(operation.id)
            else { continue }
            for row in rows {
                let name = CellName(table: operation.table, key: row.key, column: -1)
                guard known.contains(name) else { continue }
                for (column, version) in CellWrites.versions(row, timestamp, rules.columns) {
                    let cell = CellName(table: operation.table, key: row.key, column: column)
                    let floor = Floor(operation: operation, version: version, isRead: false)
                    guard !isExcused(floor, cell), !isExcusedBatch(operation, cell) else {
                        continue
                    }
                    let isThere: Bool
                    if let value = finals[cell] {
                        let found = cells.origin(of: value)?.write.version
                        isThere = found.map { $0 >= version } ?? true
                    } else {
                        isThere = nulls(cell, before: .max, latest: now).contains { $0 >= version }
                    }
                    guard !isThere else { continue }
                    report(
                        .batchIsAtomic,
                        table: operation.table,
                        key: row.key,
                        "batch #\(operation.id) is not there in c\(column), though other parts "
                            + "of it are or were seen"
                    )
                    break
                }
            }
        }
    }

    /// Whether a batch that was never acknowledged may be lost in part: who replays it may be the only
    /// one that has it, in rows and in hints, when its disk or its hints are lost, or its power before
    /// it synced.
    private func isExcusedBatch(_ operation: Operation, _ cell: CellName) -> Bool {
        guard operation.outcome != .done else { return false }
        return history.diskLosses.contains { $0.time >= operation.invoked }
            || hintsWereLost(since: operation) || !powerlessNodes(operation, cell).isEmpty
    }

    private static func text(_ replica: FinalReplica) -> String {
        let cells = replica.row.sorted { $0.key < $1.key }
            .map { "c\($0.key)=\(HistoryText.text($0.value))" }.joined(separator: " ")
        return "[\(cells)] (digest \(replica.digest))"
    }
}
