// The tree as CQL text: it names the columns of a result and reads back as the same tree.

extension Expression: CustomStringConvertible {
    /// The expression as CQL text on one line.
    package var description: String {
        switch kind {
        case .column(let column): column.description
        case .literal(let literal): literal.description
        case .marker(let marker): marker.description
        case .call(let call): call.description
        case .countRows: "count(*)"
        case .subquery(let select): "(\(select))"
        case .list(let elements): "[\(commaSeparated(elements))]"
        case .set(let elements): "{\(commaSeparated(elements))}"
        case .map(let entries): "{\(commaSeparated(entries))}"
        case .tuple(let elements): "(\(commaSeparated(elements)))"
        case .negated(let value): "-\(value.operandText)"
        case .arithmetic(let operation, let left, let right):
            "\(left.operandText) \(operation.rawValue) \(right.operandText)"
        case .element(let whole, let key): "\(whole)[\(key)]"
        case .field(let whole, let field): "\(whole).\(field)"
        case .cast(let value, let type): "cast(\(value) as \(type))"
        }
    }

    /// The text as an operand, in parentheses where it would otherwise be read apart.
    private var operandText: String {
        switch kind {
        case .arithmetic, .negated: "(\(self))"
        case .literal(.integer(let digits)), .literal(.float(let digits)):
            digits.hasPrefix("-") ? "(\(digits))" : digits
        default: description
        }
    }
}

extension MapEntry: CustomStringConvertible {
    /// The entry as `key: value`.
    package var description: String { "\(key): \(value)" }
}

extension Literal: CustomStringConvertible {
    /// The constant as CQL text.
    package var description: String {
        switch self {
        case .string(let text): Identifier.quote(text, with: "'")
        case .integer(let digits), .float(let digits): digits
        case .boolean(let value): value ? "true" : "false"
        case .uuid(let bytes):
            bytes.enumerated().map { index, byte in
                ([4, 6, 8, 10].contains(index) ? "-" : "") + hexText(byte)
            }.joined()
        case .blob(let bytes): "0x" + bytes.map(hexText).joined()
        case .null: "null"
        }
    }
}

extension BindMarker: CustomStringConvertible {
    /// The marker as CQL text.
    package var description: String {
        name.map { ":" + Identifier.quotedIfNeeded($0) } ?? "?"
    }
}

extension FunctionCall: CustomStringConvertible {
    /// The call as CQL text; `token` stands bare although the word is reserved.
    package var description: String {
        let bare = name.name.name == "token" ? "token" : name.name.description
        let qualified = name.keyspace.map { "\($0).\(bare)" } ?? bare
        return "\(qualified)(\(commaSeparated(arguments)))"
    }
}

extension FunctionCall.Argument: CustomStringConvertible {
    /// The argument as CQL text.
    package var description: String {
        name.map { "\($0) => \(value)" } ?? value.description
    }
}

extension InValues: CustomStringConvertible {
    /// The values as CQL text.
    package var description: String {
        switch self {
        case .list(let values): "(\(commaSeparated(values)))"
        case .marker(let marker): marker.description
        }
    }
}

extension Relation: CustomStringConvertible {
    /// The condition as CQL text.
    package var description: String {
        switch kind {
        case .comparison(let column, let comparison, let value):
            "\(column) \(comparison.rawValue) \(value)"
        case .isIn(let column, let values): "\(column) IN \(values)"
        case .token(let columns, let comparison, let value):
            "token(\(commaSeparated(columns))) \(comparison.rawValue) \(value)"
        case .contains(let column, let value): "\(column) CONTAINS \(value)"
        case .containsKey(let column, let value): "\(column) CONTAINS KEY \(value)"
        case .element(let column, let key, let comparison, let value):
            "\(column)[\(key)] \(comparison.rawValue) \(value)"
        case .field(let column, let field, let comparison, let value):
            "\(column).\(field) \(comparison.rawValue) \(value)"
        case .like(let column, let pattern): "\(column) LIKE \(pattern)"
        case .isNotNull(let column): "\(column) IS NOT NULL"
        case .tuple(let columns, let comparison, let value):
            "(\(commaSeparated(columns))) \(comparison.rawValue) \(value)"
        case .tupleIsIn(let columns, let values):
            "(\(commaSeparated(columns))) IN \(values)"
        }
    }
}

extension SelectStatement: CustomStringConvertible {
    /// The SELECT as CQL text on one line.
    package var description: String {
        var text = isDistinct ? "SELECT DISTINCT " : "SELECT "
        switch selection {
        case .all: text += "*"
        case .items(let items): text += commaSeparated(items)
        }
        text += " FROM \(table)"
        if !relations.isEmpty {
            text += " WHERE " + relations.map(\.description).joined(separator: " AND ")
        }
        if !orderings.isEmpty { text += " ORDER BY \(commaSeparated(orderings))" }
        if let perPartitionLimit { text += " PER PARTITION LIMIT \(perPartitionLimit)" }
        if let limit { text += " LIMIT \(limit)" }
        return allowsFiltering ? text + " ALLOW FILTERING" : text
    }
}

extension SelectStatement.Item: CustomStringConvertible {
    /// The item as CQL text.
    package var description: String {
        alias.map { "\(expression) AS \($0)" } ?? expression.description
    }
}

extension SelectStatement.Ordering: CustomStringConvertible {
    /// The item as CQL text.
    package var description: String {
        let direction = isDescending ? " DESC" : ""
        switch key {
        case .value(let value): return "\(value)\(direction)"
        case .nearest(let column, let query): return "\(column) ANN OF \(query)\(direction)"
        }
    }
}

private func commaSeparated(_ parts: [some CustomStringConvertible]) -> String {
    parts.map(\.description).joined(separator: ", ")
}

private func hexText(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return byte < 16 ? "0" + digits : digits
}
