internal import ArgumentParser
internal import HistoryChecking
internal import Simulation

/// Plants one mistake after the other and looks whether the checkers find it.
struct MutantsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mutants",
        abstract: "Proves the checkers: every planted mistake must be found within its seeds."
    )

    @OptionGroup var options: SimulationOptions

    @Option(help: "The first seed.")
    var seed: UInt64 = 1

    @Option(help: "One mistake only.")
    var mutant: Mutant?

    func run() throws {
        var isComplete = true
        for mutant in mutant.map({ [$0] }) ?? options.program.mutants {
            var found: RunReport?
            var count = 0
            while found == nil, count < mutant.seedsMax {
                let run = options.run(
                    seed: seed + UInt64(count),
                    mutant: mutant,
                    scenario: mutant.scenario
                )
                let report = try Run(run).execute()
                if !report.violations.isEmpty { found = report }
                count += 1
            }
            if let found, let violation = found.violations.first {
                print(
                    "\(mutant.rawValue): found after \(count) of \(mutant.seedsMax) seeds: "
                        + violation.invariant.rawValue
                )
            } else {
                isComplete = false
                print("\(mutant.rawValue): NOT found within \(mutant.seedsMax) seeds")
            }
        }
        if !isComplete { throw ExitCode(1) }
    }
}
