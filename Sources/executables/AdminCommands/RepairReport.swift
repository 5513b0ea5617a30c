internal import Foundation

/// What `martlet repair status` finds.
package struct RepairReport: Sendable {
    /// What one node said.
    package struct Node: Sendable {
        var place: String
        var slices: [SliceRepairRow]
        var runs: [RepairRunRow]
        var hints: [HintRow]

        /// A node's answers.
        package init(
            place: String,
            slices: [SliceRepairRow],
            runs: [RepairRunRow] = [],
            hints: [HintRow] = []
        ) {
            self.place = place
            self.slices = slices
            self.runs = runs
            self.hints = hints
        }
    }

    /// A table's slices at all nodes that answered.
    struct Table {
        var name: String
        /// The slices, each of which has several replicas.
        var slices: Set<Int> = []
        /// Those of which some replica knows no repair.
        var neverRepaired: Set<Int> = []
        /// Those whose replicas are known to differ.
        var dirty: Set<Int> = []
        /// Replicas that wait for their rows.
        var rebuilding = 0
        /// When the longest ago of the slices' last repairs began.
        var oldestRepair: Date?
    }

    let nodes: [Node]
    let problems: [String]

    /// A report of what nodes said, and of why others said nothing.
    package init(nodes: [Node], problems: [String] = []) {
        self.nodes = nodes
        self.problems = problems
    }

    var tables: [Table] {
        var tables: [String: Table] = [:]
        for row in nodes.flatMap(\.slices) {
            let name = "\(row.keyspace_name).\(row.table_name)"
            var table = tables[name] ?? Table(name: name)
            table.slices.insert(row.slice)
            if row.is_dirty == true { table.dirty.insert(row.slice) }
            if row.state == "rebuilding" { table.rebuilding += 1 }
            if let date = row.last_repair {
                table.oldestRepair = min(date, table.oldestRepair ?? date)
            } else {
                table.neverRepaired.insert(row.slice)
            }
            tables[name] = table
        }
        return tables.values.sorted { $0.name < $1.name }
    }

    /// The lines for people.
    package var lines: [String] {
        var table = TextTable([
            "Table", ">Slices", ">Never repaired", ">Dirty", ">Rebuilding", "Oldest repair",
        ])
        for row in tables {
            table.append([
                row.name,
                grouped(row.slices.count),
                grouped(row.neverRepaired.count),
                grouped(row.dirty.count),
                grouped(row.rebuilding),
                row.oldestRepair.map(timeText) ?? "never",
            ])
        }
        return table.lines + runLines + hintLines + problems
    }

    /// The runs; an empty line comes first.
    var runLines: [String] {
        var table = TextTable([
            "Node", "Repair of", "State", ">Slices", ">Rows streamed", "Started", "Error",
        ])
        var isEmpty = true
        for node in nodes {
            for run in node.runs {
                isEmpty = false
                table.append([
                    node.place,
                    run.scope,
                    run.state,
                    "\(grouped(run.slices_done)) of \(grouped(run.slices_total))",
                    grouped(Int(run.rows_streamed)),
                    run.started.map(timeText) ?? "?",
                    run.error ?? "",
                ])
            }
        }
        guard !isEmpty else { return ["", "No repair was asked for since the nodes started."] }
        return [""] + table.lines
    }

    private var hintLines: [String] {
        var table = TextTable(["Node", "Hints for", ">Count", ">Size", "Oldest"])
        var isEmpty = true
        for node in nodes {
            for hint in node.hints where hint.count > 0 {
                isEmpty = false
                table.append([
                    node.place,
                    hint.address ?? hint.target.uuidString.lowercased(),
                    grouped(Int(hint.count)),
                    byteText(Int(hint.bytes)),
                    hint.oldest.map(timeText) ?? "?",
                ])
            }
        }
        return isEmpty ? ["", "No hints are waiting."] : [""] + table.lines
    }

    /// The same for programs.
    package var json: JSONValue {
        .object([
            .init("tables", .array(tables.map(\.json))),
            .init(
                "runs",
                .array(nodes.flatMap { node in node.runs.map { $0.json(place: node.place) } })
            ),
            .init(
                "hints",
                .array(nodes.flatMap { node in node.hints.map { $0.json(place: node.place) } })
            ),
            .init("problems", .array(problems.map(JSONValue.string))),
        ])
    }
}

extension RepairReport.Table {
    var json: JSONValue {
        .object([
            .init("table", .string(name)),
            .init("slices", .optional(slices.count)),
            .init("never_repaired", .optional(neverRepaired.count)),
            .init("dirty", .optional(dirty.count)),
            .init("rebuilding", .optional(rebuilding)),
            .init("oldest_repair", .optional(oldestRepair)),
        ])
    }
}

extension RepairRunRow {
    func json(place: String) -> JSONValue {
        .object([
            .init("node", .string(place)),
            .init("id", .string(id.uuidString.lowercased())),
            .init("keyspace", .optional(keyspace_name)),
            .init("table", .optional(table_name)),
            .init("state", .string(state)),
            .init("slices_done", .optional(slices_done)),
            .init("slices_total", .optional(slices_total)),
            .init("rows_streamed", .integer(rows_streamed)),
            .init("bytes_streamed", .integer(bytes_streamed)),
            .init("started", .optional(started)),
            .init("error", .optional(error)),
        ])
    }
}

extension HintRow {
    fileprivate func json(place: String) -> JSONValue {
        .object([
            .init("node", .string(place)),
            .init("target", .string(target.uuidString.lowercased())),
            .init("target_address", .optional(address)),
            .init("count", .integer(count)),
            .init("bytes", .integer(bytes)),
            .init("oldest", .optional(oldest)),
        ])
    }
}
