internal import CQL
internal import CQLSyntax
internal import Catalog
internal import ClusterLog
internal import Coordination
internal import Logging
internal import NativeProtocol
internal import NativeServer
internal import NodeCore
internal import PeerMessages
internal import SystemTables
internal import TokenPlacement

/// Answers QUERY, PREPARE, EXECUTE and BATCH on one event loop: text to plan, plan to machines,
/// outcome to a frame.
///
/// Bound to its loop.
final class StatementExecutor: RequestExecutor {
    /// The tables that are rendered from the cluster's state.
    static let virtualTables = VirtualTables(SystemTables.tables)
    /// The longest answer, in bytes, as the server has it: longer ones are not even made.
    static let responseBytesMax = NativeServerConfiguration().responseBytesMax

    let coordinator: LoopCoordinator
    let schema: SchemaExecutor
    private let prepared: PreparedStatements
    let logic: NodeLogic
    let resources: NodeResources
    private let logger: Logger

    init(
        coordinator: LoopCoordinator,
        prepared: PreparedStatements,
        schema: SchemaExecutor,
        logic: NodeLogic,
        resources: NodeResources,
        logger: Logger
    ) {
        self.coordinator = coordinator
        self.prepared = prepared
        self.schema = schema
        self.logic = logic
        self.resources = resources
        self.logger = logger
    }

    func execute(
        _ message: RequestMessage,
        session: Session,
        respond: @escaping ([UInt8]) -> Void
    ) {
        let reply = Reply(stream: message.stream, respond: respond)
        do throws(CQLError) {
            switch message.request {
            case .query(let text, let parameters):
                let plan = try plan(text, keyspace: session.keyspace)
                try run(plan, parameters, session, reply)
            case .prepare(let text): try prepare(text, session, reply)
            case .execute(let id, let parameters):
                guard let statement = try preparedStatement(id) else {
                    reply.error(Self.unprepared(id))
                    return
                }
                var parameters = parameters
                // Some client may still have the columns that were told before the change.
                if statement.hasChanged { parameters.skipsMetadata = false }
                try run(statement.plan, parameters, session, reply)
            case .batch(let batch): try run(batch, session, reply)
            case .startup, .options, .register, .authResponse:
                preconditionFailure("\(message.request.opcode) is answered by the connection")
            }
        } catch {
            reply.error(ErrorResponse(error))
        }
    }

    // MARK: Plans

    private func plan(_ text: String, keyspace: String?) throws(CQLError) -> Plan {
        let statement: Statement
        do {
            statement = try CQLParser.parse(text)
        } catch {
            throw CQLError(error)
        }
        return try Planner.plan(
            statement,
            state: coordinator.view.state,
            keyspace: keyspace,
            virtualTables: Self.virtualTables
        )
    }

    private func prepare(
        _ text: String,
        _ session: Session,
        _ reply: Reply
    ) throws(CQLError) {
        let plan = try plan(text, keyspace: session.keyspace)
        let id = PreparedStatements.id(text: text, keyspace: session.keyspace)
        prepared.keep(
            PreparedStatement(text: text, keyspace: session.keyspace, plan: plan),
            id
        )
        let table = plan.table
        let markers = plan.markers.map { marker in
            ColumnSpecification(
                keyspace: table?.keyspace ?? "",
                table: table?.name ?? "",
                name: marker.name,
                type: marker.type
            )
        }
        let result = PreparedResult(
            id: id,
            markers: markers,
            partitionKeyIndexes: plan.partitionKeyMarkers?.map(Int.init) ?? [],
            result: Self.metadata(of: plan, skipsColumns: plan.resultColumns.isEmpty)
        )
        reply.send(.prepared(result), warnings: plan.warnings)
    }

