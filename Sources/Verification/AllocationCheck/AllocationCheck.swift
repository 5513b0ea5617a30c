internal import CAllocationCounter
internal import CQL
internal import Catalog
internal import ClusterLog
internal import Foundation
internal import NativeProtocol
internal import NodeRuntime
internal import PeerMessages
internal import RocksStorage
internal import Storage
internal import TokenPlacement

/// Counts what one returned row costs in heap allocations, from the store to the response frame.
///
/// A program, not a unit test: only an optimised build says anything.
@main
struct AllocationCheck {
    private let node = NodeID(high: 1, low: 1)

    /// A cluster of one node with a table of an int key and so many float columns.
    private func state(columns: Int) throws -> ClusterState {
        let record = NodeRecord(
            id: node,
            address: "127.0.0.1",
            nativePort: 9042,
            internodePort: 7000,
            location: Location(datacenter: "d", rack: "r")
        )
        let names = (0..<columns).map { "f\($0) float" }.joined(separator: ", ")
        var state = ClusterState()
        func apply(_ change: ClusterChange) throws {
            try state.apply(
                LogEntry(
                    epoch: state.epoch.next,
                    ballot: Ballot(round: 1, node: node),
                    change: change
                )
            )
        }
        try apply(
            .found(
                Founding(
                    clusterID: NodeID(high: 2, low: 2),
                    name: "test",
                    sliceCount: 64,
                    expectedNodeCount: 1,
                    node: record
                )
            )
        )
        for text in [
            "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TABLE k.t (id int PRIMARY KEY, \(names))",
        ] {
            guard case .schema(let plan) = try Planner.plan(cql: text, state: state).action else {
                preconditionFailure("not a schema statement: \(text)")
            }
            try apply(plan.change)
        }
        return state
    }

    /// The allocations of one SELECT of so many rows, behind the first one, which warms caches.
    private func allocations(rows: Int, columns: Int) throws -> Int {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try RocksStore(options: RocksOptions(path: folder.path))
        defer { store.close() }
        let state = try state(columns: columns)
        let list = (0..<columns).map { "f\($0)" }.joined(separator: ", ")
        let values = (0..<columns).map { "\($0).5" }.joined(separator: ", ")
        var writes = StoreWrites()
        for id in 0..<rows {
            let insert = "INSERT INTO k.t (id, \(list)) VALUES (\(id), \(values))"
            let plan = try Planner.plan(cql: insert, state: state)
            guard case .write(let write) = plan.action else {
                preconditionFailure("not a write: \(insert)")
            }
            let mutation = try write.bind(defaultTimestampMicros: 1, nowSeconds: 1)
            writes.merge(mutation.operand, into: mutation.rowKey.encoded)
        }
        try store.commit(writes)
        let ids = (0..<rows).map(String.init).joined(separator: ", ")
        let text = "SELECT * FROM k.t WHERE id IN (\(ids))"
        let plan = try Planner.plan(cql: text, state: state)
        guard case .select(let select) = plan.action else {
            preconditionFailure("not a SELECT: \(text)")
        }
        let bound = try select.bind()
        let metadata = RowsMetadata(columnCount: columns + 1)
        func answer() throws -> Int {
            let before = martlet_allocation_count()
            var keys: [[UInt8]] = []
            keys.reserveCapacity(rows)
            for partition in bound.partitions {
                keys.append(
                    RowKey(
                        table: bound.table.id,
                        token: partition.token,
                        partitionKey: partition.key
                    ).encoded
                )
            }
            let found = try store.read(keys)
            let frame = try RowWriting(select, nowSeconds: 1).frame(
                bound,
                found,
                metadata: metadata,
                stream: 0,
                extras: ResponseExtras()
            )
            let count = Int(martlet_allocation_count() - before)
            precondition(frame.count > rows * columns * 8, "a frame of \(frame.count) bytes")
            return count
        }
        _ = try answer()
        return try answer()
    }

    static func main() throws {
        let check = AllocationCheck()
        let narrow = try check.allocations(rows: 400, columns: 5)
        let wide = try check.allocations(rows: 400, columns: 50)
        let fewer = try check.allocations(rows: 100, columns: 50)
        let perRow = Double(wide - fewer) / 300
        let perRowForColumns = Double(wide - narrow) / 400
        print("allocations per returned row: \(perRow)")
        print("more of them for 45 more columns: \(perRowForColumns)")
        // Measured: 10.2, most of them RocksDB's own; the bound leaves room for its versions.
        guard (1...12).contains(perRow), abs(perRowForColumns) < 1 else {
            print("failed: at most 12 per row are allowed, and none per column")
            exit(1)
        }
    }
}
