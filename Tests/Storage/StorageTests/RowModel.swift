import Catalog
import Storage

/// What merging means, written as plainly as possible and apart from the code under test:
/// keep the greatest of every slot, then leave out what deletions cover.
struct RowModel: Equatable {
    struct Slot: Hashable {
        var column: UInt32
        var path: [UInt8]?
    }

    var marker: RowMarker?
    var deletion: Deletion?
    var collections: [UInt32: Deletion] = [:]
    var cells: [Slot: Cell] = [:]

    init(_ rows: [Row]) {
        for row in rows {
            if let other = row.deletion, deletion.map({ Self.isLess($0, other) }) ?? true {
                deletion = other
            }
            if let other = row.marker, marker.map({ Self.key($0) < Self.key(other) }) ?? true {
                marker = other
            }
            for other in row.collectionDeletions {
                let id = other.column.value
                if collections[id].map({ Self.isLess($0, other.deletion) }) ?? true {
                    collections[id] = other.deletion
                }
            }
            for cell in row.cells {
                let slot = Slot(column: cell.column.value, path: cell.path)
                if cells[slot].map({ Self.isLess($0, cell) }) ?? true { cells[slot] = cell }
            }
        }
        dropCovered()
    }

    private mutating func dropCovered() {
        let all = collections
        cells = cells.filter { slot, cell in
            guard slot.path != nil, let cover = all[slot.column] else { return true }
            return cell.timestamp > cover.timestamp
        }
        guard let deletion else { return }
        if let found = marker, found.timestamp <= deletion.timestamp { marker = nil }
        collections = collections.filter { $0.value.timestamp > deletion.timestamp }
        cells = cells.filter { $0.value.timestamp > deletion.timestamp }
    }

    private static func isLess(_ left: Deletion, _ right: Deletion) -> Bool {
        left.timestamp == right.timestamp
            ? left.deletionSeconds < right.deletionSeconds : left.timestamp < right.timestamp
    }

    private static func key(_ marker: RowMarker) -> (Int64, Int, Int64, Int64) {
        guard let expiry = marker.expiry else { return (marker.timestamp.microseconds, 0, 0, 0) }
        return (
            marker.timestamp.microseconds, 1, expiry.atSeconds, -Int64(expiry.timeToLiveSeconds)
        )
    }

    private static func isLess(_ left: Cell, _ right: Cell) -> Bool {
        func key(_ cell: Cell) -> ((Int64, Int, Int64, Int), [UInt8], Int64) {
            let timestamp = cell.timestamp.microseconds
            switch cell.content {
            case .live(let value): return ((timestamp, 0, 0, 0), value, 0)
            case .expiring(let value, let expiry):
                return (
                    (timestamp, 1, expiry.atSeconds, 0), value, -Int64(expiry.timeToLiveSeconds)
                )
            case .expired(let seconds): return ((timestamp, 1, seconds, 1), [], 0)
            case .deleted(let seconds): return ((timestamp, 2, seconds, 0), [], 0)
            }
        }
        let (leftKey, rightKey) = (key(left), key(right))
        if leftKey.0 != rightKey.0 { return leftKey.0 < rightKey.0 }
        if leftKey.1 != rightKey.1 { return leftKey.1.lexicographicallyPrecedes(rightKey.1) }
        return leftKey.2 < rightKey.2
    }

    /// What matters of the row as of a second.
    func canonical(nowSeconds: Int64, gcGraceSeconds: Int64) -> RowModel {
        func isOld(_ seconds: Int64, _ timestamp: WriteTimestamp) -> Bool {
            // In floating point, which does not overflow; the small numbers here are exact.
            let written = timestamp.microseconds / 1_000_000
            return Double(max(seconds, written)) < Double(nowSeconds) - Double(gcGraceSeconds)
        }
        var result = self
        if let deletion, isOld(deletion.deletionSeconds, deletion.timestamp) {
            result.deletion = nil
        }
        if let marker, let expiry = marker.expiry, expiry.atSeconds <= nowSeconds {
            let swept = Expiry(atSeconds: expiry.atSeconds, timeToLiveSeconds: 0)
            result.marker =
                isOld(expiry.atSeconds, marker.timestamp)
                ? nil : RowMarker(timestamp: marker.timestamp, expiry: swept)
        }
        result.collections = collections.filter {
            !isOld($0.value.deletionSeconds, $0.value.timestamp)
        }
        result.cells = cells.compactMapValues { cell in
            var cell = cell
            if case .expiring(_, let expiry) = cell.content, expiry.atSeconds <= nowSeconds {
                cell.content = .expired(atSeconds: expiry.atSeconds)
            }
            switch cell.content {
            case .live, .expiring: return cell
            case .expired(let seconds), .deleted(let seconds):
                return isOld(seconds, cell.timestamp) ? nil : cell
            }
        }
        return result
    }

    /// The value that a read sees in a slot.
    func liveValue(_ slot: Slot, nowSeconds: Int64) -> [UInt8]? {
        switch cells[slot]?.content {
        case .live(let value): value
        case .expiring(let value, let expiry): nowSeconds < expiry.atSeconds ? value : nil
        case .expired, .deleted, nil: nil
        }
    }

    /// Whether a read sees the row.
    func exists(nowSeconds: Int64) -> Bool {
        if let marker, marker.expiry.map({ nowSeconds < $0.atSeconds }) ?? true { return true }
        return cells.keys.contains { liveValue($0, nowSeconds: nowSeconds) != nil }
    }
}
