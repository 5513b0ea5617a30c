package import Catalog

/// A SELECT from a virtual table, whose rows the node makes up.
package struct SystemSelectPlan: Sendable {
    /// One condition: the column's value is one of these.
    struct Condition: Sendable {
        /// The column's place in the table's columns.
        let place: Int
        let values: [ValueSource]
        /// IN ?: the values are the elements of this marker's list.
        let listMarker: Int?
    }

    /// The table.
    package let table: TableDefinition
    /// The statement's markers.
    package let markers: [Marker]
    /// The columns of the result.
    package let resultColumns: [ResultColumn]
    /// For each result column its place in the table's columns; nil for count(*).
    package let places: [Int]?

    let conditions: [Condition]
    let limit: ValueSource?

    /// The rows of the result.
    ///
    /// - Parameters:
    ///   - rows: all rows of the table, each with one value per column of `table.columns`, in that
    ///     order; a row that is too short has nulls at its end.
    ///   - values: one per marker.
    /// - Returns: rows with one value per result column.
    /// - Throws: `invalid` for values of a wrong number, type or length, null in WHERE, or a LIMIT
    ///   below 1.
    package func evaluate(
        rows: [[[UInt8]?]],
        values: [MarkerValue] = []
    ) throws(CQLError) -> [[[UInt8]?]] {
        let checked = try CheckedValues(values, for: markers)
        var accepted: [(place: Int, values: Set<[UInt8]>)] = []
        for condition in conditions {
            accepted.append((condition.place, try self.values(of: condition, checked)))
        }
        var rowCountMax = Int.max
        if let limit, let number = try LimitValue.number(of: limit, checked) {
            rowCountMax = number
        }
        let found = rows.lazy.filter { row in
            accepted.allSatisfy { condition in
                guard condition.place < row.count, let value = row[condition.place] else {
                    return false
                }
                return condition.values.contains(value)
            }
        }
        guard let places else {
            return [[LiteralEncoding.bigEndian(Int64(found.count))]]
        }
        return found.prefix(rowCountMax).map { row in
            places.map { $0 < row.count ? row[$0] : nil }
        }
    }

    private func values(
        of condition: Condition,
        _ checked: CheckedValues
    ) throws(CQLError) -> Set<[UInt8]> {
        let column = table.columns[condition.place]
        let subject = "column \(column.name) of \(table.qualifiedName)"
        if let listMarker = condition.listMarker {
            let list = try checked.required(.marker(listMarker), "IN of \(subject)")
            return Set(CollectionCoding.elements(of: list) ?? [])
        }
        var found: Set<[UInt8]> = []
        for source in condition.values { found.insert(try checked.required(source, subject)) }
        return found
    }
}
