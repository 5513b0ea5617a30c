/// One condition of a WHERE or IF clause; the clause demands all of them.
package struct Relation: Equatable, Sendable {
    /// The shape of the condition.
    package enum Kind: Equatable, Sendable {
        /// `column = value` and its like.
        case comparison(Identifier, ComparisonOperator, Expression)
        /// `column IN (...)` or `column IN ?`.
        case isIn(Identifier, InValues)
        /// `token(a, b) > value`.
        case token([Identifier], ComparisonOperator, Expression)
        /// `column CONTAINS value`.
        case contains(Identifier, Expression)
        /// `column CONTAINS KEY value`.
        case containsKey(Identifier, Expression)
        /// `column[key] = value`.
        case element(Identifier, key: Expression, ComparisonOperator, Expression)
        /// `column.field = value`.
        case field(Identifier, Identifier, ComparisonOperator, Expression)
        /// `column LIKE pattern`.
        case like(Identifier, Expression)
        /// `column IS NOT NULL`.
        case isNotNull(Identifier)
        /// `(a, b) > (1, 2)`.
        case tuple([Identifier], ComparisonOperator, Expression)
        /// `(a, b) IN ((1, 2), (3, 4))` or `(a, b) IN ?`.
        case tupleIsIn([Identifier], InValues)
    }

    /// The shape of the condition.
    package let kind: Kind

    /// Where the condition begins.
    package let position: SourcePosition
}

/// What stands behind IN.
package enum InValues: Equatable, Sendable {
    /// `(a, b)`; may be empty.
    case list([Expression])
    /// One marker for the whole list.
    case marker(BindMarker)
}

/// An operator between a column and a value.
package enum ComparisonOperator: String, Hashable, Sendable {
    /// `=`.
    case equal = "="
    /// `!=`.
    case notEqual = "!="
    /// `<`.
    case less = "<"
    /// `<=`.
    case lessOrEqual = "<="
    /// `>`.
    case greater = ">"
    /// `>=`.
    case greaterOrEqual = ">="
}
