import ByteCoding

/// The rows that a client received: metadata, and cells that stay where they came in.
///
/// A cell costs eight bytes of bookkeeping and no allocation: all cells are ranges of the frame's
/// one array.
package struct RowsResult: Hashable, Sendable {
    private struct Cell: Sendable {
        /// Where the bytes start.
        let start: UInt32
        /// How many they are; -1 is null.
        let count: Int32
    }

    /// The columns and the paging state.
    package let metadata: RowsMetadata
    /// How many rows there are.
    package let rowCount: Int

    private let bytes: [UInt8]
    private let cells: [Cell]

    /// Reads the rows behind the kind of a RESULT.
    init(
        reading reader: inout ByteReader,
        of body: [UInt8],
        _ limits: NativeProtocolLimits
    ) throws(ByteDecodingError) {
        let metadata = try reader.readRowsMetadata(limits)
        let rowCount = Int(try reader.readInt32("number of rows"))
        guard rowCount >= 0 else { throw .invalid(what: "number of rows: \(rowCount)") }
        guard metadata.columnCount > 0 || rowCount == 0 else {
            throw .invalid(what: "number of rows: \(rowCount) without columns")
        }
        let cellCount = rowCount * metadata.columnCount  // Both fit 32 bits, so this fits 64.
        try reader.require(cellCount, "number of cells", atMost: .max, elementBytesMin: 4)
        var cells: [Cell] = []
        cells.reserveCapacity(cellCount)
        for _ in 0..<cellCount {
            let count = max(-1, try reader.readInt32("length of a cell"))
            cells.append(Cell(start: UInt32(reader.position), count: count))
            if count > 0 { try reader.skip(Int(count), "cell") }
        }
        self.metadata = metadata
        self.rowCount = rowCount
        self.cells = cells
        bytes = body
    }

    private func cell(_ row: Int, _ column: Int) -> Cell {
        precondition(
            row >= 0 && row < rowCount && column >= 0 && column < metadata.columnCount,
            "cell \(row), \(column) of \(rowCount) rows of \(metadata.columnCount) columns"
        )
        return cells[row * metadata.columnCount + column]
    }

    /// Whether a cell is null.
    package func isNull(row: Int, column: Int) -> Bool { cell(row, column).count < 0 }

    /// The bytes of a cell, which share the frame's storage, or nil for null.
    package subscript(row row: Int, column column: Int) -> ArraySlice<UInt8>? {
        let cell = cell(row, column)
        guard cell.count >= 0 else { return nil }
        return bytes[Int(cell.start)..<Int(cell.start) + Int(cell.count)]
    }

    /// Calls `body` with the bytes of a cell, or with nil for null.
    package func withCell<Result, Failure: Error>(
        row: Int,
        column: Int,
        _ body: (UnsafeRawBufferPointer?) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let cell = cell(row, column)
        guard cell.count >= 0 else { return try body(nil) }
        let range = Int(cell.start)..<Int(cell.start) + Int(cell.count)
        return try bytes.withUnsafeBufferPointer { buffer throws(Failure) in
            try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer[range])))
        }
    }

    package static func == (left: Self, right: Self) -> Bool {
        guard left.metadata == right.metadata, left.rowCount == right.rowCount else { return false }
        return (0..<left.rowCount).allSatisfy { row in
            (0..<left.metadata.columnCount).allSatisfy {
                left[row: row, column: $0] == right[row: row, column: $0]
            }
        }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(metadata)
        hasher.combine(rowCount)
    }
}
