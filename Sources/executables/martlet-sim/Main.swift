internal import ArgumentParser

/// The simulator: whole clusters in virtual time, with faults, from one seed.
@main
struct MartletSim: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-sim",
        abstract: "Runs clusters under a simulated clock, network and disk, and checks them.",
        subcommands: [RunCommand.self, SoakCommand.self, MutantsCommand.self]
    )
}
