/// Writes operations as lines.
package enum HistoryText {
    /// The operations that touch a key of a table, around one of them.
    package static func lines(
        _ history: History,
        table: Int,
        key: Int,
        around id: Int?,
        linesMax: Int = 40
    ) -> [String] {
        let touching = history.operations.filter { operation in
            guard operation.table == table else { return false }
            switch operation.request {
            case .scan: return operation.rows[key] != nil || operation.id == id
            default: return operation.keys.contains(key)
            }
        }
        let end = id.flatMap { id in touching.firstIndex { $0.id == id } } ?? touching.count - 1
        let last = min(touching.count, end + 4)
        return touching[max(0, last - linesMax)..<max(0, last)].map { operation in
            (operation.id == id ? "> " : "  ") + line(operation, key: key)
        }
    }

    /// An operation as a line.
    package static func line(_ operation: Operation, key: Int?) -> String {
        let end = operation.returned.map(\.secondsText) ?? "..."
        let outcome =
            switch operation.outcome {
            case .open: "never returned"
            case .done: "done"
            case .refused(let text): "refused (\(text))"
            case .unknown(let text): "unknown (\(text))"
            }
        return "#\(operation.id) client \(operation.client) node \(operation.node) "
            + "[\(operation.invoked.secondsText) - \(end)] \(operation.level) "
            + (operation.nowSeconds.map { "now \($0) " } ?? "")
            + "\(request(operation, key)) -> \(outcome)\(result(operation, key))"
    }

    /// A value: who wrote it, as the workload encodes it, else its bytes.
    package static func text(_ value: [UInt8]?) -> String {
        guard let value else { return "null" }
        return WrittenValue(value)?.description
            ?? value.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func request(_ operation: Operation, _ key: Int?) -> String {
        switch operation.request {
        case .write(let rows, let timestamp, let isLogged):
            let parts = rows.filter { key == nil || isLogged || $0.key == key }.map { row in
                let change =
                    switch row.change {
                    case .set(let cells, let isInsert):
                        (isInsert ? "insert " : "set ")
                            + cells.sorted { $0.key < $1.key }
                            .map { "c\($0.key)=\(text($0.value))" }.joined(separator: " ")
                    case .deleteCells(let columns):
                        "delete " + columns.map { "c\($0)" }.joined(separator: " ")
                    case .deleteRow: "delete row"
                    }
                let expiry = row.expiresAt.map { " until \($0)" } ?? ""
                return "key \(row.key) \(change)\(expiry)"
            }
            return (isLogged ? "batch " : "write ") + "at \(timestamp): "
                + parts.joined(separator: "; ")
        case .read(let keys): return "read \(keys.count == 1 ? "key \(keys[0])" : "\(keys)")"
        case .scan: return "scan"
        case .score(let keys): return "score \(keys)"
        case .schema(let text): return text
        }
    }

    private static func result(_ operation: Operation, _ key: Int?) -> String {
        guard operation.outcome == .done else { return "" }
        switch operation.request {
        case .write, .schema: return ""
        case .read, .scan:
            let keys = key.map { [$0] } ?? operation.rows.keys.sorted()
            return ": "
                + keys.map { key in
                    guard let row = operation.rows[key], !row.isEmpty else {
                        return "key \(key) empty"
                    }
                    return "key \(key) "
                        + row.sorted { $0.key < $1.key }
                        .map { "c\($0.key)=\(text($0.value))" }.joined(separator: " ")
                }.joined(separator: "; ")
        case .score:
            return ": "
                + operation.scores.sorted { $0.key < $1.key }
                .filter { key == nil || $0.key == key }
                .map { "key \($0.key) \($0.value.map { "\($0)" } ?? "null")" }
                .joined(separator: "; ")
        }
    }
}
