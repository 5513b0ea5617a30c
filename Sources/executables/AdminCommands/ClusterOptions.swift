internal import ArgumentParser
internal import Martlet

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
}

/// A consistency level as an option names it, in any case.
struct ConsistencyArgument: ExpressibleByArgument {
    let level: Consistency

    init(_ level: Consistency) { self.level = level }

    init?(argument: String) {
        guard let level = Consistency(rawValue: argument.uppercased()) else { return nil }
        self.level = level
    }

    var defaultValueDescription: String { level.rawValue }

    static var allValueStrings: [String] { Consistency.allCases.map(\.rawValue) }
}

/// The options that every subcommand has.
struct ClusterOptions: ParsableArguments {
    @Option(help: "Nodes to ask, as host or host:port, separated by commas.")
    var contactPoints = "127.0.0.1:9042"

    @Option(help: "How results are printed: text or json.")
    var format = OutputFormat.text

    @Option(help: "How long a request may take, in seconds.")
    var timeoutSeconds = 10.0

    /// The configuration of a client that does what the options say.
    var configuration: ClientConfiguration {
        let points = contactPoints.split(separator: ",").map {
            String($0.drop(while: \.isWhitespace))
        }
        var configuration = ClientConfiguration(contactPoints: points)
        configuration.requestTimeout = .seconds(timeoutSeconds)
        return configuration
    }

    /// Runs `body` with a client, and closes it.
    func withClient<Result>(
        _ change: (inout ClientConfiguration) -> Void = { _ in },
        _ body: (MartletClient) async throws -> Result
    ) async throws -> Result {
        var configuration = configuration
        change(&configuration)
        let client = try await MartletClient.connect(configuration)
        do {
            let result = try await body(client)
            await client.close()
            return result
        } catch {
            await client.close()
            throw error
        }
    }
}
