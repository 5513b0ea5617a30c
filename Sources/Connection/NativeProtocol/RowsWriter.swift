import ByteCoding

/// Writes the frame of a result's rows, cell by cell, into one array.
///
/// A row costs no allocation of its own: its cells are appended where they are sent from, and the
/// number of rows and the frame's length are patched at the end.
package struct RowsWriter: Sendable {
    private var bytes: [UInt8]
    private let metadataOffset: Int
    private var rowCountOffset: Int
    private let columnCount: Int
    private let byteCountMax: Int
    private var cellCount = 0

    /// Whether a cell did not fit any more: the frame is not whole, and is not sent.
    package private(set) var isOverLimit = false

    /// Begins a frame with its header, what goes along with it, and the metadata.
    ///
    /// - Parameters:
    ///   - stream: the request's.
    ///   - version: the request's.
    ///   - metadata: the columns; `withoutColumns` where the request skips them.
    ///   - extras: what goes along with the rows.
    ///   - rowsByteCapacity: how many bytes of rows to make room for, if that is known.
    ///   - byteCountMax: how long the frame may become; no cell behind that is kept.
    package init(
        stream: Int16,
        version: ProtocolVersion = .v4,
        metadata: RowsMetadata,
        extras: ResponseExtras = ResponseExtras(),
        rowsByteCapacity: Int = 0,
        byteCountMax: Int = Int(UInt32.max)
    ) {
        var builder = FrameBuilder(
            version: version,
            flags: extras.flags,
            stream: stream,
            opcode: .result,
            capacity: min(rowsByteCapacity, byteCountMax) + 64 + 32 * (metadata.columns?.count ?? 0)
        )
        builder.writer.writeExtras(extras)
        builder.writer.writeInt32(ResultKind.rows.rawValue)
        metadataOffset = builder.writer.count
        builder.writer.writeRowsMetadata(metadata)
        builder.writer.writeInt32(0)
        bytes = builder.finish()
        rowCountOffset = bytes.count - 4
        columnCount = metadata.columnCount
        self.byteCountMax = min(byteCountMax, Int(UInt32.max))
    }

    /// The bytes of the frame so far, so that a page can be bounded.
    package var byteCount: Int { bytes.count }

    /// The rows that are whole so far.
    package var rowCount: Int { columnCount == 0 ? 0 : cellCount / columnCount }

    /// Appends the next cell of the row, or null; after the last column the next row begins.
    package mutating func appendCell(_ value: UnsafeRawBufferPointer?) {
        guard let value else {
            appendNull()
            return
        }
        guard appendLength(of: value.count) else { return }
        bytes.append(contentsOf: value)
    }

    /// Appends the next cell of the row.
    package mutating func appendCell(_ value: [UInt8]) {
        guard appendLength(of: value.count) else { return }
        bytes.append(contentsOf: value)
    }

    /// Appends the next cell of the row, cut out of a larger array.
    package mutating func appendCell(_ value: ArraySlice<UInt8>) {
        guard appendLength(of: value.count) else { return }
        bytes.append(contentsOf: value)
    }

    /// Appends null as the next cell of the row.
    package mutating func appendNull() { _ = appendLength(of: nil) }

    /// The whole frame; the last row must be whole, and the frame within its limit.
    ///
    /// - Parameter pagingState: where the next page starts, if that is known only now; the
    ///   metadata must not have told one.
    /// - Returns: the frame.
    package consuming func finish(pagingState: [UInt8]? = nil) -> [UInt8] {
        precondition(!isOverLimit, "a frame over its limit of \(byteCountMax) bytes is sent")
        if let pagingState { insert(pagingState) }
        precondition(
            columnCount == 0 ? cellCount == 0 : cellCount % columnCount == 0,
            "\(cellCount) cells are no whole rows of \(columnCount) columns"
        )
        patch(UInt32(rowCount), at: rowCountOffset)
        patch(UInt32(clamping: bytes.count - FrameHeader.byteCount), at: 5)
        return bytes
    }

    /// Puts a paging state behind the number of columns, and its flag before it.
    private mutating func insert(_ pagingState: [UInt8]) {
        let hasMorePages = UInt8(RowsMetadata.hasMorePagesFlag)
        precondition(
            bytes[metadataOffset + 3] & hasMorePages == 0,
            "the metadata told a paging state already"
        )
        bytes[metadataOffset + 3] |= hasMorePages
        let length = withUnsafeBytes(of: Int32(pagingState.count).bigEndian) { Array($0) }
        bytes.insert(contentsOf: length + pagingState, at: metadataOffset + 8)
        rowCountOffset += 4 + pagingState.count
    }

    /// Begins a cell of so many bytes, nil: null; not if there is no room for it.
    private mutating func appendLength(of count: Int?) -> Bool {
        cellCount += 1
        guard !isOverLimit, let length = Int32(exactly: count ?? -1),
            bytes.count + 4 + (count ?? 0) <= byteCountMax
        else {
            isOverLimit = true
            return false
        }
        withUnsafeBytes(of: length.bigEndian) { bytes.append(contentsOf: $0) }
        return true
    }

    private mutating func patch(_ value: UInt32, at offset: Int) {
        for index in 0..<4 {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * index))
        }
    }
}
