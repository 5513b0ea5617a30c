internal import PeerMessages
internal import Storage
internal import TokenPlacement

/// The pages that replicas sent of the same range, merged row by row.
///
/// An incomplete page says nothing of the keys behind its last one, or behind the token that it
/// covers. So only rows up to the least of those are merged: up to there every replica has told all
/// that it holds, and no row can come out short of what one of them wrote.
struct RangeMerge {
    /// How far pages reach.
    enum Bound: Hashable, Sendable {
        /// Up to this partition, itself included.
        case partition(PartitionRef)
        /// Up to this token, with all its keys.
        case token(Token)

        func isBefore(_ partition: PartitionRef) -> Bool {
            switch self {
            case .partition(let last): last.precedes(partition)
            case .token(let last): last < partition.token
            }
        }

        func isBefore(_ other: Bound) -> Bool {
            switch (self, other) {
            case (.partition(let left), .partition(let right)): left.precedes(right)
            case (.partition(let left), .token(let right)): left.token <= right
            case (.token(let left), .partition(let right)): left < right.token
            case (.token(let left), .token(let right)): left < right
            }
        }
    }

    /// The merged rows, ascending; those of which nothing is left are left out.
    private(set) var rows: [ScannedRow] = []
    /// For each page the merged rows that its replica lacks.
    private(set) var repairs: [[ScannedRow]]
    /// All rows that are in `repairs`, ascending: what a replica gets that steps in for another.
    private(set) var repairedRows: [ScannedRow] = []
    /// Up to where rows were merged; nil if there is nothing behind them.
    let bound: Bound?

    private let nowSeconds: Int64
    private let gcGraceSeconds: Int32

    /// Merges pages whose rows ascend; one that is incomplete has a row or covers a token.
    init(_ pages: [ScanPage], nowSeconds: Int64, gcGraceSeconds: Int32) {
        self.nowSeconds = nowSeconds
        self.gcGraceSeconds = gcGraceSeconds
        repairs = pages.map { _ in [] }
        var bound: Bound?
        for page in pages where !page.isComplete {
            guard
                let end = page.coveredTo.map(Bound.token)
                    ?? page.rows.last.map({ .partition($0.partition) })
            else { continue }
            if let least = bound, least.isBefore(end) { continue }
            bound = end
        }
        self.bound = bound
        if pages.count == 1 {
            rows = pages[0].rows
            return
        }
        var places = pages.map { _ in 0 }
        while let next = Self.least(of: pages, places) {
            if let bound, bound.isBefore(next) { return }
            var versions: [[UInt8]?] = []
            versions.reserveCapacity(pages.count)
            for (index, page) in pages.enumerated() {
                guard places[index] < page.rows.count,
                    page.rows[places[index]].partition == next
                else {
                    versions.append(nil)
                    continue
                }
                versions.append(page.rows[places[index]].row)
                places[index] += 1
            }
            merge(versions, of: next)
        }
    }

    private static func least(of pages: [ScanPage], _ places: [Int]) -> PartitionRef? {
        var least: PartitionRef?
        for (page, place) in zip(pages, places) where place < page.rows.count {
            let candidate = page.rows[place].partition
            if let least, !candidate.precedes(least) { continue }
            least = candidate
        }
        return least
    }

    private mutating func merge(_ versions: [[UInt8]?], of partition: PartitionRef) {
        let present = versions.compactMap { $0 }
        if present.count == versions.count, present.allSatisfy({ $0 == present[0] }) {
            rows.append(ScannedRow(partition: partition, row: present[0]))
            return
        }
        let row = ScannedRow(partition: partition, row: RowMerge.merge(present))
        let digest = digest(row.row)
        var isRepaired = false
        for (page, version) in versions.enumerated()
        where version != row.row && self.digest(version) != digest {
            repairs[page].append(row)
            isRepaired = true
        }
        if isRepaired { repairedRows.append(row) }
        if digest != .absent { rows.append(row) }
    }

    private func digest(_ row: [UInt8]?) -> RowDigest? {
        // Nil for a row that cannot be decoded; merging does not make it readable either.
        guard let row else { return .absent }
        return try? RowView(validating: row)
            .digest(nowSeconds: nowSeconds, gcGraceSeconds: gcGraceSeconds)
    }
}
