import Catalog

/// Which entries of several rows are the same cell, and which of them wins.
///
/// Both are total orders, so that merging depends neither on the order nor on the grouping of
/// what is merged, nor on a clock.
enum CellOrder {
    /// Where two entries of the same column and rank stand to each other in a row: less than, equal
    /// to or greater than 0.
    @inline(__always)
    static func comparePaths(
        _ left: RowEntry,
        in leftBytes: UnsafeRawBufferPointer,
        _ right: RowEntry,
        in rightBytes: UnsafeRawBufferPointer
    ) -> Int {
        guard let leftPath = left.path, let rightPath = right.path else { return 0 }
        return ByteOrder.compare(leftBytes.part(leftPath), rightBytes.part(rightPath))
    }

    /// Whether the right one of two entries of the same slot wins.
    ///
    /// In turn: timestamp; deleted before expiring before live; the later second; a swept cell
    /// before one with its value; the greater value; the shorter time to live.
    @inline(__always)
    static func isLess(
        _ left: RowEntry,
        in leftBytes: UnsafeRawBufferPointer,
        _ right: RowEntry,
        in rightBytes: UnsafeRawBufferPointer
    ) -> Bool {
        if left.timestamp != right.timestamp { return left.timestamp < right.timestamp }
        let (leftWeight, rightWeight) = (weight(left.kind), weight(right.kind))
        if leftWeight != rightWeight { return leftWeight < rightWeight }
        if left.seconds != right.seconds { return left.seconds < right.seconds }
        if left.kind != right.kind { return right.kind == .expired }
        let order = ByteOrder.compare(leftBytes.part(left.value), rightBytes.part(right.value))
        if order != 0 { return order < 0 }
        return left.timeToLiveSeconds > right.timeToLiveSeconds
    }

    @inline(__always)
    private static func weight(_ kind: RowEntry.Kind) -> Int {
        switch kind {
        case .live: 0
        case .expiring, .expired: 1
        case .deleted, .collectionDeletion: 2
        }
    }
}
