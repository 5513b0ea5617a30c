internal import CQL
internal import Catalog
internal import Coordination
internal import Foundation
internal import NativeProtocol
internal import NodeCore
internal import PeerMessages
internal import Scoring
internal import Storage
internal import TokenPlacement

/// One SELECT from a user's table on its way: subqueries, then rows or scores, then the frame.
final class SelectRun {
    private let plan: Plan
    private let select: SelectPlan
    private let parameters: QueryParameters
    private let executor: StatementExecutor
    private let reply: Reply
    private let nowSeconds: Int64

    init(
        _ plan: Plan,
        _ select: SelectPlan,
        _ parameters: QueryParameters,
        _ executor: StatementExecutor,
        _ reply: Reply
    ) {
        self.plan = plan
        self.select = select
        self.parameters = parameters
        self.executor = executor
        self.reply = reply
        nowSeconds = executor.nowSeconds
    }

    private var coordinator: LoopCoordinator { executor.coordinator }

    /// Binds the values and begins.
    func start(_ values: [MarkerValue]) throws(CQLError) {
        let bound = try select.bind(values)
        _ = try select.start(bound, pagingState: parameters.pagingState)
        if let call = select.score, let score = bound.score {
            let (_, version) = try call.resolve(coordinator.view.state)
            readSubqueries(score) { [self] arguments in
                self.score(bound, call, version, arguments)
            }
            return
        }
        coordinator.read(
            bound.partitions,
            of: bound.table,
            consistency: parameters.consistency,
            nowSeconds: nowSeconds
        ) { [self] result in
            switch result {
            case .success(let rows): answer(bound, rows)
            case .failure(let error): reply.error(ErrorResponse(error))
            }
        }
    }

    // MARK: Rows

    private func answer(_ bound: BoundSelect, _ rows: [[UInt8]?]) {
        do throws(RowWritingError) {
            let frame = try writing.frame(
                bound,
                rows,
                metadata: metadata,
                stream: reply.stream,
                extras: ResponseExtras(warnings: plan.warnings)
            )
            reply.respond(frame)
        } catch {
            reply.error(ErrorResponse(error))
        }
    }

    private var writing: RowWriting {
        RowWriting(
            select,
            nowSeconds: nowSeconds,
            byteCountMax: StatementExecutor.responseBytesMax
        )
    }

    private var metadata: RowsMetadata {
        StatementExecutor.metadata(of: plan, skipsColumns: parameters.skipsMetadata)
    }

    // MARK: Scores

    private func readSubqueries(
        _ score: BoundScore,
        _ completion: @escaping ([PeerMessages.ScoreArgument]) -> Void
    ) {
        var values = [[UInt8]?](repeating: nil, count: score.subqueries.count)
        var open = values.count
        var hasFailed = false
        guard open > 0 else {
            completion(score.arguments(subqueryValues: []))
            return
        }
        for (index, subquery) in score.subqueries.enumerated() {
            coordinator.read(
                subquery.partitions,
                of: subquery.table,
                consistency: parameters.consistency,
                nowSeconds: nowSeconds
            ) { [self] result in
                guard !hasFailed else { return }
                do {
                    let row = try result.get().first ?? nil
                    values[index] = try value(of: score.subqueryColumns[index], in: row)
                } catch {
                    hasFailed = true
                    fail(error)
                    return
                }
                open -= 1
                if open == 0 { completion(score.arguments(subqueryValues: values)) }
            }
        }
    }

    private func value(
        of column: ColumnID,
        in row: [UInt8]?
    ) throws(RowFormatError) -> [UInt8]? {
        guard let row else { return nil }
        var ranges: [Range<Int>?] = []
        let isLive = try RowView(validating: row)
            .locate(columns: [column], nowSeconds: nowSeconds, into: &ranges)
        return isLive ? ranges[0].map { Array(row[$0]) } : nil
    }

    private func fail(_ error: any Error) {
        if let error = error as? CoordinationError {
            reply.error(ErrorResponse(error))
        } else {
            reply.error(ErrorResponse(.serverError, "a stored row cannot be read: \(error)"))
        }
    }

    private func score(
        _ bound: BoundSelect,
        _ call: ScoreCall,
        _ version: ModelVersion,
        _ arguments: [PeerMessages.ScoreArgument]
    ) {
        let template = ScoreRequest(
            table: bound.table.id,
            model: version.hash,
            modelName: call.model,
            arguments: arguments,
            order: select.order,
            limit: bound.limit ?? bound.partitions.count,
            columns: select.readColumns,
            nowSeconds: nowSeconds,
            groups: []
        )
        coordinator.score(
            bound.partitions,
            of: bound.table,
            template: template,
            consistency: parameters.consistency
        ) { [self] result in
            switch result {
            case .success(let outcome): answer(bound, outcome, call, version)
            case .failure(let error): reply.error(ErrorResponse(error))
            }
        }
    }

    private func answer(
        _ bound: BoundSelect,
        _ outcome: ScoreMachine.Outcome,
        _ call: ScoreCall,
        _ version: ModelVersion
    ) {
        var warnings = plan.warnings
        if let warning = ScoringReport.warning(outcome.counts, call.model) {
            warnings.append(warning)
        }
        let report = ScoringReport(
            outcome,
            call.model,
            version,
            warnings,
            coordinator.view.state
        )
        let extras = ResponseExtras(
            warnings: warnings,
            customPayload: [PayloadEntry(key: "martlet.scoring", value: report.json)]
        )
        do throws(RowWritingError) {
            let frame = try writing.frame(
                bound,
                outcome,
                metadata: metadata,
                stream: reply.stream,
                extras: extras
            )
            reply.respond(frame)
        } catch {
            reply.error(ErrorResponse(error))
        }
    }
}

/// How a scoring came about, as the response's custom payload `martlet.scoring` tells it (JSON).
struct ScoringReport: Encodable {
    struct Replica: Encodable {
        let node: String
        let rows: Int
        let batch: Int
        let returned_rows: Int
        let bytes: Int
    }

    let model: String
    let version: Int
    let replicas: [Replica]
    let warnings: [String]

    init(
        _ outcome: ScoreMachine.Outcome,
        _ model: ModelName,
        _ version: ModelVersion,
        _ warnings: [String],
        _ state: ClusterState
    ) {
        self.model = model.description
        self.version = version.number
        self.warnings = warnings
        replicas = outcome.contributions.map { contribution in
            Replica(
                node: state.nodes[contribution.node]?.address ?? "\(contribution.node)",
                rows: contribution.counts.rows,
                batch: contribution.counts.batch,
                returned_rows: contribution.returnedRows,
                bytes: contribution.bytes
            )
        }
    }

    var json: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return (try? encoder.encode(self)).map { [UInt8]($0) } ?? []
    }

    static func warning(_ counts: ScoreCounts, _ model: ModelName) -> String? {
        counts.statistics.warning(model: "\(model)")
    }
}
