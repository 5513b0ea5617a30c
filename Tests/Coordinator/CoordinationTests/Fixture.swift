import Catalog
import Coordination
import PeerMessages
import Storage
import TokenPlacement

/// A small seeded generator (splitmix64), so that random tests are the same in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// Nodes, views, rows and replies to test with.
enum Fixture {
    static let a = id(1)
    static let b = id(2)
    static let c = id(3)
    static let d = id(4)
    static let e = id(5)

    static func id(_ number: UInt64) -> NodeID { NodeID(high: 0, low: number) }

    /// A ring of nodes from 1 on with a keyspace `ks`; racks and slices go round.
    static func view(
        nodes count: Int,
        _ replication: ReplicationStrategy,
        datacenters: [String] = ["dc1"],
        alive: [NodeID]? = nil,
        node: NodeID = a
    ) -> ClusterView {
        var state = ClusterState()
        state.expectedNodeCount = count
        let ids = (1...UInt64(count)).map { id($0) }
        for (place, id) in ids.enumerated() {
            state.nodes[id] = NodeRecord(
                id: id,
                address: "127.0.0.\(place + 1)",
                nativePort: 9042,
                internodePort: 7000,
                location: Location(
                    datacenter: datacenters[place % datacenters.count],
                    rack: "rack\(place)"
                )
            )
        }
        state.slices = SliceMap(owners: (0..<32).map { ids[$0 % count] })
        state.keyspaces["ks"] = KeyspaceDefinition(name: "ks", replication: replication)
        return ClusterView(node: node, state: state, alive: Set(alive ?? ids))
    }

    /// The first partition, counted from `start`, whose replicas are these.
    static func partition(
        on replicas: [NodeID],
        in view: ClusterView,
        from start: UInt8 = 0
    ) throws -> PartitionRef {
        let placement = try view.placement(of: "ks")
        for byte in start...255 {
            let partition = PartitionRef(key: [byte])
            if placement.replicas(of: partition.token) == replicas { return partition }
        }
        throw CoordinationError.invalid("no key of one byte is on \(replicas)")
    }

    static func group(
        _ candidates: [NodeID],
        required: Int,
        keys: [Int]
    ) -> KeyGroup {
        KeyGroup(replicas: candidates, candidates: candidates, required: required, keys: keys)
    }

    // MARK: Rows

    /// A row that was inserted with one value at one time.
    static func row(_ timestamp: Int64, _ value: UInt8, column: UInt32 = 2) -> [UInt8] {
        var builder = RowBuilder(timestamp: WriteTimestamp(timestamp))
        builder.insertMarker()
        builder.set(ColumnID(column), to: [value])
        return builder.encoded()
    }

    /// The tombstone of a row.
    static func tombstone(_ timestamp: Int64, deletionSeconds: Int64) -> [UInt8] {
        var builder = RowBuilder(timestamp: WriteTimestamp(timestamp))
        builder.deleteRow(deletionSeconds: deletionSeconds)
        return builder.encoded()
    }

    static let nowSeconds: Int64 = 1_000_000
    static let gcGraceSeconds: Int32 = 1000

    static func digest(_ rows: [[UInt8]?]) throws -> RowDigest {
        RowDigest.combine(
            try rows.map { row in
                guard let row else { return RowDigest.absent }
                return try RowView(validating: row)
                    .digest(nowSeconds: nowSeconds, gcGraceSeconds: gcGraceSeconds)
            }
        )
    }

    /// What a replica that holds these rows answers.
    static func reply(_ rows: [[UInt8]?], _ mode: ReadRequest.Mode = .data) throws -> ReadGroupReply
    {
        ReadGroupReply(
            digest: mode == .rows ? .absent : try digest(rows),
            rows: mode == .digest ? [] : rows
        )
    }

    static func failure(_ code: PeerFailure.Code) -> PeerFailure {
        PeerFailure(code: code, text: "no")
    }
}
