/// One CQL statement, parsed but not yet held against the schema.
package struct Statement: Equatable, Sendable {
    /// What the statement does.
    package enum Kind: Equatable, Sendable {
        /// SELECT.
        case select(SelectStatement)
        /// INSERT with columns and values.
        case insert(InsertStatement)
        /// UPDATE.
        case update(UpdateStatement)
        /// DELETE.
        case delete(DeleteStatement)
        /// BEGIN BATCH to APPLY BATCH.
        case batch(BatchStatement)
        /// CREATE KEYSPACE.
        case createKeyspace(CreateKeyspaceStatement)
        /// ALTER KEYSPACE.
        case alterKeyspace(AlterKeyspaceStatement)
        /// DROP KEYSPACE.
        case dropKeyspace(DropKeyspaceStatement)
        /// CREATE TABLE.
        case createTable(CreateTableStatement)
        /// ALTER TABLE.
        case alterTable(AlterTableStatement)
        /// DROP TABLE.
        case dropTable(DropTableStatement)
        /// TRUNCATE.
        case truncate(QualifiedName)
        /// USE.
        case use(Identifier)
        /// DESCRIBE.
        case describe(DescribeStatement)
        /// CREATE MODEL.
        case createModel(CreateModelStatement)
        /// DROP MODEL.
        case dropModel(DropModelStatement)
        /// REPAIR of everything, a keyspace or one table of it (Martlet's own).
        case repair(keyspace: Identifier?, table: Identifier?)
        /// A statement of CQL that this grammar knows only by name, such as `CREATE INDEX`.
        case unsupported(name: String)
    }

    /// What the statement does.
    package let kind: Kind

    /// The bind markers in order of appearance; their count is the number of values to bind.
    package let markers: [BindMarker]
}
