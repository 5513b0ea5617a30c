internal import Foundation
internal import Synchronization

/// Tells how far a repair is that many nodes take part in: a bar on a terminal, else nothing.
final class RepairProgress: Sendable {
    private let isShown: Bool
    private let runs = Mutex<[String: RepairRunRow]>([:])

    init(isShown: Bool) { self.isShown = isShown }

    /// A node is so far with its part.
    func update(_ run: RepairRunRow, at place: String) {
        guard isShown else { return }
        let line = runs.withLock { runs in
            runs[place] = run
            return progressLine(Array(runs.values))
        }
        write("\r\u{1B}[K" + line)
    }

    /// The repair ends; the bar makes room.
    func end() {
        if isShown { write("\r\u{1B}[K") }
    }

    private func write(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
    }
}

/// How far runs are, in one line.
package func progressLine(_ runs: [RepairRunRow]) -> String {
    let done = runs.reduce(0) { $0 + $1.slices_done }
    let total = runs.reduce(0) { $0 + $1.slices_total }
    let rows = runs.reduce(0) { $0 + $1.rows_streamed }
    let share = total > 0 ? min(1, Double(done) / Double(total)) : 1
    let filled = Int(share * 30)
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
    return "repair [\(bar)] \(grouped(done)) of \(grouped(total)) slices, "
        + "\(grouped(Int(rows))) rows streamed"
}
