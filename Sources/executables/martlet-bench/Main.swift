internal import ArgumentParser

/// The load generator: measures, and never judges.
@main
struct MartletBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-bench",
        abstract: "Loads a Martlet cluster, or another server beside it, and measures.",
        subcommands: [RunCommand.self]
    )
}
