internal import CQLSyntax
internal import Catalog

/// The conditions that ALLOW FILTERING allows, with their values: all must hold of a row.
///
/// Null meets no condition.
package struct RowFilter: Hashable, Sendable {
    /// What a condition looks at.
    enum Operand: Hashable, Sendable {
        /// The value at this place in `SelectPlan.readColumns`.
        case column(place: Int)
        /// This component of the partition key.
        case partitionKey(component: Int)
    }

    /// What must be true of a value.
    enum Test: Hashable, Sendable {
        /// It has the bytes of one of these.
        case oneOf(Set<[UInt8]>)
        /// It stands so to this one.
        case ordered(ComparisonOperator, [UInt8])
    }

    struct Condition: Hashable, Sendable {
        let operand: Operand
        let type: CQLType
        let test: Test
    }

    let conditions: [Condition]
    let partitionKeyCount: Int

    /// Whether a live row meets all conditions.
    ///
    /// - Parameters:
    ///   - row: the row's bytes.
    ///   - ranges: for each of `SelectPlan.readColumns` where its value lies in the row, nil for
    ///     null (`RowView.locate`).
    ///   - key: the partition key's bytes.
    /// - Returns: false too where the bytes are no row or key of the table.
    package func accepts(row: [UInt8], ranges: [Range<Int>?], key: [UInt8]) -> Bool {
        conditions.allSatisfy { condition in
            switch condition.operand {
            case .column(let place):
                guard place < ranges.count, let range = ranges[place] else { return false }
                return condition.holds(row, range)
            case .partitionKey(let component):
                let range = KeyPlan.range(component: component, of: key, partitionKeyCount)
                guard let range else { return false }
                return condition.holds(key, range)
            }
        }
    }

    /// Appends what tells this filter from others, for a paging state's fingerprint.
    func append(to bytes: inout [UInt8]) {
        for condition in conditions {
            switch condition.operand {
            case .column(let place): bytes.append(number: 1, place)
            case .partitionKey(let component): bytes.append(number: 2, component)
            }
            switch condition.test {
            case .oneOf(let values):
                bytes.append(number: 3, values.count)
                let sorted = values.sorted { $0.lexicographicallyPrecedes($1) }
                for value in sorted { bytes.append(sized: value) }
            case .ordered(let comparison, let value):
                bytes.append(sized: Array(comparison.rawValue.utf8))
                bytes.append(sized: value)
            }
        }
    }
}

extension RowFilter.Condition {
    /// Whether the value that lies there meets the condition.
    fileprivate func holds(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        guard range.lowerBound >= 0, range.upperBound <= bytes.count else { return false }
        switch test {
        case .oneOf(let values): return values.contains(Array(bytes[range]))
        case .ordered(let comparison, let bound):
            return bytes.withUnsafeBytes { buffer in
                let value = UnsafeRawBufferPointer(rebasing: buffer[range])
                return bound.withUnsafeBytes { bound in
                    guard let order = ValueOrder.compare(value, bound, type) else { return false }
                    return switch comparison {
                    case .equal: order == 0
                    case .notEqual: order != 0
                    case .less: order < 0
                    case .lessOrEqual: order <= 0
                    case .greater: order > 0
                    case .greaterOrEqual: order >= 0
                    }
                }
            }
        }
    }
}

/// The conditions of ALLOW FILTERING before their values are known.
struct FilterPlan: Sendable {
    enum Values: Sendable {
        case oneOf([ValueSource])
        case listMarker(Int)
        case ordered(ComparisonOperator, ValueSource)
    }

    struct Condition: Sendable {
        let column: Catalog.ColumnDefinition
        let values: Values
    }

    let table: TableDefinition
    let conditions: [Condition]

    /// The columns whose values the conditions look at.
    var columns: [ColumnID] {
        conditions.filter { $0.column.kind != .partitionKey }.map(\.column.id)
    }

    func bind(
        _ values: CheckedValues,
        readColumns: [ColumnID]
    ) throws(CQLError) -> RowFilter {
        var bound: [RowFilter.Condition] = []
        for condition in conditions {
            let column = condition.column
            let subject = "column \(column.name) of \(table.qualifiedName)"
            let test: RowFilter.Test
            switch condition.values {
            case .oneOf(let sources):
                var found: Set<[UInt8]> = []
                for source in sources { found.insert(try values.required(source, subject)) }
                test = .oneOf(found)
            case .listMarker(let marker):
                let list = try values.required(.marker(marker), "the list of IN of \(subject)")
                test = .oneOf(Set(CollectionCoding.elements(of: list) ?? []))
            case .ordered(let comparison, let source):
                test = .ordered(comparison, try values.required(source, subject))
            }
            let operand: RowFilter.Operand
            if column.kind == .partitionKey {
                operand = .partitionKey(component: column.position)
            } else {
                guard let place = readColumns.firstIndex(of: column.id) else {
                    preconditionFailure("\(subject) is filtered by but not read")
                }
                operand = .column(place: place)
            }
            bound.append(
                RowFilter.Condition(operand: operand, type: column.type, test: test)
            )
        }
        return RowFilter(conditions: bound, partitionKeyCount: table.partitionKeyCount)
    }
}
