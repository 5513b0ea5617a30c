internal import Foundation
internal import Martlet

/// A table of texts, each column as wide as its widest cell.
package struct TextTable {
    private let header: [String]
    private let isRightAligned: [Bool]
    private var rows: [[String]] = []

    /// The most characters of a cell that are shown.
    private static let cellCharactersMax = 80

    /// A table with the titles of its columns; those that start with `>` are aligned to the right.
    package init(_ titles: [String]) {
        header = titles.map { $0.hasPrefix(">") ? String($0.dropFirst()) : $0 }
        isRightAligned = titles.map { $0.hasPrefix(">") }
    }

    /// Adds a row with a cell for each column.
    package mutating func append(_ cells: [String]) {
        precondition(
            cells.count == header.count,
            "\(cells.count) cells in a table of \(header.count) columns"
        )
        rows.append(
            cells.map { cell in
                let line = String(cell.map { $0.isNewline ? " " : $0 })
                guard line.count > Self.cellCharactersMax else { return line }
                return line.prefix(Self.cellCharactersMax - 3) + "..."
            }
        )
    }

    /// The lines, the header first.
    package var lines: [String] {
        let widths = header.indices.map { column in
            ([header] + rows).map { $0[column].count }.max() ?? 0
        }
        return ([header] + rows).map { row in
            let cells = row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                return isRightAligned[column] ? space + row[column] : row[column] + space
            }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }
}

/// A value as people read it.
func plainText(_ value: CQLValue) -> String {
    switch value {
    case .null, .unset: "null"
    case .boolean(let value): String(value)
    case .integer(let value): String(value)
    case .float(let value): String(value)
    case .double(let value): String(value)
    case .text(let text): text
    case .blob(let bytes): "0x" + hexadecimal(bytes)
    case .uuid(let uuid): uuid.uuidString.lowercased()
    case .timestamp(let date):
        date.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
    case .vector(let floats): "[" + floats.map { String($0) }.joined(separator: ", ") + "]"
    case .list(let elements): "[" + elements.map(plainText).joined(separator: ", ") + "]"
    case .map(let entries):
        "{"
            + entries.map { "\(plainText($0.key)): \(plainText($0.value))" }
            .joined(separator: ", ") + "}"
    }
}

/// Bytes as hexadecimal digits.
func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// Writes lines to the standard output at once.
func printLines(_ lines: [String]) {
    let text = lines.map { $0 + "\n" }.joined()
    try? FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
}

/// Writes a line to the standard error.
func printNote(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8))
}

/// A number with separators between its thousands.
package func grouped(_ number: Int) -> String {
    let digits = String(number.magnitude)
    var result = ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0 { result += "," }
        result.append(digit)
    }
    return number < 0 ? "-" + result : result
}

/// A number of bytes in the greatest unit that it fills.
package func byteText(_ bytes: Int) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 1024, unit + 1 < units.count {
        value /= 1024
        unit += 1
    }
    return unit == 0 ? "\(bytes) B" : String(format: "%.1f %@", value, units[unit])
}

/// A share of 1 as a percentage.
package func percentText(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
