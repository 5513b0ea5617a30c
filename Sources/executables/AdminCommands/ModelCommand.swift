internal import ArgumentParser
internal import Foundation
internal import Martlet

/// A model's name, which stands in a keyspace.
package struct ModelName: Hashable, Sendable, CustomStringConvertible {
    let keyspace: String
    let name: String

    /// The name that a text such as `ml.ranker` gives; nil unless it has two plain parts.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ isPlainIdentifier($0) }) else { return nil }
        keyspace = parts[0].lowercased()
        name = parts[1].lowercased()
    }

    package var description: String { "\(keyspace).\(name)" }
}

/// Whether a text needs no quotes as a name in CQL.
package func isPlainIdentifier(_ text: some StringProtocol) -> Bool {
    guard let first = text.utf8.first, !text.isEmpty, text.utf8.count <= 48 else { return false }
    let isLetter: (UInt8) -> Bool = { 0x61 <= $0 | 0x20 && $0 | 0x20 <= 0x7A }
    return isLetter(first)
        && text.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
}

/// A text as a literal of CQL.
package func quotedLiteral(_ text: String) -> String {
    let doubled = text.split(separator: "'", omittingEmptySubsequences: false)
    return "'" + doubled.joined(separator: "''") + "'"
}

/// The statement that creates a model or its next version from bytes.
package func createModelStatement(
    _ name: ModelName,
    signature: String?,
    sha256: String?
) -> String {
    var statement = "CREATE OR REPLACE MODEL \(name) FROM ?"
    let options = [("signature", signature), ("sha256", sha256)].compactMap { option, value in
        value.map { "\(option) = \(quotedLiteral($0))" }
    }
    if !options.isEmpty { statement += " WITH " + options.joined(separator: " AND ") }
    return statement
}

/// `martlet model`.
struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Deploys, lists and removes models.",
        subcommands: [Push.self, List.self, Remove.self]
    )

    static func parse(_ text: String) throws -> ModelName {
        guard let name = ModelName(text) else {
            throw ValidationError(
                "'\(text)' is no name of a model; give keyspace.name, such as ml.ranker"
            )
        }
        return name
    }

    /// `martlet model push`.
    struct Push: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "push",
            abstract: "Deploys an ONNX file as a model, or as its next version.",
            discussion: "Returns when every live node has loaded it."
        )

        @Argument(help: "The ONNX file.", completion: .file(extensions: ["onnx"]))
        var file: String

        @Option(help: "The model's name with its keyspace, such as ml.ranker.")
        var name: String

        @Option(help: "The signature, if it shall not be read from the file.")
        var signature: String?

        @Option(help: "The SHA-256 of the file, in hexadecimal; nodes refuse other bytes.")
        var sha256: String?

        @OptionGroup var options: ClusterOptions

        func run() async throws {
            let name = try ModelCommand.parse(name)
            let bytes: [UInt8]
            do {
                bytes = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
            } catch {
                throw ValidationError("\(file) cannot be read: \(error.localizedDescription)")
            }
            let statement = createModelStatement(name, signature: signature, sha256: sha256)
            let rows = try await options.withClient {
                // Every node loads the model before the answer comes.
                $0.requestTimeout = max($0.requestTimeout, .seconds(60))
            } _: { client in
                try await client.execute(statement, bytes)
                return try await client.modelRows()
            }
            let versions = rows.filter { $0.keyspace_name == name.keyspace && $0.name == name.name }
            guard let row = versions.first(where: { $0.current == true }) ?? versions.last else {
                throw ValidationError(
                    "\(name) was pushed, but the node that was asked does not list it yet"
                )
            }
            switch options.format {
            case .json: printLines([row.json.description])
            case .text:
                printLines([
                    "\(name) version \(row.version), \(byteText(bytes.count))",
                    "  sha256     \(row.sha256 ?? "?")",
                    "  signature  \(row.signature ?? "?")",
                ])
            }
        }
    }

    /// `martlet model list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "Lists the models and their versions; * marks the one in use."
        )

        @OptionGroup var options: ClusterOptions

        func run() async throws {
            let rows = try await options.withClient { try await $0.modelRows() }
            guard options.format == .text else {
                let models = JSONValue.array(rows.map(\.json))
                printLines([JSONValue.object([.init("models", models)]).description])
                return
            }
            var table = TextTable(["Model", ">Version", "", ">Size", "SHA-256", "Signature"])
            for row in rows {
                table.append([
                    "\(row.keyspace_name).\(row.name)",
                    String(row.version),
                    row.current == true ? "*" : "",
                    row.bytes.map { byteText(Int($0)) } ?? "?",
                    row.sha256.map { String($0.prefix(12)) } ?? "?",
                    row.signature ?? "?",
                ])
            }
            printLines(rows.isEmpty ? ["no models"] : table.lines)
        }
    }

    /// `martlet model remove`.
    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove",
            abstract: "Removes a model with all its versions."
        )

        @Argument(help: "The model's name with its keyspace.")
        var name: String

        @Flag(help: "Do not ask.")
        var yes = false

        @OptionGroup var options: ClusterOptions

        func run() async throws {
            let name = try ModelCommand.parse(name)
            if !yes {
                guard isatty(0) == 1 else {
                    throw ValidationError("nobody can be asked here; add --yes to remove \(name)")
                }
                print("Remove \(name) with all its versions? [y/N] ", terminator: "")
                fflush(nil)
                guard ["y", "yes"].contains(readLine()?.lowercased() ?? "") else {
                    throw CleanExit.message("nothing was removed")
                }
            }
            _ = try await options.withClient { try await $0.execute("DROP MODEL \(name)") }
            switch options.format {
            case .text: printLines(["\(name) is removed"])
            case .json:
                printLines([JSONValue.object([.init("removed", .string("\(name)"))]).description])
            }
        }
    }
}
