package import Martlet

/// A value of JSON whose objects keep their order.
package indirect enum JSONValue: Hashable, Sendable, CustomStringConvertible {
    case null
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    /// A float, printed with the digits that a float needs.
    case float(Float)
    case string(String)
    case array([JSONValue])
    case object([Member])

    /// A member of an object.
    package struct Member: Hashable, Sendable {
        var name: String
        var value: JSONValue

        /// A member with its name.
        package init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// The value that CQL's value is in JSON: bytes in hexadecimal, times in ISO 8601.
    package init(_ value: CQLValue) {
        switch value {
        case .null, .unset: self = .null
        case .boolean(let value): self = .boolean(value)
        case .integer(let value): self = .integer(value)
        case .float(let value): self = .float(value)
        case .double(let value): self = .number(value)
        case .vector(let floats): self = .array(floats.map(JSONValue.float))
        case .list(let elements): self = .array(elements.map(JSONValue.init))
        case .map(let entries):
            self = .object(entries.map { Member(plainText($0.key), JSONValue($0.value)) })
        case .text, .blob, .uuid, .timestamp: self = .string(plainText(value))
        }
    }

    /// The text in one line.
    package var description: String {
        switch self {
        case .null: "null"
        case .boolean(let value): String(value)
        case .integer(let value): String(value)
        // JSON has no words for infinity and NaN.
        case .number(let value): value.isFinite ? String(value) : "null"
        case .float(let value): value.isFinite ? String(value) : "null"
        case .string(let text): quoted(text)
        case .array(let elements):
            "[" + elements.map(\.description).joined(separator: ", ") + "]"
        case .object(let members):
            "{" + members.map { "\(quoted($0.name)): \($0.value)" }.joined(separator: ", ") + "}"
        }
    }

    private func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{0}"..<" ":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
