import Catalog
import PeerMessages
import Replication
import Storage
import TokenPlacement

/// The table that most tests are about.
let testTable = TableID(7)

/// Nodes sort by their number.
func node(_ number: Int) -> NodeID { NodeID(high: 0xA0, low: UInt64(number)) }

/// Every node of some numbers.
func nodes(_ numbers: ClosedRange<Int>) -> [NodeID] { numbers.map(node) }

/// A table whose slices' first replicas are given; the others follow around the ring.
func replicatedTable(
    _ id: TableID = testTable,
    owners: [Int],
    factor: Int,
    keyspace: String = "shop",
    name: String = "features",
    gcGraceSeconds: Int32 = 864_000
) -> ReplicatedTable {
    ReplicatedTable(
        id: id,
        keyspace: keyspace,
        name: name,
        gcGraceSeconds: gcGraceSeconds,
        placement: ReplicaTable(
            slices: SliceMap(owners: owners.map(node)),
            locations: [:],
            strategy: .simple(factor: factor)
        )
    )
}

/// A write of one cell to a partition.
func mutation(
    _ key: Int,
    table: TableID = testTable,
    value: [UInt8] = [1],
    timestamp: Int = 1
) -> Mutation {
    Mutation(
        table: table,
        partition: PartitionRef(token: Token(Int64(key)), key: Array("k\(key)".utf8)),
        operand: columnRow(1, timestamp: timestamp, value: value)
    )
}

/// A row with one deleted cell.
func deletedRow(timestamp: Int, atSeconds: Int64) -> [UInt8] {
    Row(
        cells: [
            Cell(
                column: ColumnID(1),
                timestamp: WriteTimestamp(Int64(timestamp)),
                content: .deleted(deletionSeconds: atSeconds)
            )
        ]
    ).encoded()
}

/// A row with one cell that expires.
func expiringRow(timestamp: Int, atSeconds: Int64) -> [UInt8] {
    Row(
        cells: [
            Cell(
                column: ColumnID(1),
                timestamp: WriteTimestamp(Int64(timestamp)),
                content: .expiring([9], Expiry(atSeconds: atSeconds, timeToLiveSeconds: 60))
            )
        ]
    ).encoded()
}

extension Sequence where Element == UInt8 {
    /// Whether the bytes stand before others in the order of the disk.
    func precedes(_ other: some Sequence<UInt8>) -> Bool { lexicographicallyPrecedes(other) }
}

/// A row of up to three columns of any kind, with seconds around a second and a grace period.
func randomRow(
    _ random: inout CacheRandom,
    around nowSeconds: Int64,
    gcGraceSeconds: Int32
) -> [UInt8] {
    func second() -> Int64 {
        let centre = random.below(2) == 0 ? nowSeconds : nowSeconds - Int64(gcGraceSeconds)
        return centre + Int64(random.below(300) - 150)
    }
    var row = Row()
    if random.below(8) == 0 {
        row.deletion = Deletion(
            timestamp: WriteTimestamp(Int64(random.below(8))),
            deletionSeconds: second()
        )
    }
    if random.below(3) == 0 {
        row.marker = RowMarker(
            timestamp: WriteTimestamp(Int64(random.below(10))),
            expiry: random.below(2) == 0
                ? nil : Expiry(atSeconds: second(), timeToLiveSeconds: 60)
        )
    }
    for column in 1...3 as ClosedRange<UInt32> where random.below(3) > 0 {
        let value = [UInt8(random.below(4))]
        let content: Cell.Content =
            switch random.below(5) {
            case 0: .deleted(deletionSeconds: second())
            case 1: .expiring(value, Expiry(atSeconds: second(), timeToLiveSeconds: 60))
            case 2: .expired(atSeconds: second())
            default: .live(value)
            }
        row.cells.append(
            Cell(
                column: ColumnID(column),
                timestamp: WriteTimestamp(Int64(random.below(10))),
                content: content
            )
        )
    }
    return row.encoded()
}
