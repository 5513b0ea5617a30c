internal import CQL
internal import Catalog
internal import Coordination
internal import NativeProtocol
internal import NativeServer
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
    /// The bytes of the frame after which a page ends.
    private static let pageBytesMax = 8 << 20

    private let plan: Plan
    private let select: SelectPlan
    private let parameters: QueryParameters
    private let executor: StatementExecutor
    private let session: Session
    private let reply: Reply
    /// When a page is answered though it is not full, and a count gives up.
    private let deadline: Duration
    private let nowSeconds: Int64
    private let writing: RowWriting
    private let pageRows: Int

    private var bound: BoundSelect?
    private var writer: RowsWriter
    private var located: [Range<Int>?] = []
    private var count: Int64 = 0
    private var remaining: Int?

    init(
        _ plan: Plan,
        _ select: SelectPlan,
        _ parameters: QueryParameters,
        _ executor: StatementExecutor,
        _ session: Session,
        _ reply: Reply
    ) {
        self.plan = plan
        self.select = select
        self.parameters = parameters
        self.executor = executor
        self.session = session
        self.reply = reply
        let settings = executor.coordinator.settings
        deadline =
            executor.coordinator.environment.now
            + (select.isCount ? settings.countTimeout : settings.readTimeout)
        nowSeconds = executor.nowSeconds
        writing = RowWriting(
            select,
            nowSeconds: nowSeconds,
            byteCountMax: StatementExecutor.responseBytesMax
        )
        let asked = parameters.pageSize.map(Int.init) ?? 0
        pageRows = asked > 0 ? asked : Self.pageRowsDefault
        writer = writing.writer(
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
        // Nobody waits for what is left.
        guard !session.isClosed else { return }
        guard !position.ranges.isEmpty else {
            finish(nil)
            return
        }
        guard executor.coordinator.environment.now < deadline else {
            if select.isCount { giveUp() } else { finish(position) }
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
        do throws(RowWritingError) {
            for (place, row) in page.rows.enumerated() {
                let isWritten = try writing.write(
                    row.row,
                    row.partition,
                    bound?.filter,
                    &located,
                    &writer
                )
                guard isWritten else { continue }
                count += 1
                guard !select.isCount, writer.byteCount >= Self.pageBytesMax else { continue }
                finish(place == page.rows.count - 1 ? page.position : behind(row.partition))
                return
            }
        } catch {
            reply.error(ErrorResponse(error))
            return
        }
        guard let position = page.position else {
            finish(nil)
            return
        }
        if room <= 0 {
            finish(position)
        } else {
            step(position)
        }
    }

    /// Where a page begins whose last one ended with a row that others follow.
    private func behind(_ partition: PartitionRef) -> ScanPosition {
        ScanPosition(after: partition, ranges: [partition.token...partition.token])
    }

    /// The count takes too long: whoever waits for it would wait for ever on a great table.
    private func giveUp() {
        let seconds = executor.coordinator.settings.countTimeout / .seconds(1)
        reply.error(
            ErrorResponse(
                .readTimeout(
                    parameters.consistency,
                    received: 1,
                    blockFor: 1,
                    dataPresent: true
                ),
                """
                the rows were not counted within \(Int(seconds)) s, though replicas answered: \
                count fewer at a time, WHERE token(...) is in a range, or read the rows page by page
                """
            )
        )
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
