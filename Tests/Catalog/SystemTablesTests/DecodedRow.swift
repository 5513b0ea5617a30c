import Catalog
import SystemTables
import Testing
import TokenPlacement

/// A row of a virtual table, decoded by the types of its columns.
struct DecodedRow: Equatable {
    /// The non-null values by column, as text; see ``text(of:type:)``.
    let values: [String: String]

    subscript(column: String) -> String? { values[column] }

    /// Renders a table and decodes it; every value must be valid for its column's type.
    static func all(
        of name: String,
        in snapshot: SystemSnapshot = Fixture.snapshot()
    ) throws -> [DecodedRow] {
        let parts = name.split(separator: ".").map(String.init)
        let table = try #require(SystemTables.table(keyspace: parts[0], name: parts[1]))
        return try SystemTables.rows(of: table, in: snapshot).map { row in
            try #require(row.count == table.columns.count)
            var values: [String: String] = [:]
            for (column, value) in zip(table.columns, row) {
                guard let value else { continue }
                try column.type.validate(value)
                values[column.name] = text(of: value, type: column.type)
            }
            return DecodedRow(values: values)
        }
    }

    /// Scalars as text, lists and sets as `[a, b]`, maps as `{k: v}`; written apart from the
    /// encoders, by the native protocol's specification.
    private static func text(of value: [UInt8], type: CQLType) -> String {
        func number() -> UInt64 { value.reduce(0) { $0 << 8 | UInt64($1) } }
        switch type {
        case .text, .ascii: return String(decoding: value, as: UTF8.self)
        case .boolean: return value == [1] ? "true" : "false"
        case .int: return "\(Int32(truncatingIfNeeded: number()))"
        case .bigint, .timestamp: return "\(Int64(bitPattern: number()))"
        case .double: return "\(Double(bitPattern: number()))"
        case .uuid:
            return "\(value[..<8].reduce(0) { $0 << 8 | UInt64($1) })"
                + "-\(value[8...].reduce(0) { $0 << 8 | UInt64($1) })"
        case .inet: return value.map { "\($0)" }.joined(separator: ".")
        case .list(let element), .set(let element):
            return "["
                + parts(of: value).map { text(of: $0, type: element) }.joined(separator: ", ") + "]"
        case .map(let keyType, let valueType):
            let parts = parts(of: value)
            let entries = stride(from: 0, to: parts.count, by: 2).map {
                text(of: parts[$0], type: keyType) + ": " + text(of: parts[$0 + 1], type: valueType)
            }
            return "{" + entries.joined(separator: ", ") + "}"
        default: return "\(value)"
        }
    }

    private static func parts(of value: [UInt8]) -> [[UInt8]] {
        var parts: [[UInt8]] = []
        var rest = value.dropFirst(4)
        while rest.count >= 4 {
            let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            parts.append(Array(rest.dropFirst(4).prefix(length)))
            rest = rest.dropFirst(4 + length)
        }
        return parts
    }
}
