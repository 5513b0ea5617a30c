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

/// Samples of the processes over a long run, and whether they stay flat.
struct Flatness {
    private var samples: [[ProcessSample]]

    init(nodes: Int) { samples = Array(repeating: [], count: nodes) }

    mutating func add(_ now: [ProcessSample?]) {
        for (index, sample) in now.enumerated() {
            if let sample { samples[index].append(sample) }
        }
    }

    private struct Trend {
        var name: String
        var before: Int
        var after: Int
        var allowed: Int

        var isFlat: Bool { after - before <= allowed }
    }

    /// The middle value of an early and of the last fifth of the samples.
    private func trends(_ node: Int) -> [Trend] {
        let all = samples[node]
        guard all.count >= 10 else { return [] }
        let fifth = all.count / 5
        let (early, late) = (all[fifth..<2 * fifth], all.suffix(fifth))
        func middle(_ slice: ArraySlice<ProcessSample>, _ value: (ProcessSample) -> Int) -> Int {
            slice.map(value).sorted()[slice.count / 2]
        }
        func trend(
            _ name: String,
            _ value: (ProcessSample) -> Int,
            allowed: (Int) -> Int
        ) -> Trend {
            let before = middle(early, value)
            return Trend(
                name: name,
                before: before,
                after: middle(late, value),
                allowed: allowed(before)
            )
        }
        return [
            trend("resident KiB", \.residentKiB) { $0 / 10 + 8192 },
            trend("threads", \.threads) { _ in 0 },
            trend("handles", \.handles) { _ in 16 },
        ]
    }

    var lines: [String] {
        samples.indices.flatMap { node in
            trends(node).map { trend in
                "node \(node + 1): \(trend.name) \(trend.before) -> \(trend.after)"
                    + (trend.isFlat ? "" : ", more than \(trend.allowed) above")
            }
        }
    }

    /// What grows.
    var problems: [String] {
        samples.indices.flatMap { node in
            let trends = trends(node)
            guard !trends.isEmpty else {
                return ["node \(node + 1) has \(samples[node].count) samples, 10 are needed"]
            }
            return trends.filter { !$0.isFlat }.map {
                "node \(node + 1): \($0.name) grew from \($0.before) to \($0.after)"
            }
        }
    }
}
