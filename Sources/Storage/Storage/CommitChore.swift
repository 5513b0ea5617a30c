/// The sweeps and drops of one batch, a bounded piece at a time.
///
/// Dropped rows are deleted one by one: RocksDB's range deletion next to its row cache brings
/// deleted rows back where merges follow (facebook/rocksdb 4122 and 5576), and newer versions refuse
/// it.
struct CommitChore: Sendable {
    /// What is done in one go.
    enum Piece: Sendable {
        case sweep(ArraySlice<StoreWrites.Sweep>)
        /// A range, and where to begin in it.
        case delete(KeyRange, from: [UInt8]?)
    }

    /// Rows that are swept in one go.
    private static let sweepsPerPiece = 64

    let request: CommitRequest
    private var sweeps: ArraySlice<StoreWrites.Sweep>
    private var ranges: ArraySlice<KeyRange>
    private var position: [UInt8]?

    init(_ request: CommitRequest) {
        self.request = request
        sweeps = request.writes.sweeps[...]
        ranges = request.writes.droppedRanges[...]
    }

    /// Whether nothing is left to do.
    var isDone: Bool { sweeps.isEmpty && ranges.isEmpty }

    /// What is to be done next; only while it is not done.
    var nextPiece: Piece {
        if !sweeps.isEmpty { return .sweep(sweeps.prefix(Self.sweepsPerPiece)) }
        guard let range = ranges.first else { preconditionFailure("a chore is done already") }
        return .delete(range, from: position)
    }

    /// So many rows were swept.
    mutating func sweepsDone(_ count: Int) {
        sweeps.removeFirst(count)
    }

    /// The first range's rows are gone up to a position, or (nil) all of them.
    mutating func deleted(upTo position: [UInt8]?) {
        self.position = position
        if position == nil { ranges.removeFirst() }
    }
}

extension KeyRange {
    /// The part of the range that begins at a position; all of it where there is none.
    func rest(from position: [UInt8]?) -> KeyRange {
        KeyRange(lower: position ?? lower, upper: upper)
    }
}
