internal import Catalog
package import HistoryChecking
internal import Storage

/// Between the rows of the workload and those of `Storage`: column 0 has the id 1, and so on.
package enum RowCoding {
    /// A write of a row as a merge operand.
    package static func operand(
        _ row: RowWrite,
        timestamp: Int64,
        nowSeconds: Int64
    ) -> [UInt8] {
        let expiry = row.expiresAt.flatMap { at in
            Expiry(timeToLiveSeconds: Int32(clamping: at - nowSeconds), nowSeconds: nowSeconds)
        }
        var builder = RowBuilder(timestamp: WriteTimestamp(timestamp), expiry: expiry)
        switch row.change {
        case .set(let cells, let isInsert):
            if isInsert { builder.insertMarker() }
            for (column, value) in cells.sorted(by: { $0.key < $1.key }) {
                builder.set(id(column), to: value)
            }
        case .deleteCells(let columns):
            for column in columns { builder.delete(id(column), deletionSeconds: nowSeconds) }
        case .deleteRow: builder.deleteRow(deletionSeconds: nowSeconds)
        }
        return builder.encoded()
    }

    /// What a client sees of a row; a row that cannot be read shows as bytes that nobody wrote.
    package static func visible(
        _ row: [UInt8]?,
        _ columns: [Int],
        nowSeconds: Int64
    ) -> VisibleRow {
        guard let row else { return [:] }
        var ranges: [Range<Int>?] = []
        guard let view = try? RowView(validating: row) else { return [columns[0]: row] }
        _ = view.locate(columns: columns.map(id), nowSeconds: nowSeconds, into: &ranges)
        var visible: VisibleRow = [:]
        for (column, range) in zip(columns, ranges) {
            if let range { visible[column] = Array(row[range]) }
        }
        return visible
    }

    /// The digest of a row's canonical form, as text.
    package static func digest(
        _ row: [UInt8]?,
        nowSeconds: Int64,
        gcGraceSeconds: Int32
    ) -> String {
        guard let row else { return RowDigest.absent.description }
        guard let view = try? RowView(validating: row) else { return "damaged" }
        return view.digest(nowSeconds: nowSeconds, gcGraceSeconds: gcGraceSeconds).description
    }

    private static func id(_ column: Int) -> ColumnID { ColumnID(UInt32(column + 1)) }
}
