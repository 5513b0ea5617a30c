internal import ArgumentParser
internal import HistoryChecking
internal import Simulation

/// Plants one mistake after the other and looks whether the checkers find it.
struct MutantsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mutants",
        abstract: "Proves the checkers: every planted mistake must be found within its seeds.",
        discussion: """
            A mistake counts as found only by a promise that it breaks: a run that finds others goes \
            on with the next seed.
            """
    )

    @OptionGroup var options: SimulationOptions

    @Option(help: "The first seed.")
    var seed: UInt64 = 1

    @Option(help: "One mistake only.")
    var mutant: Mutant?

    @Flag(help: "Only print the names of the mistakes, one a line.")
    var list = false

    func run() throws {
        let mutants = mutant.map { [$0] } ?? options.program.mutants
        guard !list else {
            for mutant in mutants { print(mutant.rawValue) }
            return
        }
        var isComplete = true
        for mutant in mutants {
            let (line, isFound) = try search(mutant)
            print(line)
            if !isFound { isComplete = false }
        }
        if !isComplete { throw ExitCode(1) }
    }

    /// Runs seeds until one finds the mistake.
    private func search(_ mutant: Mutant) throws -> (line: String, isFound: Bool) {
        var others: Set<Invariant> = []
        for count in 1...mutant.seedsMax {
            let run = options.run(
                seed: seed + UInt64(count - 1),
                mutant: mutant,
                scenario: mutant.scenario
            )
            // One run cannot tell whether it depends on more than its seed.
            let isTwice = mutant.invariants.contains(.runsAlike)
            let report = try isTwice ? run.execute(checkingTrace: true) : Run(run).execute()
            let found = report.violations.map(\.invariant)
            if let invariant = found.first(where: mutant.invariants.contains) {
                let line =
                    "\(mutant.rawValue): found after \(count) of \(mutant.seedsMax) seeds by: "
                    + invariant.rawValue
                return (line, true)
            }
            others.formUnion(found)
        }
        let promises = mutant.invariants.map(\.rawValue).sorted().joined(separator: ", or ")
        var line = "\(mutant.rawValue): NOT found within \(mutant.seedsMax) seeds by: \(promises)"
        if !others.isEmpty {
            line += " (but by: \(others.map(\.rawValue).sorted().joined(separator: ", ")))"
        }
        return (line, false)
    }
}
