internal import Catalog
internal import OnnxScoring
internal import PeerMessages
internal import Scoring
internal import Storage

/// Where the arguments of a model are found: in cells, or in the partition key.
private struct ArgumentSources {
    /// The columns that are cells, ascending.
    let columns: [ColumnID]
    /// Of each parameter, the place among the ranges: first the cells, then the key's components.
    let places: [Int]

    private let keyComponents: [Int]
    private let keyComponentCount: Int

    init(_ arguments: [PeerMessages.ScoreArgument], _ table: TableDefinition) {
        keyComponentCount = table.partitionKeyCount
        let named = arguments.map { argument -> (column: ColumnID, component: Int?)? in
            guard case .column(let column) = argument else { return nil }
            let component = table.partitionKey.firstIndex { $0.id == column }
            return (column, component)
        }
        let cells = Set(named.compactMap { $0?.component == nil ? $0?.column : nil }).sorted()
        let components = Set(named.compactMap { $0?.component }).sorted()
        columns = cells
        keyComponents = components
        places = named.map { source in
            guard let source else { return -1 }
            if let component = source.component {
                return cells.count + (components.firstIndex(of: component) ?? 0)
            }
            return cells.firstIndex(of: source.column) ?? -1
        }
    }

    /// The bytes that the ranges lie in: the row, and the key's components behind it if an argument
    /// needs them.
    func values(
        _ row: [UInt8],
        _ key: [UInt8],
        _ ranges: inout [Range<Int>?]
    ) throws(KeyFormatError) -> [UInt8] {
        guard !keyComponents.isEmpty else { return row }
        let components = try PartitionKeyCoding.decode(key, columnCount: keyComponentCount)
        var bytes = row
        for component in keyComponents {
            ranges.append(bytes.count..<bytes.count + components[component].count)
            bytes += components[component]
        }
        return bytes
    }
}

/// The rows of one score request as a batch for the model, and what is needed to answer.
struct ScoreAssembly: Sendable {
    private let request: ScoreRequest
    private let batch: ScoreBatch
    /// Of each present row: group, place in the group, its bytes.
    private let present: [(group: Int, index: Int, row: [UInt8])]
    private let digests: [RowDigest]

    /// Decodes the rows and gathers the arguments.
    ///
    /// - Throws: ``PeerFailure``: a row that is damaged, an argument of the wrong width.
    init(
        request: ScoreRequest,
        rows: [[UInt8]?],
        table: TableDefinition,
        model: OnnxModel
    ) throws(PeerFailure) {
        self.request = request
        guard request.arguments.count == model.signature.parameters.count else {
            throw PeerFailure(
                code: .invalid,
                text: """
                    \(request.modelName) takes \(model.signature.parameters.count) arguments, \
                    \(request.arguments.count) were given
                    """
            )
        }
        let sources = ArgumentSources(request.arguments, table)
        var builder = ScoreBatchBuilder(layout: model.layout, rowsMax: rows.count)
        var present: [(group: Int, index: Int, row: [UInt8])] = []
        var digests: [RowDigest] = []
        do {
            for (parameter, argument) in request.arguments.enumerated() {
                if case .value(let value) = argument {
                    try builder.setConstant(parameter, to: value)
                }
            }
            var ranges: [Range<Int>?] = []
            var next = 0
            for (group, partitions) in request.groups.enumerated() {
                var groupDigests: [RowDigest] = []
                groupDigests.reserveCapacity(partitions.count)
                for index in partitions.indices {
                    defer { next += 1 }
                    guard let row = rows[next] else {
                        groupDigests.append(.absent)
                        continue
                    }
                    let view = try RowView(validating: row)
                    groupDigests.append(
                        view.digest(
                            nowSeconds: request.nowSeconds,
                            gcGraceSeconds: table.options.gcGraceSeconds
                        )
                    )
                    guard
                        view.locate(
                            columns: sources.columns,
                            nowSeconds: request.nowSeconds,
                            into: &ranges
                        )
                    else { continue }
                    present.append((group, index, row))
                    let values = try sources.values(row, partitions[index].key, &ranges)
                    try values.withUnsafeBytes { bytes in
                        try builder.appendRow { parameter in
                            guard let range = ranges[sources.places[parameter]] else {
                                return .null
                            }
                            return .value(UnsafeRawBufferPointer(rebasing: bytes[range]))
                        }
                    }
                }
                digests.append(RowDigest.combine(groupDigests))
            }
        } catch let error as ScoreArgumentError {
            throw PeerFailure(code: .invalid, text: "\(request.modelName): \(error)")
        } catch {
            throw PeerFailure(code: .failed, text: "a stored row: \(error)")
        }
        self.present = present
        self.digests = digests
        batch = builder.finish()
    }

    /// Runs the model and keeps the best; called on a thread of the inference pool.
    func run(_ model: OnnxModel, timeLimit: Duration) throws(PeerFailure) -> ScoreReply {
        let scored: ScoredRows
        do throws(OnnxError) {
            scored = try model.run(batch, timeLimit: timeLimit)
        } catch {
            throw PeerFailure(code: .failed, text: "\(request.modelName): \(error)")
        }
        var counts = ScoreCounts()
        counts.rows = scored.statistics.rows
        counts.batch = batch.rowCount
        counts.defaulted = scored.statistics.defaulted
        counts.null = scored.statistics.null
        counts.nonFinite = scored.statistics.nonFinite
        let places =
            switch request.order {
            case .none: Array(present.indices)
            case .ascending: best(scored.scores, .ascending)
            case .descending: best(scored.scores, .descending)
            }
        let columns = request.columns.sorted()
        var ranges: [Range<Int>?] = []
        var rows: [ScoredRow] = []
        rows.reserveCapacity(places.count)
        for place in places {
            let (group, index, row) = present[place]
            rows.append(
                ScoredRow(
                    group: group,
                    index: index,
                    score: scored.scores[place],
                    values: try values(row, columns, &ranges)
                )
            )
        }
        return ScoreReply(rows: rows, digests: digests, counts: counts)
    }

    private func best(_ scores: [Float?], _ order: Scoring.ScoreOrder) -> [Int] {
        var top = TopScores<Int>(limit: min(request.limit, present.count), order: order)
        for (place, score) in scores.enumerated() {
            let (group, index, _) = present[place]
            top.offer(score: score, key: request.groups[group][index].key, payload: place)
        }
        return top.sorted().map(\.payload)
    }

    /// The values of the columns asked for, in the request's order.
    private func values(
        _ row: [UInt8],
        _ columns: [ColumnID],
        _ ranges: inout [Range<Int>?]
    ) throws(PeerFailure) -> [[UInt8]?] {
        guard !columns.isEmpty else { return [] }
        do throws(RowFormatError) {
            _ = try RowView(validating: row)
                .locate(columns: columns, nowSeconds: request.nowSeconds, into: &ranges)
        } catch {
            throw PeerFailure(code: .failed, text: "a stored row: \(error)")
        }
        return request.columns.map { column in
            columns.firstIndex(of: column).flatMap { ranges[$0] }.map { Array(row[$0]) }
        }
    }
}
