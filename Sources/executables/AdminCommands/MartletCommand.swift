package import ArgumentParser

/// The command `martlet`, with all that an administrator asks of a cluster.
package struct MartletCommand: AsyncParsableCommand {
    /// Name, help and subcommands.
    package static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Looks after a Martlet cluster: its nodes, its data and its models.",
        discussion: """
            Every subcommand takes --contact-points (one node that answers is enough) and \
            --format text|json.
            """,
        subcommands: [
            StatusCommand.self, RingCommand.self, RepairCommand.self, ImportCommand.self,
            ModelCommand.self, CQLCommand.self,
        ]
    )

    /// The command without a subcommand, which prints the help.
    package init() {}
}
