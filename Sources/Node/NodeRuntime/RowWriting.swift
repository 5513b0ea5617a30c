package import CQL
internal import Catalog
internal import Coordination
package import NativeProtocol
internal import PeerMessages
internal import Scoring
package import Storage
internal import TokenPlacement

/// Why rows cannot be answered.
package enum RowWritingError: Error {
    /// A stored row is damaged.
    case row(RowFormatError)
    /// The frame would have more bytes than an answer may have.
    case tooLong(limit: Int)
}

/// Writes the rows of a SELECT into a response frame.
package struct RowWriting {
    private let select: SelectPlan
    private let nowSeconds: Int64
    private let byteCountMax: Int

    /// The writer of a plan's rows, as of a second, into frames of so many bytes at most.
    package init(
        _ select: SelectPlan,
        nowSeconds: Int64,
        byteCountMax: Int = Int(UInt32.max)
    ) {
        self.select = select
        self.nowSeconds = nowSeconds
        self.byteCountMax = byteCountMax
    }

    /// The beginning of a frame for rows.
    func writer(
        stream: Int16,
        metadata: RowsMetadata,
        extras: ResponseExtras,
        rowsByteCapacity: Int = 0
    ) -> RowsWriter {
        RowsWriter(
            stream: stream,
            metadata: metadata,
            extras: extras,
            rowsByteCapacity: rowsByteCapacity,
            byteCountMax: byteCountMax
        )
    }

    /// The frame for rows that were read, in the order of the partitions.
    package func frame(
        _ bound: BoundSelect,
        _ rows: [[UInt8]?],
        metadata: RowsMetadata,
        stream: Int16,
        extras: ResponseExtras
    ) throws(RowWritingError) -> [UInt8] {
        var writer = writer(
            stream: stream,
            metadata: metadata,
            extras: extras,
            rowsByteCapacity: rows.reduce(0) { $0 + ($1?.count ?? 0) }
        )
        var ranges: [Range<Int>?] = []
        var count: Int64 = 0
        let limit = bound.limit ?? .max
        for (partition, row) in zip(bound.partitions, rows) {
            guard let row, select.isCount || count < limit else { continue }
            guard try write(row, partition, bound.filter, &ranges, &writer) else { continue }
            count += 1
        }
        if select.isCount { write(count: count, &writer) }
        return writer.finish()
    }

    /// Writes one row unless nothing of it lives or the filter drops it; counts write nothing.
    ///
    /// - Returns: whether the row counts.
    /// - Throws: for a row that is damaged or has no room.
    func write(
        _ row: [UInt8],
        _ partition: PartitionRef,
        _ filter: RowFilter?,
        _ ranges: inout [Range<Int>?],
        _ writer: inout RowsWriter
    ) throws(RowWritingError) -> Bool {
        let view: RowView
        do throws(RowFormatError) {
            view = try RowView(validating: row)
        } catch {
            throw .row(error)
        }
        guard view.locate(columns: select.readColumns, nowSeconds: nowSeconds, into: &ranges),
            filter?.accepts(row: row, ranges: ranges, key: partition.key) ?? true
        else { return false }
        if select.isCount { return true }
        row.withUnsafeBytes { bytes in
            for output in select.outputs {
                switch output.source {
                case .column(let place):
                    writer.appendCell(
                        ranges[place].map { UnsafeRawBufferPointer(rebasing: bytes[$0]) }
                    )
                case .writetime, .ttl: writer.append(cellTime(output.source, view))
                case .partitionKey, .token: append(output.source, partition, &writer)
                case .score, .count: writer.appendNull()
                }
            }
        }
        try check(writer)
        return true
    }

    private func check(_ writer: RowsWriter) throws(RowWritingError) {
        if writer.isOverLimit { throw .tooLong(limit: byteCountMax) }
    }

    /// Writes the one row of a count.
    func write(count: Int64, _ writer: inout RowsWriter) {
        for output in select.outputs {
            if output.source == .count { writer.append(count) } else { writer.appendNull() }
        }
    }

    /// The frame for rows that were scored.
    func frame(
        _ bound: BoundSelect,
        _ outcome: ScoreMachine.Outcome,
        metadata: RowsMetadata,
        stream: Int16,
        extras: ResponseExtras
    ) throws(RowWritingError) -> [UInt8] {
        var writer = writer(stream: stream, metadata: metadata, extras: extras)
        for entry in outcome.entries {
            for output in select.outputs {
                switch output.source {
                case .column(let place):
                    if let value = entry.values[place] {
                        writer.appendCell(value)
                    } else {
                        writer.appendNull()
                    }
                case .score:
                    if let score = entry.score {
                        withUnsafeBytes(of: score.bitPattern.bigEndian) { writer.appendCell($0) }
                    } else {
                        writer.appendNull()
                    }
                case .partitionKey, .token:
                    append(output.source, bound.partitions[entry.key], &writer)
                case .writetime, .ttl, .count: writer.appendNull()  // The planner refuses them.
                }
            }
            try check(writer)
        }
        return writer.finish()
    }

    private func append(
        _ source: OutputSource,
        _ partition: PartitionRef,
        _ writer: inout RowsWriter
    ) {
        if case .partitionKey(let component) = source {
            if let range = select.keyRange(component: component, of: partition.key) {
                writer.appendCell(partition.key[range])
            } else {
                writer.appendNull()
            }
        } else {
            writer.append(partition.token.value)
        }
    }

    /// The write time or remaining life of a column's live cell.
    private func cellTime(_ source: OutputSource, _ view: RowView) -> CellTime? {
        var found: CellTime?
        view.forEachCell { entry in
            guard entry.isLive(nowSeconds: nowSeconds) else { return }
            switch source {
            case .writetime(entry.column): found = .micros(entry.timestamp.microseconds)
            case .ttl(entry.column):
                found = entry.expiry.map { .seconds(Int32(clamping: $0.atSeconds - nowSeconds)) }
            default: break
            }
        }
        return found
    }
}

private enum CellTime {
    case micros(Int64)
    case seconds(Int32)
}

extension RowsWriter {
    fileprivate mutating func append(_ number: Int64) {
        withUnsafeBytes(of: number.bigEndian) { appendCell($0) }
    }

    fileprivate mutating func append(_ time: CellTime?) {
        switch time {
        case .micros(let micros): append(micros)
        case .seconds(let seconds): withUnsafeBytes(of: seconds.bigEndian) { appendCell($0) }
        case nil: appendNull()
        }
    }
}

extension ScoreCounts {
    /// The counts as Scoring words them.
    var statistics: ScoreStatistics {
        ScoreStatistics(rows: rows, defaulted: defaulted, null: null, nonFinite: nonFinite)
    }
}
