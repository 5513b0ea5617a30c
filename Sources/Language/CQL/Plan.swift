package import CQLSyntax
package import Catalog
package import ClusterLog
package import TokenPlacement

/// A column of a result, as its metadata tells it.
package struct ResultColumn: Hashable, Sendable {
    /// The alias, the column's name, or the text of the expression.
    package let name: String
    /// The type of its values.
    package let type: CQLType

    /// A column with a name and a type.
    package init(name: String, type: CQLType) {
        self.name = name
        self.type = type
    }
}

/// A change of the cluster state that a statement asks for.
package struct SchemaPlan: Hashable, Sendable {
    /// The change.
    package let change: ClusterChange
    /// Whether it is no error if there is nothing to do: IF NOT EXISTS, IF EXISTS.
    package let isConditional: Bool

    /// A change with its condition.
    package init(change: ClusterChange, isConditional: Bool) {
        self.change = change
        self.isConditional = isConditional
    }
}

/// A statement held against the schema: made once per PREPARE, bound once per EXECUTE.
package struct Plan: Sendable {
    /// What is to be done.
    package enum Action: Sendable {
        /// Read rows of a user's table by their keys or by token, and perhaps score them.
        case select(SelectPlan)
        /// Read rows of a virtual table.
        case selectSystem(SystemSelectPlan)
        /// Write one row.
        case write(WritePlan)
        /// Write several rows.
        case batch(BatchPlan)
        /// Change keyspaces or tables.
        case schema(SchemaPlan)
        /// Make a keyspace the connection's own.
        case use(keyspace: String)
        /// Add a version of a model.
        case pushModel(PushModelPlan)
        /// Drop a model with all its versions.
        case dropModel(ModelName, ifExists: Bool)
        /// Show the schema as text.
        case describe(DescribeStatement)
        /// Repair a table, all tables of a keyspace, or all that there are.
        case repair(keyspace: String?, table: String?)
    }

    /// What is to be done.
    package let action: Action
    /// The bind markers in the order of the text.
    package let markers: [Marker]
    /// The columns of the result; empty if there are no rows.
    package let resultColumns: [ResultColumn]
    /// The keyspace and table of markers and result columns, if the statement has one.
    package let table: TableName?
    /// The marker of each partition key component (`pk_indexes`), where each is one `= ?`.
    package let partitionKeyMarkers: [UInt16]?
    /// Warnings for the client.
    package let warnings: [String]
    /// The version of the schema that the plan was made for.
    package let schemaVersion: NodeID

    /// A keyspace and a table in it.
    package struct TableName: Hashable, Sendable {
        /// The keyspace.
        package let keyspace: String
        /// The table.
        package let name: String
    }

    /// Whether the plan still does what its text says: its tables and the models' signatures are
    /// as they were.
    ///
    /// Comparing `schemaVersion` alone would plan everything anew after each push of a model.
    package func isCurrent(in state: ClusterState) -> Bool {
        if state.schemaVersion == schemaVersion { return true }
        switch action {
        case .select(let plan): return plan.isCurrent(in: state)
        case .selectSystem: return true
        case .write(let plan): return state.holds(plan.table)
        case .batch(let plan): return plan.writes.allSatisfy { state.holds($0.table) }
        case .schema, .use, .pushModel, .dropModel, .describe, .repair: return false
        }
    }

    /// Whether clients were told the same of both plans: markers, columns and their table.
    package func looks(like other: Plan) -> Bool {
        markers == other.markers && resultColumns == other.resultColumns && table == other.table
            && partitionKeyMarkers == other.partitionKeyMarkers
    }

    /// For each marker, the place of its value among values that are given by name.
    ///
    /// A name that stands at several markers gives all of them its value.
    /// - Throws: `invalid` if a marker has no value, or a name no marker.
    package func positions(ofNames names: [String]) throws(CQLError) -> [Int] {
        var byName: [String: Int] = [:]
        for (index, name) in names.enumerated() { byName[name] = index }
        var used: Set<Int> = []
        var positions: [Int] = []
        for marker in markers {
            guard let position = byName[marker.name] ?? byName[marker.name.lowercased()] else {
                throw .invalid("no value is named \(marker.name): give one, or bind by position")
            }
            used.insert(position)
            positions.append(position)
        }
        if let unknown = names.indices.first(where: { !used.contains($0) }) {
            throw .invalid(
                "the statement has no bind marker named \(names[unknown]): its markers are "
                    + markers.map(\.name).joined(separator: ", ")
            )
        }
        return positions
    }
}

extension ClusterState {
    /// Whether a table is still there, just as it was.
    func holds(_ table: TableDefinition) -> Bool {
        guard let current = self.table(table.keyspace, table.name) else { return false }
        return current.id == table.id && current == table
    }
}
