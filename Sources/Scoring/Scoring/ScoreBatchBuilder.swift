import Catalog

/// Gathers the arguments of many rows into the tensors of one batch.
///
/// It allocates once for all rows. A row with a null argument that has no DEFAULT is left out, and
/// its score is null.
///
/// ```
/// var builder = ScoreBatchBuilder(layout: layout, rowsMax: rows.count)
/// try builder.setConstant(0, to: userVector)
/// for row in rows { try builder.appendRow { parameter in row.argument(parameter) } }
/// let batch = builder.finish()
/// ```
package struct ScoreBatchBuilder: ~Copyable {
    private enum Source {
        /// Each row gives its own value.
        case row
        /// All rows share the value that begins here in `constants`, encoded as its input takes it.
        case constant(start: Int)
        /// All rows share a null that has no DEFAULT.
        case null
    }

    private let layout: ScoreLayout
    private let rowsMax: Int
    private let buffer: ScoreBuffer
    private let offsets: [Int]
    private var sources: [Source]
    private var constants: [UInt8] = []
    private var hasDefaultedConstant = false
    private var hasNullConstant = false
    private var rowCount = 0
    private var statistics = ScoreStatistics()
    private var places: [Int32]?

    /// A builder with room for `rowsMax` rows.
    package init(layout: ScoreLayout, rowsMax: Int) {
        self.layout = layout
        self.rowsMax = rowsMax
        offsets = layout.offsets(rows: rowsMax)
        buffer = ScoreBuffer(byteCount: offsets.last ?? 0)
        sources = layout.slots.map { _ in .row }
    }

    /// Gives an argument that is the same for all rows.
    ///
    /// Nil is null. Call it before any row comes.
    package mutating func setConstant(
        _ parameter: Int,
        to value: [UInt8]?
    ) throws(ScoreArgumentError) {
        precondition(statistics.rows == 0, "a constant behind \(statistics.rows) rows")
        let slot = layout.slots[parameter]
        guard let value else {
            if let standIn = layout.defaults[parameter] {
                sources[parameter] = .constant(start: constants.count)
                constants += standIn
                hasDefaultedConstant = true
            } else {
                sources[parameter] = .null
                hasNullConstant = true
            }
            return
        }
        guard value.count == slot.type.encodedByteCount else {
            throw error(parameter, givenByteCount: value.count)
        }
        let encoded = [UInt8](unsafeUninitializedCapacity: slot.byteCount) { target, count in
            value.withUnsafeBytes { source in
                if let base = UnsafeMutableRawBufferPointer(target).baseAddress {
                    slot.write(source, to: base)
                }
            }
            count = slot.byteCount
        }
        sources[parameter] = .constant(start: constants.count)
        constants += encoded
    }

    /// Appends a row, asking for each argument that is not constant, by the parameter's index.
    ///
    /// After an error the builder is as it was before the row.
    package mutating func appendRow(
        _ argument: (Int) -> ScoreArgument
    ) throws(ScoreArgumentError) {
        precondition(statistics.rows < rowsMax, "more than \(rowsMax) rows")
        if hasNullConstant { return leaveOut() }
        var isDefaulted = hasDefaultedConstant
        for index in layout.slots.indices {
            let slot = layout.slots[index]
            let target =
                buffer.base + offsets[slot.input] + layout.strides[slot.input] * rowCount
                + slot.offset
            switch sources[index] {
            case .constant(let start):
                copy(constants, from: start, byteCount: slot.byteCount, to: target)
            case .null: return leaveOut()
            case .row:
                switch argument(index) {
                case .value(let value):
                    guard value.count == slot.type.encodedByteCount else {
                        throw error(index, givenByteCount: value.count)
                    }
                    slot.write(value, to: target)
                case .null:
                    guard let standIn = layout.defaults[index] else { return leaveOut() }
                    copy(standIn, from: 0, byteCount: slot.byteCount, to: target)
                    isDefaulted = true
                }
            }
        }
        places?.append(Int32(rowCount))
        rowCount += 1
        statistics.rows += 1
        if isDefaulted { statistics.defaulted += 1 }
    }

    /// The batch of all rows appended.
    package consuming func finish() -> ScoreBatch {
        ScoreBatch(
            layout: layout,
            rowCount: rowCount,
            statistics: statistics,
            buffer: buffer,
            offsets: offsets,
            places: places
        )
    }

    /// Counts a row whose score is null; what was written of it is overwritten by the next.
    private mutating func leaveOut() {
        if places == nil {
            var before: [Int32] = []
            before.reserveCapacity(rowsMax)
            before.append(contentsOf: 0..<Int32(rowCount))
            places = before
        }
        places?.append(-1)
        statistics.rows += 1
        statistics.null += 1
    }

    @inline(__always)
    private func copy(
        _ bytes: [UInt8],
        from start: Int,
        byteCount: Int,
        to target: UnsafeMutableRawPointer
    ) {
        bytes.withUnsafeBytes { source in
            let part = UnsafeRawBufferPointer(rebasing: source[start..<start + byteCount])
            if let base = part.baseAddress { target.copyMemory(from: base, byteCount: byteCount) }
        }
    }

    private func error(_ parameter: Int, givenByteCount: Int) -> ScoreArgumentError {
        ScoreArgumentError(
            parameter: layout.signature.parameters[parameter].name,
            expected: layout.slots[parameter].type,
            givenByteCount: givenByteCount
        )
    }
}
