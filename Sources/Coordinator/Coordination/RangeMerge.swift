internal import PeerMessages
internal import Storage

/// The pages that replicas sent of the same range, merged row by row.
///
/// An incomplete page says nothing of the keys behind its last one. So only rows up to the least
/// of those last keys are merged: up to there every replica has told all that it holds, and no
/// row can come out short of what one of them wrote.
struct RangeMerge {
    /// The merged rows, ascending; those of which nothing is left are left out.
    private(set) var rows: [ScannedRow] = []
    /// For each page the merged rows that its replica lacks.
    private(set) var repairs: [[ScannedRow]]
    /// The last key up to which rows were merged; nil if there is nothing behind them.
    let bound: PartitionRef?

    private let nowSeconds: Int64
    private let gcGraceSeconds: Int32

    /// Merges pages whose rows ascend; one that is incomplete has at least one row.
    init(_ pages: [ScanPage], nowSeconds: Int64, gcGraceSeconds: Int32) {
        self.nowSeconds = nowSeconds
        self.gcGraceSeconds = gcGraceSeconds
        repairs = pages.map { _ in [] }
        var bound: PartitionRef?
        for page in pages where !page.isComplete {
            guard let last = page.rows.last?.partition else { continue }
            if let least = bound, least.precedes(last) { continue }
            bound = last
        }
        self.bound = bound
        if pages.count == 1 {
            rows = pages[0].rows
            return
        }
        var places = pages.map { _ in 0 }
        while let next = Self.least(of: pages, places) {
            if let bound, bound.precedes(next) { return }
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
        for (page, version) in versions.enumerated()
        where version != row.row && self.digest(version) != digest {
            repairs[page].append(row)
        }
        if digest != .absent { rows.append(row) }
    }

    private func digest(_ row: [UInt8]?) -> RowDigest? {
        // Nil for a row that cannot be decoded; merging does not make it readable either.
        guard let row else { return .absent }
        return try? RowView(validating: row)
            .digest(nowSeconds: nowSeconds, gcGraceSeconds: gcGraceSeconds)
    }
}