    /// The statement under an id, planned anew if the schema has changed.
    ///
    /// - Returns: nil if nothing is prepared there, or if markers or columns are not any more what
    ///   clients were told: they must prepare it again.
    private func preparedStatement(_ id: [UInt8]) throws(CQLError) -> PreparedStatement? {
        guard var statement = prepared.statement(id) else { return nil }
        if statement.plan.isCurrent(in: coordinator.view.state) { return statement }
        let plan = try plan(statement.text, keyspace: statement.keyspace)
        guard plan.looks(like: statement.plan) else {
            prepared.drop(id)
            return nil
        }
        statement.plan = plan
        prepared.keep(statement, id)
        return statement
    }

    private static func unprepared(_ id: [UInt8]) -> ErrorResponse {
        ErrorResponse(
            .unprepared(id: id),
            """
            this node has no statement prepared under the id, or its markers or columns have \
            changed; prepare it again
            """
        )
    }

    static func metadata(of plan: Plan, skipsColumns: Bool) -> RowsMetadata {
        guard !skipsColumns else { return RowsMetadata(columnCount: plan.resultColumns.count) }
        return RowsMetadata(
            columns: plan.resultColumns.map { column in
                ColumnSpecification(
                    keyspace: plan.table?.keyspace ?? "system",
                    table: plan.table?.name ?? "result",
                    name: column.name,
                    type: column.type
                )
            }
        )
    }

    // MARK: Statements

    private func run(
        _ plan: Plan,
        _ parameters: QueryParameters,
        _ session: Session,
        _ reply: Reply
    ) throws(CQLError) {
        let values = try Self.values(parameters.values, plan)
        if parameters.pagingState != nil {
            guard case .select = plan.action else {
                throw .invalid("only a SELECT from a user's table has pages: leave the state out")
            }
        }
        switch plan.action {
        case .select(let select) where select.isScan:
            try SelectScan(plan, select, parameters, self, session, reply).start(values)
        case .select(let select):
            try SelectRun(plan, select, parameters, self, reply).start(values)
        case .selectSystem(let select):
            try answerSystem(plan, select, values, skipsMetadata: parameters.skipsMetadata, reply)
        case .write(let write):
            let mutation = try write.bind(
                values,
                defaultTimestampMicros: timestampMicros(parameters.defaultTimestamp),
                nowSeconds: nowSeconds
            )
            self.write(
                [mutation],
                [write.table.keyspace],
                parameters.consistency,
                .simple,
                plan.warnings,
                reply
            )
        case .batch(let batch):
            let mutations = try batch.bind(
                values,
                defaultTimestampMicros: timestampMicros(parameters.defaultTimestamp),
                nowSeconds: nowSeconds
            )
            writeBatch(
                batch.kind,
                mutations,
                batch.writes,
                parameters.consistency,
                plan.warnings,
                reply
            )
        case .repair(let keyspace, let table):
            logic.upkeep.perform { $0.startRepair(keyspace: keyspace, table: table) }
            reply.send(.void, warnings: plan.warnings)
        case .use(let keyspace):
            session.keyspace = keyspace
            reply.send(.setKeyspace(keyspace))
        case .schema(let change): schema.run(change, plan.warnings, reply)
        case .pushModel(let push): try schema.push(push, values, reply)
        case .dropModel(let name, let ifExists):
            schema.run(
                SchemaPlan(change: .dropModel(name), isConditional: ifExists),
                plan.warnings,
                reply
            )
        case .describe(let statement): try describe(statement, session, reply)
        }
    }

