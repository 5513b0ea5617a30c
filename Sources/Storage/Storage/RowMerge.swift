/// Merges writes of one row into one: what RocksDB's merge operator and read repair do.
///
/// It is associative, commutative and idempotent over all byte strings, reads no clock and never
/// fails. A deletion covers what was written at or before its timestamp, and what is covered is
/// left out at once: the deletion stays, so whatever comes later meets the same fate.
package enum RowMerge {
    /// The most rows that are walked over together; more are merged in groups.
    private static let groupCountMax = 16

    /// What stands in the place of a slot behind a row's last entry; no slot is as great.
    private static let closed = UInt64.max

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
        // Per row the slot of its current entry, `closed` behind its last one.
        var slots: [UInt64] = []
        scanners.reserveCapacity(rows.count)
        slots.reserveCapacity(rows.count)
        var deletion: Deletion?
        var marker: RowMarker?
        for row in rows {
            guard var scanner = try? RowScanner(row) else {
                preconditionFailure("a validated row turned out wrong")
            }
            if let found = scanner.deletion { deletion = max(found, deletion ?? found) }
            if let found = scanner.marker { marker = max(found, marker ?? found) }
            slots.append(scanner.nextValidated() ? scanner.slot : closed)
            scanners.append(scanner)
        }
        var encoder = RowEncoder(
            deletion: deletion,
            marker: marker,
            capacity: rows.reduce(0) { max($0, $1.count) } + 32
        )
        var collectionDeletion: RowEntry?
        while let (entry, row) = takeSmallest(&scanners, &slots, rows) {
            if let deletion, deletion.covers(entry.timestamp) { continue }
            if entry.kind == .collectionDeletion {
                collectionDeletion = entry
            } else if entry.path != nil, let found = collectionDeletion,
                found.column == entry.column, entry.timestamp <= found.timestamp
            {
                continue
            }
            encoder.append(entry, from: rows[row])
        }
        return encoder.bytes
    }

    /// The winner among the entries of the smallest slot, all of which are stepped over.
    @inline(__always)
    private static func takeSmallest(
        _ scanners: inout [RowScanner],
        _ slots: inout [UInt64],
        _ rows: [UnsafeRawBufferPointer]
    ) -> (entry: RowEntry, row: Int)? {
        var smallest = closed
        var winner = 0
        var isShared = false
        for (index, slot) in slots.enumerated() {
            if slot < smallest {
                smallest = slot
                winner = index
                isShared = false
            } else if slot == smallest {
                isShared = true
            }
        }
        guard smallest != closed else { return nil }
        guard isShared else {
            let entry = scanners[winner].entry
            slots[winner] = scanners[winner].nextValidated() ? scanners[winner].slot : closed
            return (entry, winner)
        }
        // Several rows are at this column and rank: the least path first, then who wins it.
        var entry = scanners[winner].entry
        for index in winner + 1..<slots.count where slots[index] == smallest {
            let other = scanners[index].entry
            let order = CellOrder.comparePaths(other, in: rows[index], entry, in: rows[winner])
            let replaces =
                order < 0
                || order == 0
                    && CellOrder.isLess(entry, in: rows[winner], other, in: rows[index])
            if replaces {
                winner = index
                entry = other
            }
        }
        for index in slots.indices where slots[index] == smallest {
            let isSame =
                CellOrder.comparePaths(
                    scanners[index].entry,
                    in: rows[index],
                    entry,
                    in: rows[winner]
                ) == 0
            if isSame {
                slots[index] = scanners[index].nextValidated() ? scanners[index].slot : closed
            }
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
