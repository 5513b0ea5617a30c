package import Catalog
package import PeerMessages
package import TokenPlacement

/// Where a result column's values come from.
package enum OutputSource: Hashable, Sendable {
    /// The value at this place in `readColumns`.
    case column(place: Int)
    /// This component of the partition key, from 0; see `SelectPlan.keyRange`.
    case partitionKey(component: Int)
    /// The model's score.
    case score
    /// The timestamp in microseconds of the column's cell, null where there is no live one.
    case writetime(ColumnID)
    /// The seconds that the column's cell still lives, null where it does not expire.
    case ttl(ColumnID)
    /// How many rows were found; the result is then this one row.
    case count
    /// The partition's token.
    case token
}

/// A SELECT from a user's table: by full partition keys, or of a part of the ring.
package struct SelectPlan: Sendable {
    /// One column of the result.
    package struct Output: Hashable, Sendable {
        /// Its name and type.
        package let column: ResultColumn
        /// Where its values come from.
        package let source: OutputSource
    }

    /// The most keys of one statement, unless another bound is given.
    package static let keyCountMax = 10_000

    /// The table.
    package let table: TableDefinition
    /// The statement's markers; a subquery's plan has those of the whole statement.
    package let markers: [Marker]
    /// Where the components of the partition key come from; empty in a scan.
    package var keys: [KeySource] { source.keyPlan?.sources ?? [] }
    /// Whether it reads a part of the ring, page by page, and not partitions by their keys.
    package var isScan: Bool { source.keyPlan == nil }
    /// The columns of the result.
    package let outputs: [Output]
    /// The columns whose values are read for the outputs and conditions, ascending, each once.
    package let readColumns: [ColumnID]
    /// The call of a model, if there is one.
    package let score: ScoreCall?
    /// The order by score; `none` without ORDER BY.
    package let order: ScoreOrder
    /// LIMIT.
    package let limit: ValueSource?

    let source: RowSource
    private let filter: FilterPlan?
    private let perPartitionLimit: ValueSource?
    private let listMarkers: Set<Int>

    init(
        source: RowSource,
        filter: FilterPlan?,
        markers: [Marker],
        outputs: [Output],
        readColumns: [ColumnID],
        score: ScoreCall?,
        order: ScoreOrder,
        limit: ValueSource?,
        perPartitionLimit: ValueSource?
    ) {
        table = source.table
        self.source = source
        self.filter = filter
        self.markers = markers
        self.outputs = outputs
        self.readColumns = readColumns
        self.score = score
        self.order = order
        self.limit = limit
        self.perPartitionLimit = perPartitionLimit
        listMarkers = source.keyPlan?.listMarkers ?? []
    }

    /// Whether the result is one row with the number of rows found.
    package var isCount: Bool { outputs.contains { $0.source == .count } }

    /// Whether outputs need the cells' timestamps or expiries, not their values alone.
    package var readsCells: Bool {
        outputs.contains { output in
            switch output.source {
            case .writetime, .ttl: true
            default: false
            }
        }
    }

    /// Puts values in the markers' places.
    ///
    /// - Parameters:
    ///   - values: one per marker.
    ///   - keyCountMax: the most keys, counted before duplicates go.
    /// - Returns: the partitions or tokens to read, and what to do with their rows.
    /// - Throws: `invalid` for values of a wrong number, type or length, null or empty keys, too
    ///   many keys, or a LIMIT below 1.
    package func bind(
        _ values: [MarkerValue] = [],
        keyCountMax: Int = Self.keyCountMax
    ) throws(CQLError) -> BoundSelect {
        let checked = try CheckedValues(values, for: markers, lists: listMarkers)
        return try bind(checked, keyCountMax: keyCountMax)
    }

    func bind(_ values: CheckedValues, keyCountMax: Int) throws(CQLError) -> BoundSelect {
        let rows: BoundSelect.Rows
        switch source {
        case .keys(let plan):
            rows = .partitions(try plan.partitions(values, countMax: keyCountMax))
        case .scan(let plan): rows = .ranges(try plan.ranges(values))
        }
        // A partition has one row, so that its own limit never takes one away.
        if let source = perPartitionLimit {
            _ = try LimitValue.number(of: source, values, clause: "PER PARTITION LIMIT")
        }
        var limit: Int?
        if let source = self.limit { limit = try LimitValue.number(of: source, values) }
        if order != .none, case .partitions(let partitions) = rows {
            limit = min(limit ?? partitions.count, partitions.count)
        }
        // LIMIT counts rows of the result, of which a count has one.
        if isCount { limit = nil }
        return BoundSelect(
            table: table,
            rows: rows,
            filter: try filter?.bind(values, readColumns: readColumns),
            limit: limit,
            score: try score?.bind(values)
        )
    }

    /// The bytes of a partition key that are one component's value.
    ///
    /// It finds them where they lie, without taking the other components apart.
    /// - Returns: nil if the bytes are not a key of this table.
    package func keyRange(component: Int, of key: [UInt8]) -> Range<Int>? {
        KeyPlan.range(component: component, of: key, table.partitionKeyCount)
    }

    func isCurrent(in state: ClusterState) -> Bool {
        state.holds(table) && score?.isCurrent(in: state) ?? true
    }
}

/// A SELECT with its values: what a coordinator needs.
package struct BoundSelect: Hashable, Sendable {
    /// Which rows are read.
    package enum Rows: Hashable, Sendable {
        /// Those of these partitions, each once, in the order in which the statement first names
        /// them.
        case partitions([PartitionRef])
        /// Those with these tokens, in the order of the ring: none or one range.
        case ranges([ClosedRange<Token>])
    }

    /// The table.
    package let table: TableDefinition
    /// Which rows are read.
    package let rows: Rows
    /// What must hold of a row besides; nil: nothing.
    package let filter: RowFilter?
    /// The most rows to return, nil for a count; ordered by score it is never nil nor more than
    /// the partitions.
    package let limit: Int?
    /// The scoring, if there is one; never in a scan, nor beside a filter.
    package let score: BoundScore?

    /// The partitions; none in a scan.
    package var partitions: [PartitionRef] {
        guard case .partitions(let partitions) = rows else { return [] }
        return partitions
    }

    /// The tokens that a scan reads; none in a SELECT by keys.
    package var ranges: [ClosedRange<Token>] {
        guard case .ranges(let ranges) = rows else { return [] }
        return ranges
    }
}

/// Reads the number behind LIMIT.
enum LimitValue {
    static func number(
        of source: ValueSource,
        _ values: CheckedValues,
        clause: String = "LIMIT"
    ) throws(CQLError) -> Int? {
        switch values.value(of: source) {
        case .unset: return nil
        case .null:
            throw .invalid(
                "Invalid null value of \(clause.lowercased()): give a number, or leave it out"
            )
        case .value(let bytes):
            let number = Int(Int32(bitPattern: bytes.reduce(0) { $0 << 8 | UInt32($1) }))
            guard number > 0 else {
                throw .invalid("\(clause) must be strictly positive, it is \(number)")
            }
            return number
        }
    }
}
