internal import CQLSyntax
internal import Catalog

/// Turns constants of a statement's text into values of a type, by Cassandra's rules.
enum LiteralEncoding {
    /// The encoded value of a constant, nil for null; errors name what it is for, the subject.
    static func encode(
        _ expression: Expression,
        as type: CQLType,
        subject: String
    ) throws(CQLError) -> [UInt8]? {
        func mismatch(_ problem: String) -> CQLError {
            .invalid("\(subject) takes \(type.cqlText), given \(problem)")
        }
        func elements(
            _ expressions: [Expression],
            _ element: CQLType
        ) throws(CQLError) -> [[UInt8]] {
            var encoded: [[UInt8]] = []
            encoded.reserveCapacity(expressions.count)
            for expression in expressions {
                guard let value = try encode(expression, as: element, subject: "\(subject): each")
                else { throw .invalid("\(subject): null cannot stand in a collection or vector") }
                encoded.append(value)
            }
            return encoded
        }
        switch expression.kind {
        case .literal(let literal):
            switch encode(literal, as: type) {
            case .value(let bytes): return bytes
            case .null: return nil
            case .mismatch(let problem): throw mismatch(problem)
            }
        case .list(let expressions):
            switch type {
            case .vector(let dimension):
                guard expressions.count == dimension else {
                    throw mismatch("\(expressions.count) floats")
                }
                return try elements(expressions, .float).flatMap { $0 }
            case .list(let element):
                return CollectionCoding.encode(try elements(expressions, element))
            default: throw mismatch("a list \(excerpt(expression))")
            }
        case .set(let expressions):
            switch type {
            case .set(let element):
                let sorted = try elements(expressions, element)
                    .sorted { $0.lexicographicallyPrecedes($1) }
                var unique: [[UInt8]] = []
                for value in sorted where unique.last != value { unique.append(value) }
                return CollectionCoding.encode(unique)
            case .map where expressions.isEmpty:
                return CollectionCoding.encode([[UInt8]]())
            default: throw mismatch("a set \(excerpt(expression))")
            }
        case .map(let entries):
            guard case .map(let keyType, let valueType) = type else {
                throw mismatch("a map \(excerpt(expression))")
            }
            let keys = try elements(entries.map(\.key), keyType)
            let values = try elements(entries.map(\.value), valueType)
            let pairs = zip(keys, values).map { (key: $0, value: $1) }
                .sorted { $0.key.lexicographicallyPrecedes($1.key) }
            return CollectionCoding.encode(pairs)
        case .marker:
            throw .unsupported(
                "a bind marker inside a collection or vector literal (\(subject))",
                "bind the whole value"
            )
        case .call(let call):
            throw Functions.refusal(of: call, subject: subject)
        case .countRows:
            throw .invalid("\(subject): count(*) can only be selected")
        case .subquery:
            throw .unsupported(
                "a subquery as a value (\(subject))",
                "it can be the argument of a model; here, read the value first"
            )
        case .column(let column):
            throw .invalid("\(subject): \(column) is a column's name, a value was expected")
        case .tuple:
            throw .unsupported("a tuple as a value (\(subject))", "give each column its value")
        case .negated, .arithmetic:
            throw .unsupported("arithmetic (\(subject))", "compute the value in the client")
        case .element, .field:
            throw .unsupported("a part of a column as a value (\(subject))", "give the value")
        case .cast:
            throw .unsupported("CAST (\(subject))", "give a value of type \(type.cqlText)")
        }
    }

    private enum Outcome {
        case value([UInt8])
        case null
        case mismatch(String)
    }

    private static func encode(_ literal: Literal, as type: CQLType) -> Outcome {
        switch literal {
        case .null: return .null
        case .string(let text): return encode(text, as: type)
        case .integer(let digits): return encode(integer: digits, as: type)
        case .float(let digits): return encode(float: digits, as: type)
        case .boolean(let value):
            return type == .boolean ? .value([value ? 1 : 0]) : .mismatch("the boolean \(value)")
        case .uuid(let bytes):
            switch type {
            case .uuid: return .value(bytes)
            case .timeuuid:
                guard bytes.count == 16, bytes[6] >> 4 == 1 else {
                    return .mismatch("a UUID of another version than 1")
                }
                return .value(bytes)
            default: return .mismatch("the UUID \(literal)")
            }
        case .blob(let bytes):
            return type == .blob ? .value(bytes) : .mismatch("a blob of \(bytes.count) bytes")
        }
    }

    private static func encode(_ text: String, as type: CQLType) -> Outcome {
        switch type {
        case .text: return .value(Array(text.utf8))
        case .ascii:
            guard text.utf8.allSatisfy({ $0 < 0x80 }) else {
                return .mismatch("a text with other characters")
            }
            return .value(Array(text.utf8))
        case .inet:
            guard let bytes = InetText.bytes(of: text) else {
                return .mismatch("\(excerpt(text)), which is no IPv4 or IPv6 address")
            }
            return .value(bytes)
        case .timestamp:
            guard let milliseconds = TimestampText.milliseconds(of: text) else {
                return .mismatch(
                    "\(excerpt(text)): write it as '2026-01-31 23:59:58.123+0000' or in "
                        + "milliseconds since 1970"
                )
            }
            return .value(bigEndian(milliseconds))
        default: return .mismatch("the text \(excerpt(text))")
        }
    }

    private static func encode(integer digits: String, as type: CQLType) -> Outcome {
        func ranged<Number: FixedWidthInteger>(_ number: Number.Type) -> Outcome {
            guard let value = Number(digits) else {
                return .mismatch(
                    "\(excerpt(digits)): it must be \(Number.min) to \(Number.max)"
                )
            }
            return .value(bigEndian(value))
        }
        switch type {
        case .tinyint: return ranged(Int8.self)
        case .smallint: return ranged(Int16.self)
        case .int: return ranged(Int32.self)
        case .bigint, .timestamp: return ranged(Int64.self)
        case .float, .double: return encode(float: digits, as: type)
        default: return .mismatch("the integer \(excerpt(digits))")
        }
    }

    private static func encode(float digits: String, as type: CQLType) -> Outcome {
        let isInfinite = digits.hasSuffix("Infinity")
        switch type {
        case .float:
            guard let number = digits == "NaN" ? .nan : Float(digits),
                isInfinite || !number.isInfinite
            else { return .mismatch("\(excerpt(digits)), which is out of its range") }
            return .value(bigEndian(number.bitPattern))
        case .double:
            guard let number = digits == "NaN" ? .nan : Double(digits),
                isInfinite || !number.isInfinite
            else { return .mismatch("\(excerpt(digits)), which is out of its range") }
            return .value(bigEndian(number.bitPattern))
        default: return .mismatch("the number \(excerpt(digits))")
        }
    }

    /// The bytes of a number, the most significant first.
    static func bigEndian(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    /// A text in quotes, cut if it is long.
    private static func excerpt(_ text: String) -> String {
        text.utf8.count <= 60 ? "'\(text)'" : "'\(text.prefix(50))...'"
    }

    private static func excerpt(_ expression: Expression) -> String {
        let text = expression.description
        return text.utf8.count <= 60 ? text : "\(text.prefix(50))..."
    }
}
