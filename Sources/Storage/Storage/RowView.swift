package import Catalog

/// A stored row, read where it lies: nothing is copied or allocated per cell.
package struct RowView: Sendable {
    /// The row's bytes; the ranges that are handed out lie in them.
    package let bytes: [UInt8]
    /// What an INSERT left, if anything.
    package let marker: RowMarker?
    /// The deletion of the whole row, if any; no cell that it covers is left in the row.
    package let deletion: Deletion?

    /// The row in some bytes, all of which are checked.
    ///
    /// - Throws: `damaged` for a row with operands that could not be decoded, else what is wrong.
    package init(validating bytes: [UInt8]) throws(RowFormatError) {
        let checked = bytes.withUnsafeBytes { buffer in
            Result { () throws(RowFormatError) -> (RowMarker?, Deletion?) in
                var scanner = try RowScanner(buffer)
                try scanner.finish()
                return (scanner.marker, scanner.deletion)
            }
        }
        (marker, deletion) = try checked.get()
        self.bytes = bytes
    }

    /// Gives every cell and collection deletion to `body`, in their order.
    package func forEachEntry<Failure: Error>(
        _ body: (RowEntry) throws(Failure) -> Void
    ) throws(Failure) {
        let outcome = bytes.withUnsafeBytes { buffer in
            Result { () throws(Failure) in
                var scanner = Self.scanner(buffer)
                while scanner.nextValidated() { try body(scanner.entry) }
            }
        }
        try outcome.get()
    }

    /// Gives every cell, dead or alive, to `body`, in the order of columns and paths.
    package func forEachCell<Failure: Error>(
        _ body: (RowEntry) throws(Failure) -> Void
    ) throws(Failure) {
        try forEachEntry { (entry) throws(Failure) in
            if entry.kind != .collectionDeletion { try body(entry) }
        }
    }

    /// Gives the elements of a collection that a read sees to `body`, in the order of their keys.
    package func forEachLiveElement(
        of column: ColumnID,
        nowSeconds: Int64,
        _ body: (_ path: Range<Int>, _ value: Range<Int>) -> Void
    ) {
        forEachEntry { entry in
            guard entry.column == column, let path = entry.path else { return }
            if entry.isLive(nowSeconds: nowSeconds) { body(path, entry.value) }
        }
    }

    /// Finds the values of plain columns that a read sees now, and says whether the row exists.
    ///
    /// - Parameters:
    ///   - columns: in ascending order; a collection's column finds nothing here.
    ///   - nowSeconds: the second as of which cells expire.
    ///   - ranges: becomes one range of `bytes` per column, nil for null; its room is reused.
    /// - Returns: whether a marker or any cell is alive, of whatever column.
    package func locate(
        columns: [ColumnID],
        nowSeconds: Int64,
        into ranges: inout [Range<Int>?]
    ) -> Bool {
        bytes.withUnsafeBytes { buffer in
            do {
                return try Self.locate(
                    in: buffer,
                    columns: columns,
                    nowSeconds: nowSeconds,
                    into: &ranges
                )
            } catch {
                preconditionFailure("a validated row turned out wrong: \(error)")
            }
        }
    }

    /// The same for a row that was not checked yet and lies anywhere: both in one pass.
    ///
    /// - Throws: what `init(validating:)` throws; `ranges` is then of no use.
    package static func locate(
        in bytes: UnsafeRawBufferPointer,
        columns: [ColumnID],
        nowSeconds: Int64,
        into ranges: inout [Range<Int>?]
    ) throws(RowFormatError) -> Bool {
        ranges.removeAll(keepingCapacity: true)
        ranges.append(contentsOf: repeatElement(nil, count: columns.count))
        var scanner = try RowScanner(bytes)
        var isLive = scanner.marker?.isLive(nowSeconds: nowSeconds) ?? false
        var index = 0
        while try scanner.next() {
            guard scanner.isLive(nowSeconds: nowSeconds) else { continue }
            isLive = true
            guard !scanner.hasPath else { continue }
            while index < columns.count, columns[index].value < scanner.column { index += 1 }
            while index < columns.count, columns[index].value == scanner.column {
                ranges[index] = scanner.value
                index += 1
            }
        }
        return isLive
    }

    /// The canonical form as of a second: expired cells without their values, and without what is
    /// older than the grace period.
    ///
    /// A sweep may write it in the row's place: with a grace period only once every replica is
    /// known to have what that drops, without one (nil: nothing is dropped but values) at any time.
    package func canonicalBytes(nowSeconds: Int64, gcGraceSeconds: Int32?) -> [UInt8] {
        bytes.withUnsafeBytes {
            CanonicalRow.rewritten($0, nowSeconds: nowSeconds, gcGraceSeconds: gcGraceSeconds)
        } ?? bytes
    }

    /// The digest of the canonical form as of a second.
    ///
    /// - Parameters:
    ///   - nowSeconds: the request's now, the same on all replicas.
    ///   - gcGraceSeconds: the table's grace period.
    /// - Returns: a digest that is equal on replicas with the same writes, whatever was swept.
    package func digest(nowSeconds: Int64, gcGraceSeconds: Int32) -> RowDigest {
        bytes.withUnsafeBytes { buffer in
            let rewritten = CanonicalRow.rewritten(
                buffer,
                nowSeconds: nowSeconds,
                gcGraceSeconds: gcGraceSeconds
            )
            return rewritten?.withUnsafeBytes { RowDigest(hashing: $0) }
                ?? RowDigest(hashing: buffer)
        }
    }

    private static func scanner(_ buffer: UnsafeRawBufferPointer) -> RowScanner {
        do {
            return try RowScanner(buffer)
        } catch {
            preconditionFailure("a validated row turned out wrong: \(error)")
        }
    }
}
