internal import Foundation
package import Martlet

/// Why a text is no value of a type.
package struct TextValueError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ text: String, _ type: String, _ hint: String = "") {
        let shown = text.count > 60 ? text.prefix(57) + "..." : text[...]
        description = "'\(shown)' is no \(type)\(hint.isEmpty ? "" : ": \(hint)")"
    }
}

/// Reads texts of a file as values of one column's type.
package struct TextValueParser: Sendable {
    private indirect enum Shape: Hashable, Sendable {
        case text
        case boolean
        case integer(ClosedRange<Int64>)
        case float
        case double
        case uuid
        case timestamp
        case blob
        case vector(Int)
        case list(Shape, String)
    }

    private let type: String
    private let shape: Shape

    /// A parser of a type as CQL writes it, or nil for types that no text is read for.
    package init?(type: String) {
        guard let shape = Self.shape(of: type) else { return nil }
        self.type = type
        self.shape = shape
    }

    private static func shape(of type: String) -> Shape? {
        switch type {
        case "text", "ascii", "varchar", "inet": return .text
        case "boolean": return .boolean
        case "tinyint": return .integer(Int64(Int8.min)...Int64(Int8.max))
        case "smallint": return .integer(Int64(Int16.min)...Int64(Int16.max))
        case "int": return .integer(Int64(Int32.min)...Int64(Int32.max))
        case "bigint": return .integer(.min ... .max)
        case "float": return .float
        case "double": return .double
        case "uuid", "timeuuid": return .uuid
        case "timestamp": return .timestamp
        case "blob": return .blob
        default: break
        }
        guard type.last == ">", let open = type.firstIndex(of: "<") else { return nil }
        let inner = type[type.index(after: open)..<type.index(before: type.endIndex)]
        switch type[..<open] {
        case "vector":
            let parts = inner.split(separator: ",")
            guard parts.count == 2, parts[0] == "float" else { return nil }
            return Int(parts[1].filter { $0 != " " }).map(Shape.vector)
        case "list", "set":
            return shape(of: String(inner)).map { .list($0, String(inner)) }
        case "frozen": return shape(of: String(inner))
        default: return nil
        }
    }

    /// The value that a text stands for.
    ///
    /// - Throws: ``TextValueError`` if it is none of the type.
    package func value(_ text: String) throws(TextValueError) -> CQLValue {
        try Self.value(text, shape, type)
    }

    private static func value(
        _ text: String,
        _ shape: Shape,
        _ type: String
    ) throws(TextValueError) -> CQLValue {
        let trimmed = text.drop { $0 == " " }
        switch shape {
        case .text: return .text(text)
        case .boolean:
            switch trimmed.lowercased() {
            case "true", "1", "yes": return .boolean(true)
            case "false", "0", "no": return .boolean(false)
            default: throw TextValueError(text, type, "write true or false")
            }
        case .integer(let range):
            guard let number = Int64(trimmed) else { throw TextValueError(text, type) }
            guard range.contains(number) else {
                throw TextValueError(
                    text,
                    type,
                    "it must be from \(range.lowerBound) to \(range.upperBound)"
                )
            }
            return .integer(number)
        case .float:
            guard let number = Float(trimmed) else { throw TextValueError(text, type) }
            return .float(number)
        case .double:
            guard let number = Double(trimmed) else { throw TextValueError(text, type) }
            return .double(number)
        case .uuid:
            guard let uuid = UUID(uuidString: String(trimmed)) else {
                throw TextValueError(text, type)
            }
            return .uuid(uuid)
        case .timestamp:
            if let milliseconds = Int64(trimmed) { return .integer(milliseconds) }
            guard let date = date(String(trimmed)) else {
                throw TextValueError(
                    text,
                    type,
                    "write milliseconds since 1970, or 2024-05-17T10:30:00Z"
                )
            }
            return .timestamp(date)
        case .blob:
            guard let bytes = bytes(trimmed) else {
                throw TextValueError(text, type, "write hexadecimal digits behind 0x")
            }
            return .blob(bytes)
        case .vector(let dimension):
            return .vector(try vector(text, dimension, type))
        case .list(let element, let elementType):
            let list = try elements(text, type).map { part throws(TextValueError) in
                try value(part, element, elementType)
            }
            return .list(list)
        }
    }

    private static func vector(
        _ text: String,
        _ dimension: Int,
        _ type: String
    ) throws(TextValueError) -> [Float] {
        let floats = try elements(text, type).map { element throws(TextValueError) in
            guard let float = Float(element) else {
                throw TextValueError(text, type, "'\(element)' is no number")
            }
            return float
        }
        guard floats.count == dimension else {
            throw TextValueError(
                text,
                type,
                "\(dimension) numbers are needed, \(floats.count) are given"
            )
        }
        return floats
    }

    /// The elements of a JSON array of numbers, booleans or strings.
    private static func elements(
        _ text: String,
        _ type: String
    ) throws(TextValueError) -> [String] {
        let hint = "write a JSON array such as [0.1, 0.2]"
        let body = text.drop { $0.isWhitespace }
        guard body.first == "[" else { throw TextValueError(text, type, hint) }
        if !body.contains("\"") {
            // Numbers need no JSON parser, and vectors are most of what is imported.
            let inner = body.dropFirst().reversed().drop { $0.isWhitespace }
            guard inner.first == "]" else { throw TextValueError(text, type, hint) }
            let items = String(inner.dropFirst().reversed())
            guard items.contains(where: { !$0.isWhitespace }) else { return [] }
            return items.split(separator: ",", omittingEmptySubsequences: false).map { item in
                String(item.filter { !$0.isWhitespace })
            }
        }
        guard let strings = try? JSONDecoder().decode([String].self, from: Data(text.utf8)) else {
            throw TextValueError(text, type, hint)
        }
        return strings
    }

    private static func date(_ text: String) -> Date? {
        let style = Date.ISO8601FormatStyle()
        return (try? style.parse(text))
            ?? (try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text))
    }

    private static func bytes(_ text: Substring) -> [UInt8]? {
        let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        var rest = digits
        while !rest.isEmpty {
            guard rest.prefix(2).allSatisfy(\.isHexDigit),
                let byte = UInt8(rest.prefix(2), radix: 16)
            else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
