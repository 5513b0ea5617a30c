/// DESCRIBE, with which cqlsh shows the schema.
package struct DescribeStatement: Equatable, Sendable {
    /// A kind of thing that has a name in a keyspace.
    package enum Element: Hashable, Sendable {
        /// TABLE.
        case table
        /// INDEX.
        case index
        /// MATERIALIZED VIEW.
        case view
        /// TYPE.
        case type
        /// FUNCTION.
        case function
        /// AGGREGATE.
        case aggregate
    }

    /// What is described.
    package enum Subject: Equatable, Sendable {
        /// CLUSTER.
        case cluster
        /// KEYSPACES.
        case keyspaces
        /// TABLES.
        case tables
        /// TYPES.
        case types
        /// FUNCTIONS.
        case functions
        /// AGGREGATES.
        case aggregates
        /// SCHEMA, or FULL SCHEMA with the system keyspaces.
        case schema(isFull: Bool)
        /// KEYSPACE, the current one if without a name; ONLY leaves out what is in it.
        case keyspace(Identifier?, isOnly: Bool)
        /// TABLE, TYPE and so on, by name.
        case element(Element, QualifiedName)
        /// A bare name: a keyspace, or else a table, view or index.
        case name(QualifiedName)
    }

    /// What is described.
    package let subject: Subject

    /// Whether WITH INTERNALS was given.
    package let withInternals: Bool
}
