internal import ArgumentParser
internal import Martlet

/// `martlet cql`.
struct CQLCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cql",
        abstract: "Executes one CQL statement and prints its rows."
    )

    @Argument(help: "The statement.")
    var statement: String

    @Option(help: "The consistency level.")
    var consistency = ConsistencyArgument(.localQuorum)

    @Option(help: "The keyspace of tables that are named without one.")
    var keyspace: String?

    @OptionGroup var options: ClusterOptions

    func run() async throws {
        let result = try await options.withClient {
            $0.keyspace = keyspace
        } _: { client in
            try await client.execute(statement, consistency: consistency.level)
        }
        for warning in result.warnings { printNote("Warning: \(warning)") }
        switch options.format {
        case .text: printLines(try lines(result))
        case .json: printLines([try json(result).description])
        }
    }

    private func lines(_ result: QueryResult) throws -> [String] {
        guard !result.columns.isEmpty else { return ["done"] }
        let numbers: Set = ["tinyint", "smallint", "int", "bigint", "float", "double"]
        var table = TextTable(
            result.columns.map { (numbers.contains($0.type) ? ">" : "") + $0.name }
        )
        for row in result {
            table.append(
                try result.columns.indices.map { plainText(try row.value(at: $0)) }
            )
        }
        let count = result.count == 1 ? "1 row" : "\(grouped(result.count)) rows"
        return table.lines + ["", "(\(count)\(result.hasMoreRows ? ", and more" : ""))"]
    }

    private func json(_ result: QueryResult) throws -> JSONValue {
        let rows = try result.map { row in
            JSONValue.object(
                try result.columns.enumerated().map { index, column in
                    JSONValue.Member(column.name, JSONValue(try row.value(at: index)))
                }
            )
        }
        var members: [JSONValue.Member] = [.init("rows", .array(rows))]
        if result.hasMoreRows { members.append(.init("has_more_rows", .boolean(true))) }
        if !result.customPayload.isEmpty {
            let payload = result.customPayload.sorted { $0.key < $1.key }.map { key, value in
                let text = String(validating: value, as: UTF8.self)
                return JSONValue.Member(key, .string(text ?? "0x" + hexadecimal(value)))
            }
            members.append(.init("custom_payload", .object(payload)))
        }
        return .object(members)
    }
}
