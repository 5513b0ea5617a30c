package import CQLSyntax
internal import Catalog
package import PeerMessages
internal import Storage
internal import TokenPlacement

/// The writes of BEGIN BATCH, and the rules of all batches.
package struct BatchPlan: Sendable {
    /// LOGGED, UNLOGGED; COUNTER is never planned.
    package let kind: BatchStatement.Kind
    /// The writes in order.
    package let writes: [WritePlan]
    /// The markers of the whole batch.
    package let markers: [Marker]
    /// USING TIMESTAMP of the whole batch.
    package let timestamp: ValueSource?

    /// Puts values in the markers' places, and joins the writes (see `combine`).
    ///
    /// - Throws: what `WritePlan.bind` and `combine` throw.
    package func bind(
        _ values: [MarkerValue] = [],
        defaultTimestampMicros: Int64,
        nowSeconds: Int64
    ) throws(CQLError) -> [Mutation] {
        let checked = try CheckedValues(values, for: markers)
        let timestamp = try WritePlan.timestamp(
            self.timestamp,
            checked,
            default: defaultTimestampMicros
        )
        var mutations: [Mutation] = []
        mutations.reserveCapacity(writes.count)
        for write in writes {
            mutations.append(
                try write.bind(
                    checked,
                    defaultTimestampMicros: timestamp.microseconds,
                    nowSeconds: nowSeconds
                )
            )
        }
        return try Self.combine(kind, mutations)
    }

    /// Joins bound writes into one mutation for each row, in the order of first appearance.
    ///
    /// A row's writes become one merge operand, so that a batch over one partition is all or
    /// nothing there, LOGGED or not.
    /// What is LOGGED and still more than one goes by way of the batch log (`needsLog`).
    /// - Throws: `invalid` for COUNTER.
    package static func combine(
        _ kind: BatchStatement.Kind,
        _ mutations: [Mutation]
    ) throws(CQLError) -> [Mutation] {
        struct RowName: Hashable {
            let table: UInt32
            let key: [UInt8]
        }
        guard kind != .counter else { throw counterRefusal }
        guard mutations.count > 1 else { return mutations }
        var places: [RowName: Int] = [:]
        var operands: [[[UInt8]]] = []
        var combined: [Mutation] = []
        for mutation in mutations {
            let name = RowName(table: mutation.table.value, key: mutation.partition.key)
            if let place = places[name] {
                operands[place].append(mutation.operand)
            } else {
                places[name] = combined.count
                combined.append(mutation)
                operands.append([mutation.operand])
            }
        }
        for place in combined.indices where operands[place].count > 1 {
            combined[place].operand = RowMerge.merge(operands[place])
        }
        return combined
    }

    /// Whether combined writes must stand in the batch log first: without it a coordinator that
    /// dies could leave some of the partitions written and others not.
    package static func needsLog(_ kind: BatchStatement.Kind, _ combined: [Mutation]) -> Bool {
        kind == .logged && combined.count > 1
    }

    static let counterRefusal = CQLError.unsupported(
        "COUNTER BATCH",
        "there are no counters; use bigint, and write the sum"
    )
}
