internal import ByteCoding
internal import Catalog
package import PeerMessages
package import Storage
package import TokenPlacement

/// The node's own keys that say how its slices are, and their values.
///
/// All numbers are big-endian; `table` and `slice` take four bytes each:
///
///     dirty/    table slice target(16)  ->  since(8)
///     repaired/ table slice             ->  started(8) replicas(16)
///     rebuild/  table slice             ->  state(1)
///
/// `replicas` is a digest of the ids of the replicas that were repaired, so that a repair of other
/// replicas is never taken for one of these.
package enum SliceKeys {
    /// What the keys of dirty marks begin with.
    package static let dirtyPrefix = Array("dirty/".utf8)
    /// What the keys of last repairs begin with.
    package static let repairedPrefix = Array("repaired/".utf8)
    /// What the keys of slices that cannot be read begin with.
    package static let rebuildPrefix = Array("rebuild/".utf8)

    /// The range of all keys with a prefix.
    package static func range(of prefix: [UInt8]) -> KeyRange {
        KeyRange(lower: prefix, upper: KeyRange.successor(of: prefix))
    }

    /// Sets a dirty mark.
    package static func put(_ mark: DirtyMark) -> LocalChange {
        var value = ByteWriter(capacity: 8)
        value.writeInt64(mark.sinceSeconds)
        return LocalChange(key: dirtyKey(mark), value: value.bytes)
    }

    /// Removes a dirty mark.
    package static func remove(_ mark: DirtyMark) -> LocalChange {
        LocalChange(key: dirtyKey(mark), value: nil)
    }

    /// The dirty mark of a key and its value, or nil if they are none.
    package static func dirtyMark(key: [UInt8], value: [UInt8]) -> DirtyMark? {
        guard let (slice, rest) = slice(key, behind: dirtyPrefix), rest.count == 16 else {
            return nil
        }
        var target = ByteReader(rest)
        var since = ByteReader(value)
        guard let high = try? target.readUInt64(), let low = try? target.readUInt64(),
            let seconds = try? since.readInt64(), since.isAtEnd
        else { return nil }
        return DirtyMark(
            table: slice.table,
            slice: slice.slice,
            target: NodeID(high: high, low: low),
            sinceSeconds: seconds
        )
    }

    /// Keeps the start of the last repair of some replicas.
    package static func putRepaired(
        _ slice: SliceID,
        startedSeconds: Int64,
        replicas: RowDigest
    ) -> LocalChange {
        var value = ByteWriter(capacity: 24)
        value.writeInt64(startedSeconds)
        value.writeBytes(replicas.bytes)
        return LocalChange(key: key(repairedPrefix, slice), value: value.bytes)
    }

    /// Forgets the last repair.
    package static func removeRepaired(_ slice: SliceID) -> LocalChange {
        LocalChange(key: key(repairedPrefix, slice), value: nil)
    }

    /// The last repair of a key and its value, or nil if they are none.
    package static func repaired(
        key: [UInt8],
        value: [UInt8]
    ) -> (slice: SliceID, startedSeconds: Int64, replicas: RowDigest)? {
        guard let (slice, rest) = slice(key, behind: repairedPrefix), rest.isEmpty else {
            return nil
        }
        var reader = ByteReader(value)
        guard let started = try? reader.readInt64(), let high = try? reader.readUInt64(),
            let low = try? reader.readUInt64(), reader.isAtEnd
        else { return nil }
        return (slice, started, RowDigest(high: high, low: low))
    }

    /// Keeps that a slice cannot be read, and why; nil: it can.
    static func put(_ state: SliceHealth.State?, _ slice: SliceID) -> LocalChange {
        LocalChange(key: key(rebuildPrefix, slice), value: state.map { [$0.rawValue] })
    }

    /// The state of a slice of a key and its value, or nil if they are none.
    static func state(key: [UInt8], value: [UInt8]) -> (SliceID, SliceHealth.State)? {
        guard let (slice, rest) = slice(key, behind: rebuildPrefix), rest.isEmpty,
            value.count == 1, let state = SliceHealth.State(rawValue: value[0])
        else { return nil }
        return (slice, state)
    }

    /// A digest of the ids of some nodes, in whatever order they are given.
    package static func digest(of replicas: [NodeID]) -> RowDigest {
        RowDigest.combine(replicas.sorted().map { RowDigest(high: $0.high, low: $0.low) })
    }

    private static func dirtyKey(_ mark: DirtyMark) -> [UInt8] {
        key(dirtyPrefix, SliceID(mark.table, mark.slice)) + mark.target.bytes
    }

    private static func key(_ prefix: [UInt8], _ slice: SliceID) -> [UInt8] {
        var writer = ByteWriter(capacity: prefix.count + 24)
        writer.writeBytes(prefix)
        writer.writeUInt32(slice.table.value)
        writer.writeUInt32(UInt32(clamping: slice.slice))
        return writer.bytes
    }

    /// The slice that a key names behind its prefix, and what follows.
    private static func slice(
        _ key: [UInt8],
        behind prefix: [UInt8]
    ) -> (SliceID, rest: [UInt8])? {
        guard key.starts(with: prefix) else { return nil }
        var reader = ByteReader(key[prefix.count...])
        guard let table = try? reader.readUInt32(), let slice = try? reader.readUInt32() else {
            return nil
        }
        return (SliceID(TableID(table), Int(slice)), reader.readRemaining())
    }
}