    private func run(
        _ batch: BatchRequest,
        _ session: Session,
        _ reply: Reply
    ) throws(CQLError) {
        let kind: BatchStatement.Kind =
            switch batch.kind {
            case .logged: .logged
            case .unlogged: .unlogged
            case .counter: .counter
            }
        let timestamp = timestampMicros(batch.defaultTimestamp)
        var mutations: [Mutation] = []
        var writes: [WritePlan] = []
        for statement in batch.statements {
            let plan: Plan
            switch statement.source {
            case .query(let text): plan = try self.plan(text, keyspace: session.keyspace)
            case .prepared(let id):
                guard let found = try preparedStatement(id) else {
                    reply.error(Self.unprepared(id))
                    return
                }
                plan = found.plan
            }
            guard case .write(let write) = plan.action else {
                throw .invalid("a batch takes INSERT, UPDATE and DELETE statements only")
            }
            writes.append(write)
            mutations.append(
                try write.bind(
                    statement.values.map(MarkerValue.init),
                    defaultTimestampMicros: timestamp,
                    nowSeconds: nowSeconds
                )
            )
        }
        let combined = try BatchPlan.combine(kind, mutations)
        writeBatch(kind, combined, writes, batch.consistency, [], reply)
    }

    /// Writes what a batch became: by way of the batch log where it must be all or nothing.
    private func writeBatch(
        _ kind: BatchStatement.Kind,
        _ mutations: [Mutation],
        _ writes: [WritePlan],
        _ consistency: ConsistencyLevel,
        _ warnings: [String],
        _ reply: Reply
    ) {
        let keyspaces = keyspaces(of: mutations, writes)
        guard BatchPlan.needsLog(kind, mutations) else {
            let type: Coordination.WriteType = kind == .unlogged ? .unloggedBatch : .batch
            write(mutations, keyspaces, consistency, type, warnings, reply)
            return
        }
        coordinator.writeLogged(mutations, keyspaces: keyspaces, consistency: consistency) {
            Self.answer($0, warnings, reply)
        }
    }

    private func keyspaces(of mutations: [Mutation], _ writes: [WritePlan]) -> [String] {
        var names: [TableID: String] = [:]
        for write in writes { names[write.table.id] = write.table.keyspace }
        return mutations.map { names[$0.table] ?? "" }
    }

    private func write(
        _ mutations: [Mutation],
        _ keyspaces: [String],
        _ consistency: ConsistencyLevel,
        _ type: Coordination.WriteType,
        _ warnings: [String],
        _ reply: Reply
    ) {
        coordinator.write(
            mutations,
            keyspaces: keyspaces,
            consistency: consistency,
            type: type
        ) { Self.answer($0, warnings, reply) }
    }

    private static func answer(
        _ result: Result<Void, CoordinationError>,
        _ warnings: [String],
        _ reply: Reply
    ) {
        switch result {
        case .success: reply.send(.void, warnings: warnings)
        case .failure(let error): reply.error(ErrorResponse(error))
        }
    }

    // MARK: Clocks and values

    /// The wall clock in seconds, as expiries are judged by it.
    var nowSeconds: Int64 { coordinator.nowSeconds }

    /// The client's timestamp, or this loop's clock, which never repeats or goes back.
    private func timestampMicros(_ given: Int64?) -> Int64 {
        given ?? coordinator.nextTimestamp()
    }

    private static func values(
        _ values: BoundValues,
        _ plan: Plan
    ) throws(CQLError) -> [MarkerValue] {
        switch values {
        case .positional(let values): return values.map(MarkerValue.init)
        case .named(let values):
            let positions = try plan.positions(ofNames: values.map(\.name))
            return positions.map { MarkerValue(values[$0].value) }
        }
    }
}

extension MarkerValue {
    /// The value as the protocol gave it.
    init(_ value: BoundValue) {
        switch value {
        case .null: self = .null
        case .unset: self = .unset
        case .bytes(let bytes): self = .value(bytes)
        }
    }
}

/// Where the answer to one request goes.
struct Reply {
    let stream: Int16
    let respond: ([UInt8]) -> Void

    /// Answers with an error.
    func error(_ error: ErrorResponse) { send(.error(error)) }

    /// Answers with a response that has no rows.
    func send(_ response: Response, warnings: [String] = []) {
        let extras = ResponseExtras(warnings: warnings)
        respond(response.encode(stream: stream, extras: extras))
    }
}
