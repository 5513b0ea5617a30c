internal import Foundation

/// Tells how far an import is: a bar on a terminal, lines of JSON elsewhere.
final class ImportReporter {
    private let name: String
    private let isTerminal: Bool
    private let clock = ContinuousClock()
    private var start: ContinuousClock.Instant
    private var shown: ContinuousClock.Instant
    private var bytes = 0
    private var resumedAt = 0
    private var rows = 0
    private var offset = 0
    private var rejections = 0

    /// The most bad rows that are shown one by one.
    private static let rejectionsShownMax = 20

    /// A reporter for a file of the given name.
    init(name: String, isTerminal: Bool) {
        self.name = name
        self.isTerminal = isTerminal
        start = clock.now
        shown = start
    }

    /// The import starts, or goes on behind rows that are done.
    func begin(bytes: Int, resumedAt: Int) {
        self.bytes = bytes
        self.resumedAt = resumedAt
        rows = resumedAt
        start = clock.now
        shown = start
        if resumedAt > 0 {
            note("\(name): goes on behind the first \(grouped(resumedAt)) rows")
        }
    }

    /// So many rows at the start are done.
    func update(rows: Int, offset: Int) {
        self.rows = rows
        self.offset = offset
        let now = clock.now
        guard now - shown >= (isTerminal ? .milliseconds(100) : .seconds(2)) else { return }
        shown = now
        show()
    }

    /// A row is bad.
    func reject(_ rejection: RowRejection) {
        rejections += 1
        guard rejections <= Self.rejectionsShownMax else { return }
        note("\(name), \(rejection)")
    }

    /// The import ends; the bar makes room.
    func end() {
        if isTerminal { write("\r\u{1B}[K") }
        let hidden = rejections - Self.rejectionsShownMax
        if hidden > 0 { note("\(name): \(grouped(hidden)) more bad rows") }
    }

    private var rowsPerSecond: Int {
        let (seconds, attoseconds) = (clock.now - start).components
        let elapsed = Double(seconds) + Double(attoseconds) / 1e18
        return elapsed > 0 ? Int(Double(rows - resumedAt) / elapsed) : 0
    }

    private func show() {
        guard isTerminal else {
            let line = JSONValue.object([
                .init("file", .string(name)),
                .init("rows", .integer(Int64(rows))),
                .init("bytes", .integer(Int64(offset))),
                .init("bytes_total", .integer(Int64(bytes))),
                .init("rows_per_second", .integer(Int64(rowsPerSecond))),
            ])
            printLines([line.description])
            return
        }
        let share = bytes > 0 ? min(1, Double(offset) / Double(bytes)) : 1
        let filled = Int(share * 30)
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
        let percent = Int(share * 100)
        write(
            "\r\u{1B}[K\(name) [\(bar)] \(percent) % \(grouped(rows)) rows, "
                + "\(grouped(rowsPerSecond)) rows/s"
        )
    }

    private func note(_ text: String) {
        if isTerminal { write("\r\u{1B}[K") }
        printNote(text)
    }

    private func write(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }
}
