import PeerMessages
import TokenPlacement

/// A replica that takes part in a repair: what it was asked, and its rows and writes.
struct RepairMember: Sendable {
    enum Request: Hashable, Sendable {
        case digests, page, note
    }

    let id: NodeID
    /// Whether its rows count.
    let isSource: Bool
    private(set) var isOut = false
    var request: Request?
    var digests: [RangeDigest]?

    private var rows: [ScannedRow] = []
    private var nextRow = 0
    private var isComplete = false
    /// Whether it is being rebuilt itself, so that it may lack rows.
    private(set) var isPartial = false
    /// The last row that was received of the range.
    private(set) var last: PartitionRef?

    /// What it is to write.
    private(set) var batch: [Mutation] = []
    private(set) var batchBytes = 0
    var isWriting = false
    private var writingBytes = 0

    init(id: NodeID, isSource: Bool) {
        self.id = id
        self.isSource = isSource
    }

    /// Its least row that was not merged yet.
    var head: ScannedRow? { nextRow < rows.count ? rows[nextRow] : nil }

    /// Whether its next row is not known.
    var needsPage: Bool { nextRow >= rows.count && !isComplete }

    var bufferedBytes: Int {
        rows[nextRow...].reduce(batchBytes + (isWriting ? writingBytes : 0)) {
            $0 + $1.row.count
        }
    }

    mutating func beginRange() {
        rows = []
        nextRow = 0
        isComplete = !isSource
        last = nil
    }

    /// Takes a page; false: it is none that may come here.
    mutating func take(_ page: ScanPage, within tokens: ClosedRange<Token>) -> Bool {
        guard !page.rows.isEmpty || page.isComplete else { return false }
        for row in page.rows {
            guard tokens.contains(row.partition.token),
                last.map({ $0.precedes(row.partition) }) ?? true
            else { return false }
            last = row.partition
        }
        rows = page.rows
        nextRow = 0
        isComplete = page.isComplete
        if page.isPartial { isPartial = true }
        return true
    }

    mutating func popHead(if partition: PartitionRef) {
        if let head, head.partition == partition { nextRow += 1 }
    }

    mutating func add(_ mutation: Mutation) {
        batch.append(mutation)
        batchBytes += mutation.operand.count + mutation.partition.key.count + 16
    }

    mutating func takeBatch() -> [Mutation] {
        defer {
            writingBytes = batchBytes
            batch = []
            batchBytes = 0
            isWriting = true
        }
        return batch
    }

    /// It takes no further part.
    mutating func leave() {
        isOut = true
        request = nil
        digests = nil
        rows = []
        nextRow = 0
        isComplete = true
        batch = []
        batchBytes = 0
        isWriting = false
    }
}

extension PartitionRef {
    /// Whether its rows stand before another one's on disk.
    func precedes(_ other: PartitionRef) -> Bool {
        token != other.token
            ? token < other.token : key.lexicographicallyPrecedes(other.key)
    }
}
