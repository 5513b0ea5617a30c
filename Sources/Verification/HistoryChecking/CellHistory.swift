/// A cell of the run.
struct CellName: Hashable, Comparable {
    var table: Int
    var key: Int
    var column: Int

    static func < (left: Self, right: Self) -> Bool {
        (left.table, left.key, left.column) < (right.table, right.key, right.column)
    }
}

/// What one operation does to one cell.
struct CellWrite {
    let operation: Int
    let version: Version
}

/// What all operations do to cells, and which value came from where.
struct CellWrites {
    private(set) var writes: [CellName: [CellWrite]] = [:]
    /// The rows that any operation writes to, by table and key (column -1).
    private(set) var keys: Set<CellName> = []
    private var origins: [[UInt8]: (cell: CellName, write: CellWrite)] = [:]

    init(_ history: History, columns: [Int]) {
        for operation in history.operations {
            guard case .write(let rows, let timestamp, _) = operation.request else { continue }
            for row in rows {
                keys.insert(CellName(table: operation.table, key: row.key, column: -1))
                for (column, version) in Self.versions(row, timestamp, columns) {
                    let cell = CellName(table: operation.table, key: row.key, column: column)
                    let write = CellWrite(operation: operation.id, version: version)
                    writes[cell, default: []].append(write)
                    if version.rank != .deletion { origins[version.value] = (cell, write) }
                }
            }
        }
    }

    /// Where a value comes from, if anybody wrote it.
    func origin(of value: [UInt8]) -> (cell: CellName, write: CellWrite)? { origins[value] }

    /// What a write of a row does to each column that it touches.
    static func versions(
        _ row: RowWrite,
        _ timestamp: Int64,
        _ columns: [Int]
    ) -> [(column: Int, version: Version)] {
        switch row.change {
        case .set(let cells, _):
            cells.sorted { $0.key < $1.key }.map { column, value in
                let version = Version(
                    timestamp: timestamp,
                    rank: row.expiresAt == nil ? .live : .expiring,
                    seconds: row.expiresAt ?? 0,
                    value: value
                )
                return (column, version)
            }
        case .deleteCells(let deleted):
            deleted.map { ($0, Version(timestamp: timestamp, rank: .deletion)) }
        case .deleteRow:
            columns.map { ($0, Version(timestamp: timestamp, rank: .deletion)) }
        }
    }
}
