/// A SELECT, also as a scalar subquery.
package struct SelectStatement: Equatable, Sendable {
    /// What is selected.
    package enum Selection: Equatable, Sendable {
        /// `*`.
        case all
        /// Expressions, at least one.
        case items([Item])
    }

    /// One selected expression.
    package struct Item: Equatable, Sendable {
        /// The expression.
        package let expression: Expression

        /// The name behind AS.
        package let alias: Identifier?
    }

    /// One item of ORDER BY.
    package struct Ordering: Equatable, Sendable {
        /// What rows are ordered by.
        package enum Key: Equatable, Sendable {
            /// A column, an alias (both a `column` expression), or a computed value.
            case value(Expression)
            /// `column ANN OF query`: the distance of the column's vector to the query's.
            case nearest(Identifier, to: Expression)
        }

        /// What rows are ordered by.
        package let key: Key

        /// Whether DESC was given; ascending otherwise.
        package let isDescending: Bool

        /// Where the item begins.
        package let position: SourcePosition
    }

    /// Whether DISTINCT was given.
    package let isDistinct: Bool

    /// What is selected.
    package let selection: Selection

    /// The table behind FROM.
    package let table: QualifiedName

    /// The conditions of WHERE, all of which must hold; empty without WHERE.
    package let relations: [Relation]

    /// ORDER BY, most significant first.
    package let orderings: [Ordering]

    /// PER PARTITION LIMIT, an integer literal or a marker.
    package let perPartitionLimit: Expression?

    /// LIMIT, an integer literal or a marker.
    package let limit: Expression?

    /// Whether ALLOW FILTERING was given.
    package let allowsFiltering: Bool

    /// Where SELECT stands.
    package let position: SourcePosition
}
