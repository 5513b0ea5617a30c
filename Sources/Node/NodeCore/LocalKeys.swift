package import Catalog
package import TokenPlacement

/// The keys of what a node keeps for itself; those of its slices are `SliceKeys`.
package enum LocalKeys {
    /// The node's id: sixteen bytes.
    package static let nodeID = Array("node/id".utf8)
    /// There while the node, whose disk was lost, has not marked all its slices for rebuilding.
    package static let lostDisk = Array("node/lost-disk".utf8)
    /// What the keys of log entries begin with.
    package static let logPrefix = Array("log/".utf8)
    /// What the keys of logged batches begin with.
    package static let batchPrefix = Array("batch/".utf8)

    /// The key of the entry of an epoch; keys sort as epochs do.
    package static func logEntry(_ epoch: Epoch) -> [UInt8] {
        logPrefix + withUnsafeBytes(of: epoch.value.bigEndian) { Array($0) }
    }

    /// The key of a logged batch.
    package static func batch(_ id: NodeID) -> [UInt8] { batchPrefix + id.bytes }
}
