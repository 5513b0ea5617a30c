internal import NIOConcurrencyHelpers
internal import NativeProtocol

/// A client of a Martlet cluster (or of any server that speaks Cassandra's native protocol v4).
///
/// One client serves a whole program: it finds the nodes by itself, sends each request to a replica
/// of its row where it can, and has many requests under way on few connections. All methods can be
/// called from any task. Statements with values are prepared once and remembered.
///
/// ```swift
/// let client = try await MartletClient.connect(.init(contactPoints: ["127.0.0.1"]))
/// try await client.execute("INSERT INTO ml.movies (movie_id, title) VALUES (?, ?)", 1, "Heat")
/// let rows = try await client.execute("SELECT title FROM ml.movies WHERE movie_id = ?", 1)
/// print(try rows.first?.get("title", as: String.self) ?? "none")
/// await client.close()
/// ```
///
/// What fails throws ``MartletError`` (or `CancellationError`, if the task was cancelled), whose
/// `outcome` tells what was refused from what may have been done.
public final class MartletClient: Sendable {
    /// The configuration that the client was made with.
    public let configuration: ClientConfiguration

    private let router: RequestRouter
    private let watcher: ClusterWatcher
    private let prepared: PreparedCache
    private let clock = WriteClock()

    private init(_ configuration: ClientConfiguration, _ contactPoints: [ContactPoint]) {
        let routing = NIOLockedValueBox(Routing())
        let prepared = PreparedCache(limit: configuration.preparedStatementsMax)
        self.configuration = configuration
        self.prepared = prepared
        router = RequestRouter(routing: routing, timeout: configuration.requestTimeout)
        watcher = ClusterWatcher(
            configuration: configuration,
            contactPoints: contactPoints,
            routing: routing,
            schemaChanged: { prepared.removeAll() }
        )
    }

    /// Connects to a cluster: to a contact point first, then to all nodes that it names.
    ///
    /// Nodes that cannot be reached are tried again in the background.
    ///
    /// - Parameter configuration: contact points and bounds.
    /// - Returns: a client that is ready.
    /// - Throws: ``MartletError``: `configuration` with all that is wrong with it, or
    ///   `connectionFailed` if no contact point answers.
    public static func connect(
        _ configuration: ClientConfiguration = ClientConfiguration()
    ) async throws -> MartletClient {
        let client = MartletClient(configuration, try configuration.validate())
        do {
            try await client.watcher.start()
        } catch {
            await client.close()
            throw error
        }
        return client
    }

    /// Closes the client: requests under way may end within ``ClientConfiguration/closeTimeout``,
    /// new ones are refused with the code `closed`.
    public func close() async {
        router.close()
        await watcher.close()
    }

    // MARK: Statements

    /// Executes a statement.
    ///
    /// - Parameters:
    ///   - cql: the statement; its markers are `?` or `:name`.
    ///   - values: a value for each marker, in order.
    ///   - consistency: the level; nil takes the configuration's.
    ///   - timestamp: the write timestamp in microseconds since 1970; nil takes the client's
    ///     clock, which never gives one twice.
    ///   - isIdempotent: whether the statement may be sent to the next node when the connection is
    ///     lost before the answer; a SELECT always is.
    /// - Returns: the rows, if the statement returns any.
    /// - Throws: ``MartletError``, or `CancellationError`.
    @discardableResult
    public func execute(
        _ cql: String,
        _ values: any CQLBindable...,
        consistency: Consistency? = nil,
        timestamp: Int64? = nil,
        isIdempotent: Bool = false
    ) async throws -> QueryResult {
        try await execute(
            cql,
            values: values,
            consistency: consistency,
            timestamp: timestamp,
            isIdempotent: isIdempotent
        )
    }

