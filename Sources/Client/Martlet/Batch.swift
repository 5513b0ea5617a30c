internal import NativeProtocol

/// Statements that travel together in one request.
///
/// Statements of one partition are applied together, and all get one write timestamp. What becomes of
/// several partitions when the request fails depends on the ``Kind``.
public struct Batch: Sendable {
    /// What holds for statements of several partitions.
    public enum Kind: Hashable, Sendable {
        /// They may be applied in part if the batch fails.
        case unlogged
        /// All of them are applied in the end or none is, even if the coordinator dies; costs a
        /// synced write on two more nodes first.
        case logged
    }

    /// What holds for statements of several partitions.
    public let kind: Kind

    struct Statement: Sendable {
        var cql: String
        var values: [any CQLBindable]
    }

    var statements: [Statement] = []

    /// An empty batch.
    public init(_ kind: Kind = .unlogged) { self.kind = kind }

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
