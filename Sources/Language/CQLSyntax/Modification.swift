/// A statement that writes, alone or in a batch.
package enum Modification: Equatable, Sendable {
    /// INSERT with columns and values.
    case insert(InsertStatement)
    /// UPDATE.
    case update(UpdateStatement)
    /// DELETE.
    case delete(DeleteStatement)
}

/// What USING gives a write, each an integer literal or a marker.
package struct WriteOptions: Equatable, Sendable {
    /// TTL in seconds.
    package let ttl: Expression?

    /// TIMESTAMP in microseconds since 1970.
    package let timestamp: Expression?
}

/// The condition of a lightweight transaction.
package enum WriteCondition: Equatable, Sendable {
    /// IF EXISTS.
    case exists
    /// IF NOT EXISTS.
    case notExists
    /// IF with conditions, all of which must hold.
    case all([Relation])
}

/// INSERT INTO table (columns) VALUES (values).
package struct InsertStatement: Equatable, Sendable {
    /// The table.
    package let table: QualifiedName

    /// The columns as listed; the parser does not compare their number with that of the values.
    package let columns: [Identifier]

    /// The values as listed.
    package let values: [Expression]

    /// `notExists` or nothing.
    package let condition: WriteCondition?

    /// USING.
    package let options: WriteOptions

    /// Where INSERT stands.
    package let position: SourcePosition
}

/// UPDATE table SET assignments WHERE relations.
package struct UpdateStatement: Equatable, Sendable {
    /// One assignment of SET.
    package struct Assignment: Equatable, Sendable {
        /// What happens to the column.
        package enum Operation: Equatable, Sendable {
            /// `a = value`.
            case set(Expression)
            /// `a = a + value` or `a += value`.
            case add(Expression)
            /// `a = value + a`.
            case prepend(Expression)
            /// `a = a - value` or `a -= value`.
            case subtract(Expression)
            /// `a[key] = value`.
            case setElement(key: Expression, Expression)
            /// `a.field = value`.
            case setField(Identifier, Expression)
        }

        /// The column.
        package let column: Identifier

        /// What happens to it.
        package let operation: Operation
    }

    /// The table.
    package let table: QualifiedName

    /// USING.
    package let options: WriteOptions

    /// The assignments, at least one.
    package let assignments: [Assignment]

    /// The conditions of WHERE, at least one.
    package let relations: [Relation]

    /// IF.
    package let condition: WriteCondition?

    /// Where UPDATE stands.
    package let position: SourcePosition
}

/// DELETE columns FROM table WHERE relations.
package struct DeleteStatement: Equatable, Sendable {
    /// A column, or a part of one, to delete.
    package struct Target: Equatable, Sendable {
        /// The column.
        package let column: Identifier

        /// The key or index in brackets, if only one element goes.
        package let element: Expression?
    }

    /// What is deleted; empty for whole rows.
    package let targets: [Target]

    /// The table.
    package let table: QualifiedName

    /// USING; its TTL is always nil.
    package let options: WriteOptions

    /// The conditions of WHERE, at least one.
    package let relations: [Relation]

    /// IF.
    package let condition: WriteCondition?

    /// Where DELETE stands.
    package let position: SourcePosition
}

/// A batch from BEGIN to APPLY BATCH.
package struct BatchStatement: Equatable, Sendable {
    /// How a batch is applied.
    package enum Kind: Hashable, Sendable {
        /// All or nothing, in the end.
        case logged
        /// Each write on its own.
        case unlogged
        /// Counter updates.
        case counter
    }

    /// How the batch is applied.
    package let kind: Kind

    /// USING of the whole batch; its TTL is always nil.
    package let options: WriteOptions

    /// The writes in order.
    package let modifications: [Modification]

    /// Where BEGIN stands.
    package let position: SourcePosition
}
