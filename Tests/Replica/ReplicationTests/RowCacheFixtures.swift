import Catalog
import Replication
import Storage
import TokenPlacement

/// A generator that gives the same numbers for the same seed (SplitMix64).
struct CacheRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
}

/// A row whose only cell was written as version `number`: merging two gives the greater version.
func versionRow(_ number: Int, bytes: Int = 1) -> [UInt8] {
    Row(
        cells: [
            Cell(
                column: ColumnID(1),
                timestamp: WriteTimestamp(Int64(number)),
                content: .live(Array(repeating: UInt8(truncatingIfNeeded: number), count: bytes))
            )
        ]
    ).encoded()
}

/// The version of such a row.
func version(of row: [UInt8]) throws -> Int {
    let cells = try Row(decoding: row).cells
    guard cells.count == 1 else { preconditionFailure("not a row of a version: \(cells)") }
    return Int(cells[0].timestamp.microseconds)
}

/// A row with one column, so that rows of different columns show in a merge.
func columnRow(_ column: Int, timestamp: Int, value: [UInt8]) -> [UInt8] {
    Row(
        cells: [
            Cell(
                column: ColumnID(UInt32(column)),
                timestamp: WriteTimestamp(Int64(timestamp)),
                content: .live(value)
            )
        ]
    ).encoded()
}

/// A key of table 7 whose token is given, not computed: tokens may collide.
func cacheKey(_ partitionKey: [UInt8], token: Int64 = 5, table: UInt32 = 7) -> RowKey {
    RowKey(table: TableID(table), token: Token(token), partitionKey: partitionKey)
}

/// A batch that merges operands.
func batch(_ merges: [(key: RowKey, operand: [UInt8])]) -> StoreWrites {
    var writes = StoreWrites()
    for merge in merges { writes.merge(merge.operand, into: merge.key.encoded) }
    return writes
}

extension RowCache {
    /// Looks a row up and fills in what the store holds if it is not cached.
    @discardableResult
    func put(_ key: RowKey, _ row: [UInt8]?) -> Bool {
        guard case .miss(let ticket) = lookup(key) else { return true }
        return fill(ticket, key, row: row)
    }

    /// A cached row; nil if it is not cached, [] if it is known to be absent.
    func cached(_ key: RowKey) -> [UInt8]? {
        switch lookup(key) {
        case .found(let row): row
        case .absent: []
        case .miss: nil
        }
    }

    /// Everything that the writer does for a batch, but for the store.
    func apply(_ writes: StoreWrites, failed: Bool = false) {
        writesWillBegin([writes])
        writesDidEnd([writes], failed: failed)
    }
}
