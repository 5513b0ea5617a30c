package import Catalog

/// What became of an operation, as its client knows.
package enum OperationOutcome: Hashable, Sendable {
    /// It has not returned.
    case open
    /// It was done.
    case done
    /// Nothing was done, and nothing will be.
    case refused(String)
    /// It may have been done, or be done later.
    case unknown(String)
}

/// What a write does to one row.
package struct RowWrite: Hashable, Sendable {
    /// The change.
    package enum Change: Hashable, Sendable {
        /// Sets cells, by column; an INSERT if `isInsert`.
        case set([Int: [UInt8]], isInsert: Bool)
        /// Deletes cells.
        case deleteCells([Int])
        /// Deletes the row.
        case deleteRow
    }

    /// The row's key, a small number.
    package var key: Int
    /// What happens to it.
    package var change: Change
    /// When what it sets expires, in seconds since 1970; nil: never.
    package var expiresAt: Int64?

    /// A write of one row.
    package init(key: Int, change: Change, expiresAt: Int64? = nil) {
        self.key = key
        self.change = change
        self.expiresAt = expiresAt
    }
}

/// What a read found in one row: the values that a client would see, by column.
package typealias VisibleRow = [Int: [UInt8]]

/// One operation of a client.
package struct Operation: Sendable {
    /// What was asked for.
    package enum Request: Hashable, Sendable {
        /// Rows of one table with one timestamp.
        case write([RowWrite], timestamp: Int64, isLogged: Bool)
        /// Keys of a table.
        case read([Int])
        /// All of a table.
        case scan
        /// Keys of a table, scored by their first column.
        case score([Int])
        /// Another table was made, changed or dropped.
        case schema(String)
    }

    /// The operation's number; values and messages name it.
    package let id: Int
    /// The client.
    package let client: Int
    /// The node that coordinated it, and its datacenter.
    package let node: Int
    /// The coordinator's datacenter.
    package let datacenter: String
    /// The table's place among those of the run.
    package let table: Int
    /// What was asked for.
    package let request: Request
    /// The level.
    package let level: ConsistencyLevel
    /// When it began.
    package let invoked: Nanoseconds
    /// The coordinator's wall clock, by which cells of a read expire; nil if nobody knows.
    package let nowSeconds: Int64?
    /// When it returned.
    package var returned: Nanoseconds?
    /// What became of it.
    package var outcome = OperationOutcome.open
    /// The rows that a read or a scan found, by key.
    package var rows: [Int: VisibleRow] = [:]
    /// The scores, by key; nil where there was nothing to score.
    package var scores: [Int: Float?] = [:]

    /// An operation that begins.
    package init(
        id: Int,
        client: Int = 0,
        node: Int = 0,
        datacenter: String = "dc1",
        table: Int = 0,
        request: Request,
        level: ConsistencyLevel,
        invoked: Nanoseconds,
        nowSeconds: Int64? = nil
    ) {
        self.id = id
        self.client = client
        self.node = node
        self.datacenter = datacenter
        self.table = table
        self.request = request
        self.level = level
        self.invoked = invoked
        self.nowSeconds = nowSeconds
    }

    /// The keys that it names.
    package var keys: [Int] {
        switch request {
        case .write(let rows, _, _): rows.map(\.key)
        case .read(let keys), .score(let keys): keys
        case .scan: rows.keys.sorted()
        case .schema: []
        }
    }
}

/// Rows of a node's disk that were lost.
package struct DiskLoss: Hashable, Sendable {
    /// When they were.
    package var time: Nanoseconds
    /// The node.
    package var node: Int
    /// Their keys, by table; nil: all that was on the disk.
    package var keys: [Int: Set<Int>]?

    /// A loss of some rows, or of all.
    package init(at time: Nanoseconds, node: Int, keys: [Int: Set<Int>]? = nil) {
        self.time = time
        self.node = node
        self.keys = keys
    }

    /// Whether a row may have been among them.
    func hits(table: Int, key: Int) -> Bool {
        keys.map { $0[table, default: []].contains(key) } ?? true
    }
}

/// All that clients did and saw, in the order in which it began.
package struct History: Sendable {
    /// The operations; an operation's id is its place.
    package private(set) var operations: [Operation] = []
    /// When a node lost its power.
    package var powerLosses: [(time: Nanoseconds, node: Int)] = []
    /// What was lost of disks: all, or slices that were dropped since they were damaged.
    package var diskLosses: [DiskLoss] = []
    /// When a node lost the hints that it kept for others.
    package var hintLosses: [(time: Nanoseconds, node: Int)] = []
    /// When nothing ran on a node, in the order in which that began.
    package var pauses: [(node: Int, start: Nanoseconds, end: Nanoseconds)] = []

    /// An empty history.
    package init() {}

    /// The tables and keys that any operation writes to, sorted.
    package var writtenRows: [(table: Int, key: Int)] {
        var names: Set<CellName> = []
        for operation in operations {
            guard case .write(let rows, _, _) = operation.request else { continue }
            for row in rows {
                names.insert(CellName(table: operation.table, key: row.key, column: -1))
            }
        }
        return names.sorted().map { ($0.table, $0.key) }
    }

    /// The id of the next operation.
    package var nextID: Int { operations.count }

    /// An operation begins.
    package mutating func began(_ operation: Operation) {
        precondition(operation.id == operations.count, "operation \(operation.id) is not the next")
        operations.append(operation)
    }

    /// An operation ends.
    package mutating func ended(
        _ id: Int,
        at time: Nanoseconds,
        _ outcome: OperationOutcome,
        rows: [Int: VisibleRow] = [:],
        scores: [Int: Float?] = [:]
    ) {
        operations[id].returned = time
        operations[id].outcome = outcome
        operations[id].rows = rows
        operations[id].scores = scores
    }
}
