internal import ByteCoding
internal import Catalog
package import PeerMessages
internal import TokenPlacement

/// Hints that were lost before they were handed over: any replica of any slice may lack what they
/// held, and nobody else knows.
///
/// So every slice gets dirty marks, some at a time. What makes the loss known stays on disk until all
/// of them are there: a crash before only marks the first ones once more.
package struct LostHints: Hashable, Sendable {
    /// The slices that are marked at once: their marks must fit into the writer's queue beside all else.
    package static let slicesMax = 8

    /// When they were lost, in seconds: what they held was written before.
    private let sinceSeconds: Int64
    /// The last slice that is marked.
    private var last: SliceID?

    /// Hints that were lost now.
    package init(nowSeconds: Int64) { sinceSeconds = nowSeconds }

    /// The loss that a value on disk says; one that cannot be read is as old as can be, so that the
    /// next repair of each slice makes up for it.
    package init(value: [UInt8]) {
        var reader = ByteReader(value)
        sinceSeconds = (try? reader.readInt64()) ?? 0
    }

    /// What is kept on disk.
    package var value: [UInt8] {
        var writer = ByteWriter(capacity: 8)
        writer.writeInt64(sinceSeconds)
        return writer.bytes
    }

    /// Gives the marks of the slices that come next.
    ///
    /// A slice with one replica has none: nobody could give that what it lacks.
    ///
    /// - Parameter tables: all tables.
    /// - Returns: the marks, by slice and replica; none: all slices are marked.
    package mutating func nextMarks(_ tables: [ReplicatedTable]) -> [DirtyMark] {
        var marks: [DirtyMark] = []
        var count = 0
        for table in tables.sorted(by: { $0.id < $1.id }) {
            for slice in 0..<table.sliceCount {
                let id = SliceID(table.id, slice)
                if let last, id <= last { continue }
                let replicas = table.replicas(ofSlice: slice)
                guard replicas.count > 1 else { continue }
                guard count < Self.slicesMax else { return marks }
                count += 1
                last = id
                marks += replicas.map {
                    DirtyMark(
                        table: id.table,
                        slice: id.slice,
                        target: $0,
                        sinceSeconds: sinceSeconds
                    )
                }
            }
        }
        return marks
    }
}
