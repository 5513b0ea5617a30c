package import Catalog
package import TokenPlacement

/// The keys of what a node keeps for itself; those of its slices are `SliceKeys`.
package enum LocalKeys {
    /// The node's id: sixteen bytes.
    package static let nodeID = Array("node/id".utf8)
    /// There while tables may appear whose rows were lost with this node's disk: `LostDiskDuty`.
    package static let lostDisk = Array("node/lost-disk".utf8)
    /// There while not all slices have the marks that make up for hints that were lost: `LostHints`.
    package static let lostHints = Array("node/lost-hints".utf8)
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

    /// The batch whose key this is; nil for other keys.
    package static func batch(decoding key: [UInt8]) -> NodeID? {
        guard key.starts(with: batchPrefix), key.count == batchPrefix.count + 16 else { return nil }
        let (high, low) = (key.dropLast(8).suffix(8), key.suffix(8))
        return NodeID(
            high: high.reduce(0) { $0 << 8 | UInt64($1) },
            low: low.reduce(0) { $0 << 8 | UInt64($1) }
        )
    }
}