    /// Executes a statement with an array of values.
    ///
    /// - Parameters:
    ///   - cql: the statement.
    ///   - values: a value for each marker, in order.
    ///   - consistency: the level; nil takes the configuration's.
    ///   - timestamp: the write timestamp in microseconds since 1970, or nil.
    ///   - isIdempotent: whether the statement may be sent again after a lost connection.
    /// - Returns: the rows, if the statement returns any.
    /// - Throws: ``MartletError``, or `CancellationError`.
    @discardableResult
    public func execute(
        _ cql: String,
        values: [any CQLBindable],
        consistency: Consistency? = nil,
        timestamp: Int64? = nil,
        isIdempotent: Bool = false
    ) async throws -> QueryResult {
        guard values.isEmpty else {
            return try await execute(
                prepare(cql),
                values: values,
                consistency: consistency,
                timestamp: timestamp,
                isIdempotent: isIdempotent
            )
        }
        let kind = StatementKind(cql)
        if case .use = kind {
            throw MartletError(
                .invalid,
                "USE would change one connection only; set the configuration's keyspace instead",
                outcome: .notDone
            )
        }
        let isRead = kind == .read
        var parameters = QueryParameters(
            consistency: (consistency ?? configuration.consistency).level
        )
        if !isRead { parameters.defaultTimestamp = timestamp ?? clock.next() }
        let request = Request.query(cql, parameters)
        let answer = try await router.send(
            Route(isRead: isRead, isIdempotent: isIdempotent)
        ) { _ in request }
        return try await finish(answer)
    }

    /// Executes a prepared statement.
    ///
    /// - Parameters:
    ///   - statement: the statement.
    ///   - values: a value for each marker, in order.
    ///   - consistency: the level; nil takes the configuration's.
    ///   - timestamp: the write timestamp in microseconds since 1970, or nil.
    ///   - isIdempotent: whether the statement may be sent again after a lost connection.
    /// - Returns: the rows, if the statement returns any.
    /// - Throws: ``MartletError``, or `CancellationError`.
    @discardableResult
    public func execute(
        _ statement: PreparedStatement,
        _ values: any CQLBindable...,
        consistency: Consistency? = nil,
        timestamp: Int64? = nil,
        isIdempotent: Bool = false
    ) async throws -> QueryResult {
        try await execute(
            statement,
            values: values,
            consistency: consistency,
            timestamp: timestamp,
            isIdempotent: isIdempotent
        )
    }

    /// Executes a prepared statement with an array of values.
    ///
    /// - Parameters:
    ///   - statement: the statement.
    ///   - values: a value for each marker, in order.
    ///   - consistency: the level; nil takes the configuration's.
    ///   - timestamp: the write timestamp in microseconds since 1970, or nil.
    ///   - isIdempotent: whether the statement may be sent again after a lost connection.
    /// - Returns: the rows, if the statement returns any.
    /// - Throws: ``MartletError``, or `CancellationError`.
    @discardableResult
    public func execute(
        _ statement: PreparedStatement,
        values: [any CQLBindable],
        consistency: Consistency? = nil,
        timestamp: Int64? = nil,
        isIdempotent: Bool = false
    ) async throws -> QueryResult {
        try await execute(statement, consistency, timestamp, isIdempotent) {
            try $0.bind(values)
        }
    }

    /// Executes a prepared statement whose markers take the properties of a value by name.
    ///
    /// - Parameters:
    ///   - statement: the statement; a `?` has the name of its column.
    ///   - value: a value whose properties, or coding keys, are named like the markers.
    ///   - consistency: the level; nil takes the configuration's.
    ///   - timestamp: the write timestamp in microseconds since 1970, or nil.
    ///   - isIdempotent: whether the statement may be sent again after a lost connection.
    /// - Returns: the rows, if the statement returns any.
    /// - Throws: ``MartletError``, or `CancellationError`.
    @discardableResult
    public func execute(
        _ statement: PreparedStatement,
        encoding value: some Encodable,
        consistency: Consistency? = nil,
        timestamp: Int64? = nil,
        isIdempotent: Bool = false
    ) async throws -> QueryResult {
        let values = try NamedValueEncoder.values(of: value)
        return try await execute(statement, consistency, timestamp, isIdempotent) {
            try $0.bind(named: values)
        }
    }

    /// Executes a statement and decodes its rows.
    ///
    /// - Parameters:
    ///   - cql: the statement.
    ///   - values: a value for each marker, in order.
    ///   - type: the type of a row; its properties, or coding keys, are named like the columns.
    ///   - consistency: the level; nil takes the configuration's.
    /// - Returns: the rows.
    /// - Throws: ``MartletError``, or `CancellationError`.
    public func query<Value: Decodable>(
        _ cql: String,
        _ values: any CQLBindable...,
        as type: Value.Type = Value.self,
        consistency: Consistency? = nil
    ) async throws -> [Value] {
        try await execute(cql, values: values, consistency: consistency).decode(type)
    }

