internal import CQL
internal import Catalog
internal import Coordination
internal import NativeProtocol
internal import NodeCore
internal import PeerMessages
internal import Storage
internal import TokenPlacement

/// One SELECT without keys on its way: pages of replicas' rows until the client's page is full.
///
/// Memory holds one page of rows and the frame that is being written, whatever the table's size.
final class SelectScan {
    /// The rows of a page whose size the client does not say.
    private static let pageRowsDefault = 5000
    /// The most rows that are asked for at once.
    private static let stepRowsMax = 1000
    /// The bytes after which a page ends, so that its frame stays small.
    private static let pageBytesMax = 8 << 20

    private let plan: Plan
    private let select: SelectPlan
    private let parameters: QueryParameters
    private let executor: StatementExecutor
    private let reply: Reply
    private let nowSeconds: Int64
    private let writing: RowWriting
    private let pageRows: Int

    private var bound: BoundSelect?
    private var writer: RowsWriter
    private var located: [Range<Int>?] = []
    private var count: Int64 = 0
    private var bytes = 0
    private var remaining: Int?

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
        writing = RowWriting(select, nowSeconds: nowSeconds)
        let asked = parameters.pageSize.map(Int.init) ?? 0
        pageRows = asked > 0 ? asked : Self.pageRowsDefault
        writer = RowsWriter(
            stream: reply.stream,
            metadata: StatementExecutor.metadata(
                of: plan,
                skipsColumns: parameters.skipsMetadata
            ),
            extras: ResponseExtras(warnings: plan.warnings)
        )
    }

    /// Binds the values and begins, or goes on where the paging state says.
    func start(_ values: [MarkerValue]) throws(CQLError) {
        let bound = try select.bind(values)
        self.bound = bound
        let start = try select.start(bound, pagingState: parameters.pagingState)
        remaining = start.remaining
        step(ScanPosition(after: start.after, ranges: start.ranges))
    }

    /// How many rows the page may still take.
    private var room: Int {
        if select.isCount { return .max }
        return min(pageRows, remaining ?? .max) - Int(count)
    }

    private func step(_ position: ScanPosition) {
        guard !position.ranges.isEmpty else {
            finish(nil)
            return
        }
        let request = ScanPageRequest(
            table: select.table,
            position: position,
            rowsMax: min(room, Self.stepRowsMax),
            consistency: parameters.consistency,
            nowSeconds: nowSeconds
        )
        executor.coordinator.scan(request) { [self] result in
            switch result {
            case .success(let page): received(page)
            case .failure(let error): reply.error(ErrorResponse(error))
            }
        }
    }

    private func received(_ page: ScanMachine.Page) {
        do {
            for row in page.rows {
                let isWritten = try writing.write(
                    row.row,
                    row.partition,
                    bound?.filter,
                    &located,
                    &writer
                )
                guard isWritten else { continue }
                count += 1
                bytes += row.row.count
            }
        } catch {
            reply.error(ErrorResponse(.serverError, "a stored row cannot be read: \(error)"))
            return
        }
        guard let position = page.position else {
            finish(nil)
            return
        }
        if room <= 0 || (bytes >= Self.pageBytesMax && !select.isCount) {
            finish(position)
        } else {
            step(position)
        }
    }

    /// Answers; with where the next page begins, if there may be one.
    private func finish(_ position: ScanPosition?) {
        if select.isCount { writing.write(count: count, &writer) }
        let left = remaining.map { $0 - Int(count) }
        guard let position, let first = position.ranges.first, let bound, left ?? 1 > 0 else {
            reply.respond(writer.finish())
            return
        }
        let state: PagingState
        if let after = position.after {
            state = PagingState(after: after, remaining: left)
        } else {
            // The page ended where a range of tokens did.
            state = PagingState(
                afterAllOf: Token(max(first.lowerBound.value, .min + 1) - 1),
                remaining: left
            )
        }
        reply.respond(
            writer.finish(pagingState: state.encoded(for: select.fingerprint(of: bound)))
        )
    }
}
