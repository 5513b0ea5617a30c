internal import CQLSyntax
internal import Catalog
internal import PeerMessages
internal import TokenPlacement

/// The part of the ring that a scan reads: what WHERE says of `token(...)`, or all of it.
struct TokenPlan: Sendable {
    /// Where a token comes from.
    enum Source: Sendable {
        /// A number.
        case number(ValueSource)
        /// `token(value, ...)`: the token of a partition key.
        case key([ValueSource])
    }

    /// One end of the range.
    struct Bound: Sendable {
        let source: Source
        let isInclusive: Bool
    }

    let table: TableDefinition
    var exact: Source?
    var lower: Bound?
    var upper: Bound?

    /// The tokens to read, none if the bounds exclude each other.
    ///
    /// As in Cassandra, an upper bound that is the least token is the end of the ring: clients
    /// write the last of their ranges as `(x, MIN]`. No key has the least token, so that it equals
    /// nothing.
    func ranges(_ values: CheckedValues) throws(CQLError) -> [ClosedRange<Token>] {
        if let exact {
            let token = try token(exact, values)
            return token == .minimum ? [] : [token...token]
        }
        var first = Token.minimum.value
        var last = Int64.max
        if let lower {
            first = try token(lower.source, values).value
            if !lower.isInclusive {
                guard first < .max else { return [] }
                first += 1
            }
        }
        if let upper {
            let token = try token(upper.source, values)
            if token != .minimum { last = upper.isInclusive ? token.value : token.value - 1 }
        }
        return first <= last ? [Token(first)...Token(last)] : []
    }

    private func token(_ source: Source, _ values: CheckedValues) throws(CQLError) -> Token {
        switch source {
        case .number(let number):
            let bytes = try values.required(number, "token() of \(table.qualifiedName)")
            return Token(Int64(bitPattern: bytes.reduce(0) { $0 << 8 | UInt64($1) }))
        case .key(let sources):
            var key: [[UInt8]] = []
            for (index, source) in sources.enumerated() {
                let subject = KeyPlan.subject(index, of: table)
                let value = try values.required(source, subject)
                try KeyPlan.checkNotEmpty(value, subject)
                key.append(value)
            }
            return try KeyPlan.partition(key).token
        }
    }
}

/// Where a SELECT takes its rows from.
enum RowSource: Sendable {
    /// The partitions with these keys.
    case keys(KeyPlan)
    /// All partitions of a part of the ring.
    case scan(TokenPlan)

    var table: TableDefinition {
        switch self {
        case .keys(let plan): plan.table
        case .scan(let plan): plan.table
        }
    }

    var keyPlan: KeyPlan? {
        guard case .keys(let plan) = self else { return nil }
        return plan
    }
}