    /// Prepares a statement, unless that was done before.
    ///
    /// - Parameter cql: the statement.
    /// - Returns: the statement with its markers.
    /// - Throws: ``MartletError``, or `CancellationError`.
    public func prepare(_ cql: String) async throws -> PreparedStatement {
        let router = router
        return try await prepared.statement(cql) {
            let answer = try await router.send(Route(isRead: true)) { _ in .prepare(cql) }
            guard case .prepared(let result) = answer.message.response else {
                throw MartletError.unexpected(
                    answer.message.response,
                    to: "PREPARE",
                    node: answer.connection.node
                )
            }
            return PreparedStatement(text: cql, prepared: result)
        }
    }

    /// Executes statements together; see ``Batch``.
    ///
    /// - Parameters:
    ///   - batch: the statements.
    ///   - consistency: the level; nil takes the configuration's.
    ///   - timestamp: the write timestamp in microseconds since 1970, or nil.
    ///   - isIdempotent: whether the batch may be sent again after a lost connection.
    /// - Returns: what came along with the answer; a batch returns no rows.
    /// - Throws: ``MartletError``, or `CancellationError`.
    @discardableResult
    public func execute(
        _ batch: Batch,
        consistency: Consistency? = nil,
        timestamp: Int64? = nil,
        isIdempotent: Bool = false
    ) async throws -> QueryResult {
        let statements = try await bind(batch)
        let first = statements.lazy.compactMap(\.prepared).first
        let firstValues = statements.first { $0.prepared != nil }?.values ?? []
        var request = BatchRequest(
            batch.kind == .logged ? .logged : .unlogged,
            statements.map { BatchRequest.Statement($0.source, values: $0.values) },
            consistency: (consistency ?? configuration.consistency).level
        )
        request.defaultTimestamp = timestamp ?? clock.next()
        let route = Route(
            isRead: false,
            isIdempotent: isIdempotent,
            keyspace: first?.keyspace,
            token: first?.token(of: firstValues)
        )
        let texts = Dictionary(
            statements.compactMap { statement in
                statement.prepared.map { ($0.prepared.id, $0.text) }
            },
            uniquingKeysWith: { first, _ in first }
        )
        let sent = request
        let answer = try await router.send(route, texts: { texts[$0] }) { renewed in
            guard let renewed else { return .batch(sent) }
            self.prepared.replace(renewed)
            return .batch(sent)
        }
        return try await finish(answer)
    }

    // MARK: Parts of the above

    private func bind(_ batch: Batch) async throws -> [BoundStatement] {
        var statements: [BoundStatement] = []
        statements.reserveCapacity(batch.statements.count)
        for statement in batch.statements {
            if statement.values.isEmpty {
                statements.append(BoundStatement(source: .query(statement.cql), values: []))
                continue
            }
            let prepared = try await prepare(statement.cql)
            statements.append(
                BoundStatement(
                    source: .prepared(prepared.prepared.id),
                    values: try prepared.bind(statement.values),
                    prepared: prepared
                )
            )
        }
        return statements
    }

    private func execute(
        _ statement: PreparedStatement,
        _ consistency: Consistency?,
        _ timestamp: Int64?,
        _ isIdempotent: Bool,
        bind: (PreparedStatement) throws -> [BoundValue]
    ) async throws -> QueryResult {
        let values = try bind(statement)
        var parameters = QueryParameters(
            consistency: (consistency ?? configuration.consistency).level
        )
        parameters.values = .positional(values)
        if !statement.isRead { parameters.defaultTimestamp = timestamp ?? clock.next() }
        let route = Route(
            isRead: statement.isRead,
            isIdempotent: isIdempotent,
            keyspace: statement.keyspace,
            token: statement.token(of: values)
        )
        let answer = try await router.send(route, texts: { _ in statement.text }) { renewed in
            guard let renewed else { return .execute(id: statement.prepared.id, parameters) }
            // The table may have changed, and with it the types of the markers.
            self.prepared.replace(renewed)
            parameters.values = .positional(try bind(renewed))
            return .execute(id: renewed.prepared.id, parameters)
        }
        return try await finish(answer)
    }

    /// Waits for a change of the schema to be known, so that the next statement can build on it.
    private func finish(_ answer: RequestRouter.Answer) async throws -> QueryResult {
        if case .schemaChange = answer.message.response {
            prepared.removeAll()
            // The statement itself is done: that the schema could not be read again is no error.
            try? await watcher.schemaSettled()
        }
        return try QueryResult(answer.message, node: answer.connection.node)
    }
}
