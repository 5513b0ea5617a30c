/// What a sweep leaves of a row: the only place where deletions and expired cells ever go.
///
/// Expired cells and markers lose their value and keep their place in the order of merging.
/// Deletions, and expired cells and markers, go for good where their second and their timestamp are
/// before the purge time, which the caller may choose only so that every replica has them and every
/// digest ignores them (docs/storage-format.md, "As of a second"). What lives never changes.
package enum RowSweep {
    /// What is left.
    package enum Outcome: Hashable, Sendable {
        /// The row as it was.
        case unchanged
        /// Another row.
        case rewritten([UInt8])
        /// Nothing.
        case removed
    }

    /// Sweeps a merged row.
    ///
    /// - Parameters:
    ///   - row: the row as it is stored.
    ///   - nowSeconds: the second as of which cells expire.
    ///   - purgeBeforeSeconds: the second before which deletions and expiries go; what is not older
    ///     than it, by its second and by its timestamp, or lies behind `nowSeconds`, stays.
    ///     `Int64.min` purges nothing.
    /// - Returns: what is to stand in the row's place.
    /// - Throws: what reading the row throws; it must then stay as it is.
    package static func sweep(
        _ row: [UInt8],
        nowSeconds: Int64,
        purgeBeforeSeconds: Int64
    ) throws(RowFormatError) -> Outcome {
        let checked = row.withUnsafeBytes { bytes in
            Result { () throws(RowFormatError) -> [UInt8]? in
                var scanner = try RowScanner(bytes)
                try scanner.finish()
                return CanonicalRow.rewritten(
                    bytes,
                    nowSeconds: nowSeconds,
                    purgeBeforeSeconds: purgeBeforeSeconds
                )
            }
        }
        let rewritten = try checked.get()
        if (rewritten ?? row) == RowMerge.emptyRow { return .removed }
        return rewritten.map { .rewritten($0) } ?? .unchanged
    }
}
