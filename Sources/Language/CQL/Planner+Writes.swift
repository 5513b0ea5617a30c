internal import CQLSyntax
internal import Catalog

extension Planner {
    /// Plans a write that stands alone.
    mutating func planWrite(_ modification: Modification) throws(CQLError) -> Plan {
        let draft = try draft(modification)
        let plan = draft.plan(markers: try markers.all())
        return try makePlan(
            .write(plan),
            table: plan.table,
            partitionKeyMarkers: plan.keyPlan.markers
        )
    }

    /// Plans BEGIN BATCH.
    mutating func planBatch(_ statement: BatchStatement) throws(CQLError) -> Plan {
        guard statement.kind != .counter else { throw BatchPlan.counterRefusal }
        let timestamp = try clause("TIMESTAMP", statement.options.timestamp, .bigint)
        var drafts: [WriteDraft] = []
        for modification in statement.modifications {
            let draft = try draft(modification)
            guard timestamp == nil || draft.timestamp == nil else {
                throw .invalid(
                    "Timestamp must be set either on BATCH or individual statements, not on both"
                )
            }
            drafts.append(draft)
        }
        let markers = try self.markers.all()
        let writes = drafts.map { $0.plan(markers: markers) }
        let batch = BatchPlan(
            kind: statement.kind,
            writes: writes,
            markers: markers,
            timestamp: timestamp
        )
        // Drivers route a batch by its first key, if all of it goes to one table.
        let table = writes.first?.table
        let isOneTable = writes.allSatisfy { $0.table.id == table?.id }
        return try makePlan(
            .batch(batch),
            table: table,
            partitionKeyMarkers: isOneTable ? writes.first?.keyPlan.markers : nil
        )
    }

    private struct WriteDraft {
        var kind: WritePlan.Kind
        var keyPlan: KeyPlan
        var assignments: [WritePlan.Assignment]
        var timestamp: ValueSource?
        var timeToLive: ValueSource?

        func plan(markers: [Marker]) -> WritePlan {
            WritePlan(
                kind: kind,
                keyPlan: keyPlan,
                markers: markers,
                assignments: assignments,
                timestamp: timestamp,
                timeToLive: timeToLive
            )
        }
    }

    private mutating func draft(_ modification: Modification) throws(CQLError) -> WriteDraft {
        switch modification {
        case .insert(let statement): try insert(statement)
        case .update(let statement): try update(statement)
        case .delete(let statement): try delete(statement)
        }
    }

    private func refuse(_ condition: WriteCondition?) throws(CQLError) {
        let text =
            switch condition {
            case nil: ""
            case .exists: "IF EXISTS"
            case .notExists: "IF NOT EXISTS"
            case .all: "IF"
            }
        guard condition == nil else {
            throw .unsupported(
                "\(text) in a write",
                "lightweight transactions come later; leave the condition out"
            )
        }
    }

    private mutating func insert(_ statement: InsertStatement) throws(CQLError) -> WriteDraft {
        let table = try userTable(statement.table, toWrite: true)
        try refuse(statement.condition)
        guard statement.columns.count == statement.values.count else {
            throw .invalid(
                "Unmatched column names/values: \(statement.columns.count) columns, "
                    + "\(statement.values.count) values"
            )
        }
        var keys: [ValueSource?] = Array(repeating: nil, count: table.partitionKeyCount)
        var assignments: [WritePlan.Assignment] = []
        var seen: Set<ColumnID> = []
        for (name, expression) in zip(statement.columns, statement.values) {
            let column = try self.column(name, of: table)
            guard seen.insert(column.id).inserted else {
                throw .invalid("The column names contains duplicates: \(column.name)")
            }
            let source = try value(
                expression,
                name: column.name,
                type: column.type,
                subject: "column \(column.name) of \(table.qualifiedName)"
            )
            if column.kind == .partitionKey {
                keys[column.position] = source
            } else {
                assignments.append(WritePlan.Assignment(column: column.id, value: source))
            }
        }
        let missing = table.partitionKey.filter { keys[$0.position] == nil }.map(\.name)
        guard missing.isEmpty else {
            throw .invalid(
                "Some partition key parts are missing: \(missing.joined(separator: ", ")) of "
                    + table.qualifiedName
            )
        }
        return WriteDraft(
            kind: .insert,
            keyPlan: KeyPlan(table: table, sources: keys.compactMap { $0 }.map(KeySource.one)),
            assignments: assignments,
            timestamp: try clause("TIMESTAMP", statement.options.timestamp, .bigint),
            timeToLive: try clause("TTL", statement.options.ttl, .int)
        )
    }

    private mutating func update(_ statement: UpdateStatement) throws(CQLError) -> WriteDraft {
        let table = try userTable(statement.table, toWrite: true)
        try refuse(statement.condition)
        let timestamp = try clause("TIMESTAMP", statement.options.timestamp, .bigint)
        let timeToLive = try clause("TTL", statement.options.ttl, .int)
        var assignments: [WritePlan.Assignment] = []
        var seen: Set<ColumnID> = []
        for assignment in statement.assignments {
            let column = try regularColumn(assignment.column, of: table)
            guard seen.insert(column.id).inserted else {
                throw .invalid("Multiple assignments of column \(column.name): give one value")
            }
            guard case .set(let expression) = assignment.operation else {
                throw .unsupported(
                    "changing column \(column.name) relative to its value or in part",
                    "counters and collections come later; set the whole value"
                )
            }
            assignments.append(
                WritePlan.Assignment(
                    column: column.id,
                    value: try value(
                        expression,
                        name: column.name,
                        type: column.type,
                        subject: "column \(column.name) of \(table.qualifiedName)"
                    )
                )
            )
        }
        return WriteDraft(
            kind: .update,
            keyPlan: try keyPlan(
                statement.relations,
                of: table,
                takesIn: false,
                verb: "an UPDATE"
            ),
            assignments: assignments,
            timestamp: timestamp,
            timeToLive: timeToLive
        )
    }

    private mutating func delete(_ statement: DeleteStatement) throws(CQLError) -> WriteDraft {
        let table = try userTable(statement.table, toWrite: true)
        try refuse(statement.condition)
        var assignments: [WritePlan.Assignment] = []
        for target in statement.targets {
            let column = try regularColumn(target.column, of: table)
            guard target.element == nil else {
                throw .unsupported(
                    "deleting an element of column \(column.name)",
                    "collections come later; delete the whole column"
                )
            }
            assignments.append(
                WritePlan.Assignment(column: column.id, value: .constant(nil))
            )
        }
        return WriteDraft(
            kind: statement.targets.isEmpty ? .deleteRow : .deleteColumns,
            keyPlan: try keyPlan(statement.relations, of: table, takesIn: false, verb: "a DELETE"),
            assignments: assignments,
            timestamp: try clause("TIMESTAMP", statement.options.timestamp, .bigint),
            timeToLive: nil
        )
    }

    private func regularColumn(
        _ name: Identifier,
        of table: TableDefinition
    ) throws(CQLError) -> Catalog.ColumnDefinition {
        let column = try column(name, of: table)
        guard column.kind == .regular else {
            throw .invalid(
                "PRIMARY KEY part \(column.name) of \(table.qualifiedName) cannot be changed: "
                    + "delete the row, and insert another"
            )
        }
        return column
    }
}
