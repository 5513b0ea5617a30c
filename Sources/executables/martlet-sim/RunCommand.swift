internal import ArgumentParser
internal import Simulation

/// Runs one seed.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs one seed, twice if anything is broken."
    )

    @Option(help: "The seed.")
    var seed: UInt64

    @OptionGroup var options: SimulationOptions

    @Option(help: "A mistake to plant: \(Mutant.allCases.map(\.rawValue).joined(separator: ", ")).")
    var mutant: Mutant?

    @Flag(help: "Print the nodes' logs and the faults.")
    var verbose = false

    @Flag(help: "Run it twice in any case and compare the traces.")
    var twice = false

    func run() throws {
        var run = options.run(seed: seed, mutant: mutant)
        if verbose { run.log = { print($0) } }
        let report = try run.execute(checkingTrace: twice)
        print(report.line)
        guard !report.violations.isEmpty else { return }
        for violation in report.violations { print(violation) }
        print("again: \(options.command(seed: seed, mutant: mutant))")
        throw ExitCode(1)
    }
}
