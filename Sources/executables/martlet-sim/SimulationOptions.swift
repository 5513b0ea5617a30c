internal import ArgumentParser
internal import HistoryChecking
internal import NodeSimulation
internal import Simulation

/// What is put on trial.
enum ProgramKind: String, CaseIterable, ExpressibleByArgument {
    /// A Martlet node, as `martletd` runs it.
    case martlet
    /// The simulator's own small quorum store.
    case plain
}

extension Scenario: ExpressibleByArgument {}
extension StoreKind: ExpressibleByArgument {}
extension Mutant: ExpressibleByArgument {}

/// What all subcommands take.
struct SimulationOptions: ParsableArguments {
    @Option(help: "Which faults: \(Scenario.allCases.map(\.rawValue).joined(separator: ", ")).")
    var scenario = Scenario.everything

    @Option(help: "Operations of the clients in one run.")
    var operations = 200

    @Option(help: "The nodes' stores: model (fast) or rocks (RocksDB on a simulated disk).")
    var store = StoreKind.model

    @Option(help: "What is put on trial.")
    var program = ProgramKind.martlet

    func validate() throws {
        guard (1...1_000_000).contains(operations) else {
            throw ValidationError("--operations is \(operations): give 1 to 1,000,000")
        }
    }

    /// The options of the run of a seed.
    func run(seed: UInt64, mutant: Mutant? = nil, scenario: Scenario? = nil) -> RunOptions {
        RunOptions(
            seed: seed,
            scenario: scenario ?? self.scenario,
            operations: operations,
            store: store,
            mutant: mutant,
            makeProgram: program.make
        )
    }

    /// The command that runs a seed again.
    func command(seed: UInt64, mutant: Mutant? = nil, scenario: Scenario? = nil) -> String {
        "martlet-sim run --seed \(seed) --scenario \((scenario ?? self.scenario).rawValue) "
            + "--operations \(operations) --store \(store.rawValue) --program \(program.rawValue)"
            + (mutant.map { " --mutant \($0.rawValue)" } ?? "")
    }
}

extension ProgramKind {
    /// The program with a planted mistake, if any.
    func make(_ mutant: Mutant?) -> any SubjectProgram {
        switch self {
        case .martlet: NodeProgram(mutant: mutant)
        case .plain: PlainProgram(mutant: mutant)
        }
    }

    /// The mistakes that can be planted in it.
    var mutants: [Mutant] {
        switch self {
        case .martlet: Mutant.allCases
        case .plain: Mutant.plain
        }
    }
}

extension RunOptions {
    /// Runs it, and once more where that is asked for or something is broken: one seed must give
    /// one trace.
    func execute(checkingTrace: Bool = false) throws -> RunReport {
        var report = try Run(self).execute()
        guard checkingTrace || !report.violations.isEmpty else { return report }
        var again = self
        again.log = nil
        let second = try Run(again).execute()
        if second.trace != report.trace {
            let text =
                "the traces are \(report.trace) and \(second.trace): something depends on "
                + "more than the seed"
            report.violations.append(Violation(.runsAlike, text))
        }
        return report
    }
}
