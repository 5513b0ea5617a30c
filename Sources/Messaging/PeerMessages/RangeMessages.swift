package import Catalog
package import Storage
package import TokenPlacement

/// What a connection between nodes is for; none waits behind another.
package enum TrafficClass: UInt8, Hashable, Sendable, CaseIterable {
    /// Gossip, the cluster log, consensus.
    case urgent = 1
    /// Reads, writes and scores.
    case request = 2
    /// Model bytes, streams and repair.
    case bulk = 3
    /// Replayed hints.
    case hints = 4
}

/// Asks a replica for a page of a table's rows in the order of their keys.
package struct ScanRequest: Hashable, Sendable {
    /// The table.
    package var table: TableID
    /// The coordinator's wall clock.
    package var nowSeconds: Int64
    /// The tokens, both ends included.
    package var tokens: ClosedRange<Token>
    /// The partition behind which the page begins, or nil for the first token.
    package var after: PartitionRef?
    /// The most rows of the page.
    package var rowsMax: Int
    /// The bytes after which the page ends.
    package var bytesMax: Int
    /// Whether the asker rebuilds the slice and asks all others too, so that it may have what a
    /// replica has that is being rebuilt itself.
    package var isForRebuild: Bool

    /// A request with all its parts.
    package init(
        table: TableID,
        nowSeconds: Int64,
        tokens: ClosedRange<Token>,
        after: PartitionRef?,
        rowsMax: Int,
        bytesMax: Int,
        isForRebuild: Bool = false
    ) {
        self.table = table
        self.nowSeconds = nowSeconds
        self.tokens = tokens
        self.after = after
        self.rowsMax = rowsMax
        self.bytesMax = bytesMax
        self.isForRebuild = isForRebuild
    }
}

/// A row that a scan found.
package struct ScannedRow: Hashable, Sendable {
    /// Its partition.
    package var partition: PartitionRef
    /// Its bytes, as stored.
    package var row: [UInt8]

    /// A row with its partition.
    package init(partition: PartitionRef, row: [UInt8]) {
        self.partition = partition
        self.row = row
    }
}

/// A page of a scan: rows in the order of their keys (`RowKey`).
package struct ScanPage: Hashable, Sendable {
    /// The rows.
    package var rows: [ScannedRow]
    /// Whether the tokens hold no row behind these.
    package var isComplete: Bool
    /// The last token that an incomplete page covers with all its keys, where the replica may not
    /// read behind it; nil: the page covers what is up to its last row.
    package var coveredTo: Token?
    /// Whether the replica is being rebuilt itself, so that it may lack rows.
    package var isPartial: Bool

    /// A page with all its parts.
    package init(
        rows: [ScannedRow],
        isComplete: Bool,
        coveredTo: Token? = nil,
        isPartial: Bool = false
    ) {
        self.rows = rows
        self.isComplete = isComplete
        self.coveredTo = coveredTo
        self.isPartial = isPartial
    }
}

/// Asks a replica for one digest of each of some token ranges.
package struct RangeDigestRequest: Hashable, Sendable {
    /// The table.
    package var table: TableID
    /// The coordinator's wall clock, by which all replicas judge what is expired or purgeable.
    package var nowSeconds: Int64
    /// The ranges, ascending, that do not overlap.
    package var ranges: [ClosedRange<Token>]

    /// A request with all its parts.
    package init(table: TableID, nowSeconds: Int64, ranges: [ClosedRange<Token>]) {
        self.table = table
        self.nowSeconds = nowSeconds
        self.ranges = ranges
    }
}

/// What a replica holds in one token range.
package struct RangeDigest: Hashable, Sendable {
    /// A digest of the keys and canonical rows; rows of which nothing is left do not count.
    package var digest: RowDigest
    /// The number of rows that count.
    package var rowCount: Int

    /// A digest with both its parts.
    package init(digest: RowDigest, rowCount: Int) {
        self.digest = digest
        self.rowCount = rowCount
    }
}

/// A logged batch as it is kept until all its writes are done.
package struct StoredBatch: Hashable, Sendable {
    /// Names the batch, at random.
    package var id: NodeID
    /// When it began, in microseconds since 1970, by the clock of who has it: on the way that is the
    /// coordinator's, and who keeps it puts the time of the receipt by its own in its place.
    package var createdMicros: Int64
    /// The writes.
    package var mutations: [Mutation]

    /// A batch with all its parts.
    package init(id: NodeID, createdMicros: Int64, mutations: [Mutation]) {
        self.id = id
        self.createdMicros = createdMicros
        self.mutations = mutations
    }
}

/// Says that a replica lacks writes of a slice for which no hints are kept.
package struct DirtyMark: Hashable, Sendable {
    /// The table.
    package var table: TableID
    /// The slice of the ring.
    package var slice: Int
    /// The replica that lacks writes.
    package var target: NodeID
    /// The wall clock of the one who gave the hints up.
    package var sinceSeconds: Int64

    /// A mark with all its parts.
    package init(table: TableID, slice: Int, target: NodeID, sinceSeconds: Int64) {
        self.table = table
        self.slice = slice
        self.target = target
        self.sinceSeconds = sinceSeconds
    }
}

/// Says that all replicas of a slice took part in a repair.
package struct RepairNote: Hashable, Sendable {
    /// The table.
    package var table: TableID
    /// The slice of the ring.
    package var slice: Int
    /// The coordinator's wall clock before the first digest was taken.
    package var startedSeconds: Int64

    /// A note with all its parts.
    package init(table: TableID, slice: Int, startedSeconds: Int64) {
        self.table = table
        self.slice = slice
        self.startedSeconds = startedSeconds
    }
}
