internal import NativeProtocol

/// What a statement returned: rows, if it has any, and what came along with them.
public struct QueryResult: Sendable, RandomAccessCollection {
    /// The columns of the rows; empty if the statement returns none.
    public let columns: [Column]
    /// Warnings of the server, for a log.
    public let warnings: [String]
    /// What the server tells beside the result, by key; null as an empty array.
    public let customPayload: [String: [UInt8]]
    /// The node that answered, as `address:port`.
    public let node: String
    /// Whether there are more rows than these, which this client does not fetch.
    public let hasMoreRows: Bool

    private let storage: RowStorage?

    init(_ message: ResponseMessage, node: String) throws {
        self.node = node
        warnings = message.extras.warnings
        customPayload = Dictionary(
            message.extras.customPayload.map { ($0.key, $0.value ?? []) },
            uniquingKeysWith: { _, last in last }
        )
        guard case .rows(let rows) = message.response else {
            columns = []
            storage = nil
            hasMoreRows = false
            return
        }
        guard let specifications = rows.metadata.columns else {
            throw MartletError(
                .protocolViolation,
                "the rows came without their columns",
                node: node,
                outcome: .notApplicable
            )
        }
        columns = specifications.map(Column.init)
        storage = RowStorage(rows, columns: specifications)
        hasMoreRows = rows.metadata.pagingState != nil
    }

    /// The position of the first row.
    public var startIndex: Int { 0 }

    /// The position behind the last row.
    public var endIndex: Int { storage?.rows.rowCount ?? 0 }

    /// A row.
    public subscript(position: Int) -> Row {
        guard let storage, (0..<storage.rows.rowCount).contains(position) else {
            preconditionFailure("row \(position) of \(endIndex) rows")
        }
        return Row(storage: storage, index: position)
    }

    /// The rows as values of a type; see ``Row/decode(_:)``.
    ///
    /// - Parameter type: the type of the values.
    /// - Returns: a value for each row.
    /// - Throws: ``MartletError`` if a row is none of the type.
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> [Value] {
        try map { try $0.decode(type) }
    }
}
