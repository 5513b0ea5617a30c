/// Merges writes of one row into one: what RocksDB's merge operator and read repair do.
///
/// It is associative, commutative and idempotent over all byte strings, reads no clock and never
/// fails. A deletion covers what was written at or before its timestamp, and what is covered is
/// left out at once: the deletion stays, so whatever comes later meets the same fate.
package enum RowMerge {
    /// The most rows that are walked over together; more are merged in groups.
    private static let groupCountMax = 16

    /// A row without anything, which changes nothing when merged.
    package static let emptyRow: [UInt8] = [RowFormat.version, 0]

    /// One row, made of rows in any order.
    ///
    /// An operand that is no row is kept, unread, in an envelope around the result; reading that
    /// throws ``RowFormatError/damaged(operands:)``.
    package static func merge(_ operands: [UnsafeRawBufferPointer]) -> [UInt8] {
        var rows: [UnsafeRawBufferPointer] = []
        rows.reserveCapacity(operands.count)
        var damaged: [UnsafeRawBufferPointer] = []
        for operand in operands {
            if isRow(operand) {
                rows.append(operand)
            } else if let envelope = DamagedRow(operand) {
                rows.append(envelope.row)
                damaged.append(contentsOf: envelope.operands)
            } else {
                damaged.append(operand)
            }
        }
        let row = mergeRows(rows)
        return damaged.isEmpty ? row : DamagedRow.encode(row: row, operands: damaged)
    }

    /// One row, made of rows that are arrays.
    package static func merge(_ operands: [[UInt8]]) -> [UInt8] {
        if operands.count == 1, operands[0].withUnsafeBytes({ isRow($0) }) { return operands[0] }
        return withBuffers(operands) { merge($0) }
    }

    /// Whether bytes are a row that can be read.
    package static func isRow(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.first == RowFormat.version else { return false }
        do {
            var scanner = try RowScanner(bytes)
            try scanner.finish()
            return true
        } catch {
            return false
        }
    }

    private static func mergeRows(_ rows: [UnsafeRawBufferPointer]) -> [UInt8] {
        switch rows.count {
        case 0: return emptyRow
        case 1: return Array(rows[0])
        case ...groupCountMax: return mergeGroup(rows)
        default:
            let parts = stride(from: 0, to: rows.count, by: groupCountMax).map { start in
                mergeGroup(Array(rows[start..<min(start + groupCountMax, rows.count)]))
            }
            return withBuffers(parts) { mergeRows($0) }
        }
    }

    /// Walks over all rows at once, smallest slot first.
    private static func mergeGroup(_ rows: [UnsafeRawBufferPointer]) -> [UInt8] {
        var scanners: [RowScanner] = []
        var isOpen: [Bool] = []
        scanners.reserveCapacity(rows.count)
        isOpen.reserveCapacity(rows.count)
        var deletion: Deletion?
        var marker: RowMarker?
        for row in rows {
            guard var scanner = try? RowScanner(row) else {
                preconditionFailure("a validated row turned out wrong")
            }
            if let found = scanner.deletion { deletion = max(found, deletion ?? found) }
            if let found = scanner.marker { marker = max(found, marker ?? found) }
            isOpen.append(scanner.nextValidated())
            scanners.append(scanner)
        }
        var encoder = RowEncoder(
            deletion: deletion,
            marker: marker,
            capacity: rows.reduce(0) { max($0, $1.count) } + 32
        )
        var collectionDeletion: RowEntry?
        while let winner = takeSmallest(&scanners, &isOpen, rows) {
            let entry = winner.entry
            if let deletion, deletion.covers(entry.timestamp) { continue }
            if entry.kind == .collectionDeletion {
                collectionDeletion = entry
            } else if entry.path != nil, let found = collectionDeletion,
                found.column == entry.column, entry.timestamp <= found.timestamp
            {
                continue
            }
            encoder.append(entry, from: rows[winner.row])
        }
        return encoder.bytes
    }

    /// The winner among the entries of the smallest slot, all of which are stepped over.
    @inline(__always)
    private static func takeSmallest(
        _ scanners: inout [RowScanner],
        _ isOpen: inout [Bool],
        _ rows: [UnsafeRawBufferPointer]
    ) -> (entry: RowEntry, row: Int)? {
        var winner = -1
        // Rows before `first` are behind the smallest slot; from it on they are looked at again.
        var first = 0
        for index in scanners.indices where isOpen[index] {
            guard winner >= 0 else {
                winner = index
                first = index
                continue
            }
            let best = scanners[winner].entry
            let entry = scanners[index].entry
            let order = CellOrder.compareSlots(entry, in: rows[index], best, in: rows[winner])
            if order < 0 {
                winner = index
                first = index
            } else if order == 0,
                CellOrder.isLess(best, in: rows[winner], entry, in: rows[index])
            {
                winner = index
            }
        }
        guard winner >= 0 else { return nil }
        let entry = scanners[winner].entry
        for index in first..<scanners.count where isOpen[index] {
            let isSame =
                index == winner
                || CellOrder.compareSlots(
                    scanners[index].entry,
                    in: rows[index],
                    entry,
                    in: rows[winner]
                ) == 0
            if isSame { isOpen[index] = scanners[index].nextValidated() }
        }
        return (entry, winner)
    }

    /// Gives arrays to `body` as buffers, by way of one array that holds all of them.
    private static func withBuffers<Result>(
        _ arrays: [[UInt8]],
        _ body: ([UnsafeRawBufferPointer]) -> Result
    ) -> Result {
        var joined: [UInt8] = []
        joined.reserveCapacity(arrays.reduce(0) { $0 + $1.count })
        for array in arrays { joined.append(contentsOf: array) }
        return joined.withUnsafeBytes { bytes in
            var start = 0
            let buffers = arrays.map { array in
                defer { start += array.count }
                return bytes.part(start..<start + array.count)
            }
            return body(buffers)
        }
    }
}
