/// One `name = value` behind WITH.
package struct Property: Equatable, Sendable {
    /// The property's name.
    package let name: Identifier

    /// Its value; a bare word is a `column` expression.
    package let value: Expression
}

/// CREATE KEYSPACE.
package struct CreateKeyspaceStatement: Equatable, Sendable {
    /// The keyspace.
    package let name: Identifier

    /// Whether IF NOT EXISTS was given.
    package let ifNotExists: Bool

    /// WITH, in order: `replication`, `durable_writes`.
    package let properties: [Property]
}

/// ALTER KEYSPACE.
package struct AlterKeyspaceStatement: Equatable, Sendable {
    /// The keyspace.
    package let name: Identifier

    /// Whether IF EXISTS was given.
    package let ifExists: Bool

    /// WITH, in order.
    package let properties: [Property]
}

/// DROP KEYSPACE.
package struct DropKeyspaceStatement: Equatable, Sendable {
    /// The keyspace.
    package let name: Identifier

    /// Whether IF EXISTS was given.
    package let ifExists: Bool
}

/// A column of CREATE TABLE or ALTER TABLE ADD.
package struct ColumnDefinition: Equatable, Sendable {
    /// The column.
    package let name: Identifier

    /// Its type.
    package let type: TypeName

    /// Whether it is shared by all rows of a partition.
    package let isStatic: Bool
}

/// CREATE TABLE.
package struct CreateTableStatement: Equatable, Sendable {
    /// One item of CLUSTERING ORDER BY.
    package struct ClusteringOrder: Equatable, Sendable {
        /// The clustering column.
        package let column: Identifier

        /// Whether DESC was given.
        package let isDescending: Bool
    }

    /// The table.
    package let table: QualifiedName

    /// Whether IF NOT EXISTS was given.
    package let ifNotExists: Bool

    /// The columns as listed.
    package let columns: [ColumnDefinition]

    /// The partition key's columns; empty if the text has no PRIMARY KEY.
    package let partitionKey: [Identifier]

    /// The clustering columns.
    package let clusteringKey: [Identifier]

    /// CLUSTERING ORDER BY, in order.
    package let clusteringOrder: [ClusteringOrder]

    /// The other properties behind WITH, in order.
    package let properties: [Property]
}

/// ALTER TABLE.
package struct AlterTableStatement: Equatable, Sendable {
    /// One `a TO b` of RENAME.
    package struct Renaming: Equatable, Sendable {
        /// The column's name so far.
        package let from: Identifier

        /// Its new name.
        package let to: Identifier
    }

    /// What is altered.
    package enum Action: Equatable, Sendable {
        /// ADD columns, with IF NOT EXISTS or without.
        case add([ColumnDefinition], ifNotExists: Bool)
        /// DROP columns, with IF EXISTS or without, as of a literal timestamp if one was given.
        case drop([Identifier], ifExists: Bool, timestamp: Expression?)
        /// RENAME columns, with IF EXISTS or without.
        case rename([Renaming], ifExists: Bool)
        /// WITH properties.
        case set([Property])
    }

    /// The table.
    package let table: QualifiedName

    /// Whether IF EXISTS was given for the table.
    package let ifExists: Bool

    /// What is altered.
    package let action: Action
}

/// DROP TABLE.
package struct DropTableStatement: Equatable, Sendable {
    /// The table.
    package let table: QualifiedName

    /// Whether IF EXISTS was given.
    package let ifExists: Bool
}

/// CREATE MODEL, or CREATE OR REPLACE MODEL, which adds the next version.
package struct CreateModelStatement: Equatable, Sendable {
    /// The model.
    package let name: QualifiedName

    /// Whether OR REPLACE was given.
    package let orReplace: Bool

    /// Whether IF NOT EXISTS was given.
    package let ifNotExists: Bool

    /// What gives the model's bytes: a blob literal or a marker.
    package let source: Expression

    /// WITH, in order: `signature`, `sha256` and more.
    package let properties: [Property]
}

/// DROP MODEL.
package struct DropModelStatement: Equatable, Sendable {
    /// The model.
    package let name: QualifiedName

    /// Whether IF EXISTS was given.
    package let ifExists: Bool
}
