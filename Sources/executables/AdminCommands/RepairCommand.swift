internal import ArgumentParser
internal import Foundation
internal import Martlet

/// What a repair takes: everything, a keyspace or a table.
package struct RepairScope: Hashable, Sendable {
    let keyspace: String?
    let table: String?

    /// The scope that a text such as `ml` or `ml.movies` names, or everything.
    ///
    /// As in CQL, names that need no quotes are in lower case; nil if a name is none.
    package init?(_ text: String?) {
        guard let text else {
            (keyspace, table) = (nil, nil)
            return
        }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ isPlainIdentifier($0) }) else {
            return nil
        }
        keyspace = parts[0].lowercased()
        table = parts.count > 1 ? parts[1].lowercased() : nil
    }

    /// The statement that begins such a repair.
    package var statement: String {
        guard let keyspace else { return "REPAIR" }
        return "REPAIR \(keyspace)" + (table.map { ".\($0)" } ?? "")
    }

    func isScope(of run: RepairRunRow) -> Bool {
        run.keyspace_name == keyspace && run.table_name == table
    }
}

/// `martlet repair`.
struct RepairCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair",
        abstract: "Makes all replicas equal, and tells when they last were.",
        subcommands: [Run.self, Status.self]
    )

    /// `martlet repair run`.
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run",
            abstract: "Repairs everything, a keyspace or a table, and waits for the end.",
            discussion: """
                Nodes repair by themselves; this does it now. Each node compares the slices that it \
                is the first living replica of, and only rows that differ are sent. The exit code is \
                1 if a slice was not repaired by all its replicas, such as when a node is down.
                """
        )

        @Argument(help: "A keyspace, or a table as keyspace.table; without it, everything.")
        var scope: String?

        @OptionGroup var options: ClusterOptions

        func run() async throws {
            guard let scope = RepairScope(scope) else {
                throw ValidationError(
                    "'\(scope ?? "")' is no keyspace or table; give ml or ml.movies, say"
                )
            }
            let nodes = try await options.nodes()
            let progress = RepairProgress(isShown: options.format == .text && isatty(2) == 1)
            let survey = try await options.askEach(nodes) { node, client in
                try await Self.repair(scope, node, client, progress)
            }
            progress.end()
            let runs = survey.answers.map { (place: $0.node.place, run: $0.answer) }
            switch options.format {
            case .text:
                let report = RepairReport(
                    nodes: runs.map { .init(place: $0.place, slices: [], runs: [$0.run]) }
                )
                printLines(Array(report.runLines.dropFirst()))
            case .json:
                let json = JSONValue.object([
                    .init("runs", .array(runs.map { $0.run.json(place: $0.place) })),
                    .init("problems", .array(survey.problems.map(JSONValue.string))),
                ])
                printLines([json.description])
            }
            for problem in survey.problems { printNote("Error: \(problem)") }
            guard survey.problems.isEmpty, runs.allSatisfy({ $0.run.state == "finished" }) else {
                throw ExitCode.failure
            }
        }

        /// Begins the repair at a node, and waits for its end there.
        private static func repair(
            _ scope: RepairScope,
            _ node: NodeRow,
            _ client: MartletClient,
            _ progress: RepairProgress
        ) async throws -> RepairRunRow {
            let before = Set(try await client.repairRunRows().map(\.id))
            try await client.execute(scope.statement)
            while true {
                let runs = try await client.repairRunRows()
                // Without it the node was started anew, which ends all its runs.
                let own = runs.first { !before.contains($0.id) && scope.isScope(of: $0) }
                guard let own else {
                    throw MartletError(
                        .serverError,
                        "it forgot the repair, as a restart makes it: run it again",
                        outcome: .unknown
                    )
                }
                progress.update(own, at: node.place)
                guard own.isRunning else { return own }
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    /// `martlet repair status`.
    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status",
            abstract: "Shows each table's last repair, the repairs that run, and waiting hints.",
            discussion: "The exit code is 1 if a node could not be asked."
        )

        @OptionGroup var options: ClusterOptions

        func run() async throws {
            let survey = try await options.askEach(try await options.nodes()) { node, client in
                RepairReport.Node(
                    place: node.place,
                    slices: try await client.sliceRepairRows(),
                    runs: try await client.repairRunRows(),
                    hints: try await client.hintRows()
                )
            }
            let report = RepairReport(
                nodes: survey.answers.map(\.answer),
                problems: survey.problems
            )
            switch options.format {
            case .text: printLines(report.lines)
            case .json: printLines([report.json.description])
            }
            if !survey.problems.isEmpty { throw ExitCode.failure }
        }
    }
}
