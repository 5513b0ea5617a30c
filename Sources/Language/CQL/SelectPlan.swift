package import Catalog
package import PeerMessages
internal import TokenPlacement

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

/// A SELECT from a user's table by full partition keys.
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
    /// Where the components of the partition key come from.
    package var keys: [KeySource] { keyPlan.sources }
    /// The columns of the result.
    package let outputs: [Output]
    /// The columns whose values are read for the outputs, ascending, each once.
    package let readColumns: [ColumnID]
    /// The call of a model, if there is one.
    package let score: ScoreCall?
    /// The order by score; `none` without ORDER BY.
    package let order: ScoreOrder
    /// LIMIT.
    package let limit: ValueSource?

    let keyPlan: KeyPlan
    private let listMarkers: Set<Int>

    init(
        keyPlan: KeyPlan,
        markers: [Marker],
        outputs: [Output],
        readColumns: [ColumnID],
        score: ScoreCall?,
        order: ScoreOrder,
        limit: ValueSource?
    ) {
        table = keyPlan.table
        self.keyPlan = keyPlan
        self.markers = markers
        self.outputs = outputs
        self.readColumns = readColumns
        self.score = score
        self.order = order
        self.limit = limit
        listMarkers = keyPlan.listMarkers
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
    /// - Returns: the partitions to read, and what to do with their rows.
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
        let partitions = try keyPlan.partitions(values, countMax: keyCountMax)
        var limit: Int?
        if let source = self.limit { limit = try LimitValue.number(of: source, values) }
        if order != .none { limit = min(limit ?? partitions.count, partitions.count) }
        return BoundSelect(
            table: table,
            partitions: partitions,
            limit: limit,
            score: try score?.bind(values)
        )
    }

    /// The bytes of a partition key that are one component's value.
    ///
    /// It finds them where they lie, without taking the other components apart.
    /// - Returns: nil if the bytes are not a key of this table.
    package func keyRange(component: Int, of key: [UInt8]) -> Range<Int>? {
        guard table.partitionKeyCount > 1 else { return component == 0 ? key.indices : nil }
        var start = 0
        var place = 0
        while key.count - start >= 3 {
            let length = Int(key[start]) << 8 | Int(key[start + 1])
            let end = start + 2 + length
            guard end < key.count else { return nil }
            if place == component { return start + 2..<end }
            place += 1
            start = end + 1
        }
        return nil
    }

    func isCurrent(in state: ClusterState) -> Bool {
        state.holds(table) && score?.isCurrent(in: state) ?? true
    }
}

/// A SELECT with its values: what a coordinator needs.
package struct BoundSelect: Hashable, Sendable {
    /// The table.
    package let table: TableDefinition
    /// The partitions, each once, in the order in which the statement first names them.
    package let partitions: [PartitionRef]
    /// The most rows to return; ordered by score it is never nil nor more than the partitions.
    package let limit: Int?
    /// The scoring, if there is one.
    package let score: BoundScore?
}

/// Reads the number behind LIMIT.
enum LimitValue {
    static func number(of source: ValueSource, _ values: CheckedValues) throws(CQLError) -> Int? {
        switch values.value(of: source) {
        case .unset: return nil
        case .null: throw .invalid("Invalid null value of limit: give a number, or leave it out")
        case .value(let bytes):
            let number = Int(Int32(bitPattern: bytes.reduce(0) { $0 << 8 | UInt32($1) }))
            guard number > 0 else {
                throw .invalid("LIMIT must be strictly positive, it is \(number)")
            }
            return number
        }
    }
}
