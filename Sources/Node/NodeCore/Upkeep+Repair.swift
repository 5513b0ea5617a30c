internal import Catalog
internal import Coordination
internal import PeerMessages
internal import Replication
internal import Storage
package import SystemTables
internal import TokenPlacement

extension Upkeep {
    func marked(_ marks: [DirtyMark]) {}

    func noteRepaired(_ notes: [RepairNote], completion: @escaping LoopReplica.Completion<Void>) {
        completion(.success(()))
    }

    package var activity: NodeActivity { NodeActivity() }

    package func startRepair(keyspace: String?, table: String?) {}
}

enum RangeDigester {
    static func digests(
        _ request: RangeDigestRequest,
        gcGraceSeconds: Int32,
        in store: any StoreReading
    ) throws(StorageError) -> [RangeDigest] { [] }
}
