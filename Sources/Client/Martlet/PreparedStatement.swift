internal import Catalog
internal import NIOConcurrencyHelpers
internal import NativeProtocol
internal import TokenPlacement

/// A statement that the cluster knows already, with the names and types of its markers.
///
/// It stays usable when a node forgets it: the client then prepares it again.
public struct PreparedStatement: Sendable {
    /// The text.
    public let text: String

    let prepared: PreparedResult
    let isRead: Bool

    init(text: String, prepared: PreparedResult) {
        self.text = text
        self.prepared = prepared
        isRead = StatementKind(text) == .read
    }

    /// The markers as columns: name and type of what each takes, in order.
    public var markers: [Column] { prepared.markers.map(Column.init) }

    /// The columns of the rows that it returns; empty if it returns none.
    public var columns: [Column] { (prepared.result.columns ?? []).map(Column.init) }

    /// The values in the encodings of the markers' types.
    func bind(_ values: [any CQLBindable]) throws -> [BoundValue] {
        guard values.count == prepared.markers.count else {
            throw MartletError.unbindable(
                "the statement has \(prepared.markers.count) markers, \(values.count) values are "
                    + "given: \(text.prefix(200))"
            )
        }
        return try zip(values, prepared.markers).map { try $0.cqlValue.bound(to: $1) }
    }

    /// The values by the markers' names; every marker needs one.
    func bind(named values: [String: CQLValue]) throws -> [BoundValue] {
        try prepared.markers.map { marker in
            guard let value = values[marker.name] else {
                throw MartletError.unbindable(
                    "no value is named like the marker '\(marker.name)'; there are "
                        + values.keys.sorted().joined(separator: ", ")
                )
            }
            return try value.bound(to: marker)
        }
    }

    /// The token of the row, if the values name its whole partition key.
    func token(of values: [BoundValue]) -> Token? {
        guard !prepared.partitionKeyIndexes.isEmpty else { return nil }
        var columns: [[UInt8]] = []
        for index in prepared.partitionKeyIndexes {
            guard index < values.count, case .bytes(let bytes) = values[index] else { return nil }
            columns.append(bytes)
        }
        return Token(keyColumns: columns)
    }

    /// The keyspace of the table.
    var keyspace: String? { prepared.markers.first?.keyspace }
}

/// What a statement's first word tells of it.
enum StatementKind {
    /// It changes nothing, and can be repeated.
    case read
    /// It would change the connection that it happens to run on.
    case use
    case other

    init(_ text: String) {
        let word = text.drop { $0.isWhitespace || $0 == "(" }.prefix { $0.isLetter }
        self =
            switch word.uppercased() {
            case "SELECT", "LIST", "DESCRIBE", "DESC": .read
            case "USE": .use
            default: .other
            }
    }
}

/// The statements that were prepared, by text; the oldest is forgotten when there are too many.
final class PreparedCache: Sendable {
    typealias Preparation = Task<PreparedStatement, any Error>

    private struct State {
        var statements: [String: Preparation] = [:]
        var order: [String] = []
    }

    private let limit: Int
    private let state = NIOLockedValueBox(State())

    init(limit: Int) { self.limit = limit }

    /// The preparation of a text, begun by `prepare` unless it is under way or done.
    func statement(
        _ text: String,
        prepare: @escaping @Sendable () async throws -> PreparedStatement
    ) async throws -> PreparedStatement {
        let preparation = state.withLockedValue { state in
            if let known = state.statements[text] { return known }
            let new = Preparation { try await prepare() }
            insert(text, new, into: &state)
            return new
        }
        do {
            return try await preparation.value
        } catch {
            state.withLockedValue { state in
                guard state.statements[text] == preparation else { return }
                state.statements[text] = nil
                state.order.removeAll { $0 == text }
            }
            throw error
        }
    }

    /// Takes a newer preparation of a text.
    func replace(_ statement: PreparedStatement) {
        let preparation = Preparation { statement }
        state.withLockedValue { insert(statement.text, preparation, into: &$0) }
    }

    /// Forgets all.
    func removeAll() { state.withLockedValue { $0 = State() } }

    private func insert(_ text: String, _ preparation: Preparation, into state: inout State) {
        if state.statements.updateValue(preparation, forKey: text) == nil {
            state.order.append(text)
        }
        if state.order.count > limit { state.statements[state.order.removeFirst()] = nil }
    }
}
