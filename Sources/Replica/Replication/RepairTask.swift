internal import Catalog
package import TokenPlacement

/// One slice that is to be repaired or rebuilt now.
package struct RepairTask: Hashable, Sendable {
    /// What is to be done.
    package enum Mode: Hashable, Sendable {
        /// The replicas are made equal.
        case repair
        /// The rows of all other replicas are fetched here.
        case rebuild
    }

    /// The slice.
    package var slice: SliceID
    /// Its tokens.
    package var tokens: ClosedRange<Token>
    /// Its replicas, in the ring's order.
    package var replicas: [NodeID]
    /// The table's grace period.
    package var gcGraceSeconds: Int32
    /// What is to be done.
    package var mode: Mode

    /// A task with all its parts.
    package init(
        slice: SliceID,
        tokens: ClosedRange<Token>,
        replicas: [NodeID],
        gcGraceSeconds: Int32,
        mode: Mode
    ) {
        self.slice = slice
        self.tokens = tokens
        self.replicas = replicas
        self.gcGraceSeconds = gcGraceSeconds
        self.mode = mode
    }
}

/// What became of a task.
package enum RepairOutcome: Hashable, Sendable {
    /// All replicas took part, are equal and have noted it.
    case repaired
    /// All other replicas gave their rows: the slice can be read again.
    case rebuilt
    /// These did not take part to the end; the others are repaired as far as they got.
    case incomplete(missing: [NodeID])
    /// There is no other replica that has all of the slice, from which it could be rebuilt.
    case noSource
}

/// What a repair did.
package struct RepairStatistics: Hashable, Sendable {
    /// The ranges whose rows were compared.
    package var ranges = 0
    /// The rows that were compared.
    package var rowsCompared = 0
    /// The rows that were written back, once for each replica.
    package var rowsWritten = 0
    /// The bytes of the pages that were read.
    package var bytesRead = 0
    /// The bytes of the rows that were written back.
    package var bytesWritten = 0

    /// Nothing yet.
    package init() {}

    /// Adds those of another repair.
    package static func += (left: inout Self, right: Self) {
        left.ranges += right.ranges
        left.rowsCompared += right.rowsCompared
        left.rowsWritten += right.rowsWritten
        left.bytesRead += right.bytesRead
        left.bytesWritten += right.bytesWritten
    }
}
