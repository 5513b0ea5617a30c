package import Catalog
package import PeerMessages
internal import Storage
internal import TokenPlacement

/// An INSERT, UPDATE or DELETE of one row by its full primary key.
package struct WritePlan: Sendable {
    /// What the statement does to its row.
    package enum Kind: Hashable, Sendable {
        /// INSERT: the row exists from now on, even if all its columns are null.
        case insert
        /// UPDATE.
        case update
        /// DELETE of the whole row.
        case deleteRow
        /// DELETE of some columns.
        case deleteColumns
    }

    /// A column and its new value; null deletes.
    package struct Assignment: Hashable, Sendable {
        /// The column.
        package let column: ColumnID
        /// Its value.
        package let value: ValueSource
    }

    /// The longest time to live: 20 years, as in Cassandra.
    package static let timeToLiveSecondsMax: Int32 = 630_720_000

    /// What the statement does to its row.
    package let kind: Kind
    /// The table.
    package let table: TableDefinition
    /// The statement's markers; a write of BEGIN BATCH has those of the whole batch.
    package let markers: [Marker]
    /// The values of the key's components.
    package var keys: [KeySource] { keyPlan.sources }
    /// The columns that are written.
    package let assignments: [Assignment]
    /// USING TIMESTAMP.
    package let timestamp: ValueSource?
    /// USING TTL.
    package let timeToLive: ValueSource?

    let keyPlan: KeyPlan

    init(
        kind: Kind,
        keyPlan: KeyPlan,
        markers: [Marker],
        assignments: [Assignment],
        timestamp: ValueSource?,
        timeToLive: ValueSource?
    ) {
        self.kind = kind
        table = keyPlan.table
        self.keyPlan = keyPlan
        self.markers = markers
        self.assignments = assignments
        self.timestamp = timestamp
        self.timeToLive = timeToLive
    }

    /// Puts values in the markers' places.
    ///
    /// - Parameters:
    ///   - values: one per marker.
    ///   - defaultTimestampMicros: the client's timestamp, or the coordinator's clock.
    ///   - nowSeconds: the coordinator's clock, for expiries and deletions.
    /// - Returns: the row's merge operand; it is an empty row if all values are unset in an UPDATE.
    /// - Throws: `invalid` for values of a wrong number, type or length, null or empty keys, or a
    ///   timestamp or time to live out of its range.
    package func bind(
        _ values: [MarkerValue] = [],
        defaultTimestampMicros: Int64,
        nowSeconds: Int64
    ) throws(CQLError) -> Mutation {
        try bind(
            try CheckedValues(values, for: markers),
            defaultTimestampMicros: defaultTimestampMicros,
            nowSeconds: nowSeconds
        )
    }

    func bind(
        _ values: CheckedValues,
        defaultTimestampMicros: Int64,
        nowSeconds: Int64
    ) throws(CQLError) -> Mutation {
        guard let partition = try keyPlan.partitions(values, countMax: 1).first else {
            preconditionFailure("a write to \(table.qualifiedName) names no key")
        }
        let timestamp = try Self.timestamp(
            self.timestamp,
            values,
            default: defaultTimestampMicros
        )
        let expiry = Expiry(
            timeToLiveSeconds: try timeToLiveSeconds(values),
            nowSeconds: nowSeconds
        )
        var row = RowBuilder(timestamp: timestamp, expiry: expiry)
        switch kind {
        case .insert: row.insertMarker()
        case .deleteRow: row.deleteRow(deletionSeconds: nowSeconds)
        case .update, .deleteColumns: break
        }
        for assignment in assignments {
            switch values.value(of: assignment.value) {
            case .value(let bytes): row.set(assignment.column, to: bytes)
            case .null: row.delete(assignment.column, deletionSeconds: nowSeconds)
            case .unset: break
            }
        }
        return Mutation(table: table.id, partition: partition, operand: row.encoded())
    }

    /// The time of a write: what USING says, or else the default.
    static func timestamp(
        _ source: ValueSource?,
        _ values: CheckedValues,
        default defaultMicros: Int64
    ) throws(CQLError) -> WriteTimestamp {
        var micros = defaultMicros
        if let source {
            switch values.value(of: source) {
            case .value(let bytes):
                micros = Int64(bitPattern: bytes.reduce(0) { $0 << 8 | UInt64($1) })
            case .null:
                throw .invalid("Invalid null value of timestamp: give microseconds since 1970")
            case .unset: break
            }
        }
        guard micros != .min else {
            throw .invalid(
                "Out of bound timestamp \(micros): it must be \(Int64.min + 1) to \(Int64.max)"
            )
        }
        return WriteTimestamp(micros)
    }

    private func timeToLiveSeconds(_ values: CheckedValues) throws(CQLError) -> Int32 {
        guard kind == .insert || kind == .update else { return 0 }
        guard let timeToLive else { return table.options.defaultTimeToLiveSeconds }
        switch values.value(of: timeToLive) {
        case .unset: return table.options.defaultTimeToLiveSeconds
        // As in Cassandra: null, like 0, is for ever, whatever the table's default.
        case .null: return 0
        case .value(let bytes):
            let seconds = Int32(bitPattern: bytes.reduce(0) { $0 << 8 | UInt32($1) })
            guard seconds >= 0 else {
                throw .invalid("A TTL must be greater or equal to 0, but was \(seconds)")
            }
            guard seconds <= Self.timeToLiveSecondsMax else {
                throw .invalid(
                    "ttl is too large. requested (\(seconds)) maximum "
                        + "(\(Self.timeToLiveSecondsMax))"
                )
            }
            return seconds
        }
    }
}
