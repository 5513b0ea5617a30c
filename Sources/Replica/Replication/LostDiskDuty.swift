internal import ByteCoding
internal import Catalog
package import TokenPlacement

/// What a node whose disk was lost owes until it is rebuilt: no table that may have had rows here
/// is readable before they are back.
///
/// The log that the node started with may be behind, so that such a table appears only later. While
/// the duty stands, every table that appears is marked; it ends once those that have the whole log
/// have been alive for a while and nothing more appeared: every message of theirs tells their epoch.
package struct LostDiskDuty: Hashable, Sendable {
    /// The rounds in a row in which those that have the whole log must be alive.
    package static let calmRoundsMin = 10

    /// Tables with lower ids are marked: ids only grow.
    private var markedBelow: UInt32 = 0
    private var calmRounds = 0

    /// A duty of which nothing is done.
    package init() {}

    /// The duty that a value on disk says.
    package init(value: [UInt8]) {
        var reader = ByteReader(Array(value.dropFirst()))
        if let below = try? reader.readUInt32(), reader.isAtEnd { markedBelow = below }
    }

    /// What is kept on disk.
    package var value: [UInt8] {
        var writer = ByteWriter(capacity: 5)
        writer.writeUInt8(1)
        writer.writeUInt32(markedBelow)
        return writer.bytes
    }

    /// The tables are these by now.
    ///
    /// - Returns: the slices of those that are new of which this node is a replica, sorted: they
    ///   cannot be read. Those without another replica stay so.
    package mutating func tablesSeen(
        _ tables: [ReplicatedTable],
        on node: NodeID
    ) -> [SliceID] {
        let new = tables.filter { $0.id.value >= markedBelow }.sorted { $0.id < $1.id }
        guard let last = new.last else { return [] }
        markedBelow = last.id.value == .max ? .max : last.id.value + 1
        calmRounds = 0
        return new.flatMap { table in
            (0..<table.sliceCount)
                .filter { table.replicas(ofSlice: $0).contains(node) }
                .map { SliceID(table.id, $0) }
        }
    }

    /// A round passed, in which those that have the whole log were alive, or not.
    ///
    /// - Returns: whether the duty is done.
    package mutating func roundPassed(areSourcesAlive: Bool) -> Bool {
        calmRounds = areSourcesAlive ? calmRounds + 1 : 0
        return calmRounds >= Self.calmRoundsMin
    }
}
