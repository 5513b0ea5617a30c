/// The envelope of a row with operands that could not be decoded when they were merged.
///
/// It keeps the readable part of the row, merged, beside the set of the unreadable operands, byte
/// for byte. What it keeps is opaque: an operand inside is never looked into, so envelopes do not
/// nest and merging them is the union of two sets.
struct DamagedRow {
    /// The readable part: a valid row.
    let row: UnsafeRawBufferPointer
    /// The unreadable operands, sorted, each once, at least one.
    let operands: [UnsafeRawBufferPointer]

    /// The envelope in some bytes, or nil if they are none.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.first == RowFormat.damagedVersion else { return nil }
        var position = 1
        func readPart() -> UnsafeRawBufferPointer? {
            guard let (length, start) = Varint.read(bytes, at: position),
                length <= UInt64(bytes.count - start)
            else { return nil }
            position = start + Int(length)
            return bytes.part(start..<position)
        }
        guard let row = readPart(), row.first == RowFormat.version,
            RowMerge.isRow(row)
        else { return nil }
        var operands: [UnsafeRawBufferPointer] = []
        while position < bytes.count {
            guard let operand = readPart() else { return nil }
            if let last = operands.last, ByteOrder.compare(last, operand) >= 0 { return nil }
            operands.append(operand)
        }
        guard !operands.isEmpty else { return nil }
        self.row = row
        self.operands = operands
    }

    /// The envelope of a row and of a set of operands, given in any order and number.
    static func encode(row: [UInt8], operands: [UnsafeRawBufferPointer]) -> [UInt8] {
        let sorted = operands.sorted { ByteOrder.compare($0, $1) < 0 }
        var bytes: [UInt8] = [RowFormat.damagedVersion]
        bytes.reserveCapacity(operands.reduce(row.count + 16) { $0 + $1.count + 10 })
        Varint.append(UInt64(row.count), to: &bytes)
        bytes.append(contentsOf: row)
        for (index, operand) in sorted.enumerated() {
            if index > 0, ByteOrder.compare(sorted[index - 1], operand) == 0 { continue }
            Varint.append(UInt64(operand.count), to: &bytes)
            bytes.append(contentsOf: operand)
        }
        return bytes
    }
}
