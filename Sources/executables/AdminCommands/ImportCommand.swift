internal import ArgumentParser
internal import Foundation
internal import Martlet

extension TimestampUnit: ExpressibleByArgument {}

/// `martlet import`.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Writes the rows of a CSV file into a table.",
        discussion: """
            The first line names the columns. Fields are separated by commas; quotes, doubled \
            quotes and line ends inside quotes are read as RFC 4180 has them. A vector or list is \
            a JSON array, a blob hexadecimal. An import that was interrupted goes on where it \
            stopped: its progress stands in FILE.martlet-progress until it is done.
            """
    )

    @Argument(help: "The CSV file.", completion: .file(extensions: ["csv"]))
    var file: String

    @Option(help: "The table with its keyspace, such as ml.movies.")
    var table: String

    @Option(help: "The column with the time of the event, which becomes the write timestamp.")
    var timestampColumn: String?

    @Option(help: "The unit of that column: s, ms or us.")
    var timestampUnit = TimestampUnit.milliseconds

    @Option(help: "The consistency level of the writes.")
    var consistency = ConsistencyArgument(.quorum)

    @Option(help: "The most rows that are written at once.")
    var concurrency = 256

    @Flag(inversion: .prefixedNo, help: "Go on where an interrupted import stopped.")
    var resume = true

    @Option(help: "Where the progress is kept (default: FILE.martlet-progress).")
    var progressFile: String?

    @Option(help: "The text that stands for null unless it is quoted.")
    var null = ""

    @Option(help: "How many bad rows are passed over before the import stops.")
    var maxErrors = 0

    @OptionGroup var options: ClusterOptions

    func validate() throws {
        guard (1...10_000).contains(concurrency) else {
            throw ValidationError("--concurrency is \(concurrency), it must be 1 to 10000")
        }
        guard maxErrors >= 0 else {
            throw ValidationError("--max-errors is \(maxErrors), it must not be negative")
        }
        guard ModelName(table) != nil else {
            throw ValidationError("--table is '\(table)'; give keyspace.table, such as ml.movies")
        }
    }

    func run() async throws {
        guard let name = ModelName(table) else { return }
        guard FileManager.default.isReadableFile(atPath: file) else {
            throw ValidationError("\(file) does not exist or cannot be read")
        }
        let settings = Importer.Settings(
            file: file,
            keyspace: name.keyspace,
            table: name.name,
            timestampColumn: timestampColumn,
            timestampUnit: timestampUnit,
            consistency: consistency.level,
            concurrency: concurrency,
            resumes: resume,
            progressFile: progressFile ?? file + ".martlet-progress",
            null: null,
            errorsMax: maxErrors
        )
        let isTerminal = options.format == .text && isatty(2) == 1 && isatty(1) == 1
        let shortName = URL(fileURLWithPath: file).lastPathComponent
        let reporter = ImportReporter(name: shortName, isTerminal: isTerminal)
        let summary = try await options.withClient { client in
            try await Importer(settings: settings, client: client, reporter: reporter).run()
        }
        let written = summary.rows - summary.resumedAt
        guard isTerminal else {
            let line = JSONValue.object([
                .init("file", .string(shortName)),
                .init("done", .boolean(true)),
                .init("rows", .integer(Int64(summary.rows))),
                .init("resumed_at", .integer(Int64(summary.resumedAt))),
                .init("rejected", .integer(Int64(summary.rejected))),
                .init("seconds", .number((summary.seconds * 1000).rounded() / 1000)),
                .init("rows_per_second", .integer(Int64(summary.rowsPerSecond))),
            ])
            printLines([line.description])
            return
        }
        let rejected = summary.rejected > 0 ? ", \(grouped(summary.rejected)) rejected" : ""
        printLines([
            "\(shortName): \(grouped(written)) rows in "
                + String(format: "%.1f s", summary.seconds)
                + " (\(grouped(Int(summary.rowsPerSecond))) rows/s)\(rejected)"
        ])
    }
}
