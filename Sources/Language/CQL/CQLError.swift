package import CQLSyntax

/// Why a statement is refused; the cases are those of the native protocol's error codes.
package enum CQLError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The text is not CQL, or an option is unknown (0x2000).
    case syntax(String)
    /// The statement or a bound value does not fit the schema, or is not supported (0x2200).
    case invalid(String)
    /// The keyspace (`table` empty) or table is there already (0x2400).
    case alreadyExists(keyspace: String, table: String)
    /// The replication or an option's value cannot be accepted (0x2300).
    case configuration(String)

    /// The error of a text that the parser refused.
    package init(_ error: SyntaxError) { self = .syntax(error.message) }

    /// The text for the client.
    package var description: String {
        switch self {
        case .syntax(let text), .invalid(let text), .configuration(let text): text
        case .alreadyExists(let keyspace, ""): "Cannot add existing keyspace \"\(keyspace)\""
        case .alreadyExists(let keyspace, let table):
            "Cannot add already existing table \"\(table)\" to keyspace \"\(keyspace)\""
        }
    }

    /// A refusal of something that CQL has and Martlet has not.
    static func unsupported(_ what: String, _ hint: String) -> CQLError {
        .invalid("\(what) is not supported: \(hint)")
    }
}
