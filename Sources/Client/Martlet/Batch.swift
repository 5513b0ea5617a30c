internal import NativeProtocol

/// Statements that travel together in one request.
///
/// The batch is unlogged: statements of one partition are applied together, others may be applied
/// in part if the batch fails. All of them get one write timestamp.
public struct Batch: Sendable {
    struct Statement: Sendable {
        var cql: String
        var values: [any CQLBindable]
    }

    var statements: [Statement] = []

    /// An empty batch.
    public init() {}

    /// The number of statements; at most 65,535 fit one batch.
    public var count: Int { statements.count }

    /// Adds a statement.
    ///
    /// - Parameters:
    ///   - cql: an INSERT, UPDATE or DELETE.
    ///   - values: a value for each marker, in order.
    public mutating func add(_ cql: String, _ values: any CQLBindable...) {
        add(cql, values: values)
    }

    /// Adds a statement with an array of values.
    ///
    /// - Parameters:
    ///   - cql: an INSERT, UPDATE or DELETE.
    ///   - values: a value for each marker, in order.
    public mutating func add(_ cql: String, values: [any CQLBindable]) {
        statements.append(Statement(cql: cql, values: values))
    }
}

/// A statement of a batch in the encoding of its markers.
struct BoundStatement {
    var source: BatchRequest.Source
    var values: [BoundValue]
    var prepared: PreparedStatement?
}
