internal import Catalog
internal import Foundation
internal import HistoryChecking

/// What a run showed.
struct ChaosReport {
    let history: History
    let faults: [(kind: Faults.Kind, count: Int)]
    let violations: [String]
    let seconds: Double
    /// When faults ended, in the history's time.
    let healed: Nanoseconds

    /// The spans in which nothing succeeded for longer than this count as unavailable.
    static let unavailableAfter: Nanoseconds = .seconds(1)

    /// The spans without a success of a kind, each longer than the bound.
    static func windows(
        _ history: History,
        until end: Nanoseconds,
        _ isCounted: (ClientOperation.Request) -> Bool
    ) -> [Nanoseconds] {
        let times = history.operations
            .filter { $0.outcome == .done && isCounted($0.request) }
            .compactMap(\.returned).filter { $0 <= end }.sorted()
        return zip([0] + times, times + [end]).map { $1 - $0 }.filter { $0 > unavailableAfter }
    }

    private func rows(_ name: String, _ isCounted: (ClientOperation.Request) -> Bool) -> [String] {
        let operations = history.operations.filter { isCounted($0.request) && $0.level != .all }
        let done = operations.count { $0.outcome == .done }
        let refused = operations.count { if case .refused = $0.outcome { true } else { false } }
        let windows = Self.windows(history, until: healed, isCounted)
        let sum = windows.reduce(0, +)
        return [
            name, "\(operations.count)", "\(done)", "\(refused)",
            "\(operations.count - done - refused)", "\(windows.count)", sum.secondsText,
            (windows.max() ?? 0).secondsText,
        ]
    }

    var lines: [String] {
        let header = [
            "", "operations", "done", "refused", "unknown", "windows", "seconds in all", "longest",
        ]
        let table = [
            header,
            rows("writes") { if case .write = $0 { true } else { false } },
            rows("reads") { if case .read = $0 { true } else { false } },
        ]
        let widths = header.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        let text = table.map { row in
            row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + space : space + row[column]
            }.joined(separator: "  ")
        }
        let count = faults.reduce(0) { $0 + $1.count }
        let kinds = faults.filter { $0.count > 0 }.map { "\($0.count) × \($0.kind.rawValue)" }
        return text + [
            "windows: spans of more than 1 s in which none of the kind succeeded, while faults were on",
            "keys read at ALL in the end: \(history.writtenRows.count)",
            "faults: \(count) in \(String(format: "%.0f", seconds)) s (\(kinds.joined(separator: ", ")))",
            "violations: \(violations.count)",
        ]
    }
}
