import HistoryChecking
import Simulation
import Storage
import Testing

struct RunTests {
    private func report(
        _ seed: UInt64,
        _ scenario: Scenario,
        mutant: Mutant? = nil,
        store: StoreKind = .model,
        operations: Int = 100
    ) throws -> RunReport {
        let options = RunOptions(
            seed: seed,
            scenario: scenario,
            operations: operations,
            store: store,
            mutant: mutant,
            makeProgram: { PlainProgram(mutant: $0) }
        )
        return try Run(options).execute()
    }

    @Test(arguments: Scenario.allCases)
    func `a plain quorum store keeps its promises`(_ scenario: Scenario) throws {
        for seed in UInt64(1)...4 {
            let report = try report(seed, scenario)
            #expect(report.violations.isEmpty, "seed \(seed): \(report.violations)")
            #expect(report.operations.done > 0)
        }
    }

    @Test func `the same seed gives the same trace, another one another`() throws {
        let first = try report(5, .everything)
        let second = try report(5, .everything)
        let other = try report(6, .everything)
        #expect(first.trace == second.trace)
        #expect(first.events == second.events)
        #expect(first.trace != other.trace)
    }

    @Test func `RocksDB on a simulated disk keeps them too`() throws {
        for seed in UInt64(1)...3 {
            let report = try report(seed, .crashRecover, store: .rocks, operations: 60)
            #expect(report.violations.isEmpty, "seed \(seed): \(report.violations)")
        }
    }

    @Test(arguments: Mutant.plain.filter { !$0.invariants.contains(.runsAlike) })
    func `a planted mistake is found by a promise that it breaks`(_ mutant: Mutant) throws {
        var isFound = false
        for seed in 1...UInt64(mutant.seedsMax) where !isFound {
            let report = try report(seed, mutant.scenario, mutant: mutant, operations: 200)
            isFound = report.violations.contains { mutant.invariants.contains($0.invariant) }
        }
        #expect(isFound)
    }

    @Test func `random numbers that no seed decides change the trace`() throws {
        let reports = try (0..<2).map { _ in try report(3, .calm, mutant: .unseededRandom) }
        #expect(reports[0].trace != reports[1].trace)
    }

    @Test func `every promise has a planted mistake that breaks it`() {
        let broken = Mutant.allCases.reduce(into: Set<Invariant>()) { $0.formUnion($1.invariants) }
        #expect(broken == Set(Invariant.allCases))
        #expect(Mutant.allCases.allSatisfy { !$0.invariants.isEmpty && $0.seedsMax > 0 })
    }

    @Test func `faults strike where the scenario has them, and nowhere else`() throws {
        let calm = try report(1, .calm)
        #expect(calm.faultCount == 0)
        #expect(calm.faults == "no faults")
        let crashes = try (UInt64(1)...3).map { try report($0, .crashRecover).faultCount }
        #expect(crashes.reduce(0, +) > 0)
    }

    @Test func `nodes lose their hints before a start, where disks fail`() throws {
        func losses(_ scenario: Scenario) throws -> Int {
            let disks = LossyProgram.Disks()
            for seed in UInt64(1)...20 {
                var options = RunOptions(seed: seed, scenario: scenario, operations: 100) { _ in
                    LossyProgram(disks: disks)
                }
                // Nobody takes its hints.
                options.quiesceTime = .seconds(1)
                _ = try Run(options).execute()
            }
            return disks.losses
        }
        #expect(try losses(.diskFaults) > 0)
        #expect(try losses(.crashRecover) == 0)
    }
}

/// The plain store as a program that has hints: one for nobody, on every disk from the start.
private struct LossyProgram: SubjectProgram {
    final class Disks {
        var losses = 0
    }

    let disks: Disks
    private let plain = PlainProgram()

    init(disks: Disks) { self.disks = disks }

    var features: SubjectFeatures { .any }

    func prepareDisk(
        _ store: any StoreBackend,
        node: Int,
        setup: ClusterSetup,
        isReplacement: Bool,
        survivors: [any StoreBackend]
    ) throws {
        var writes = StoreWrites()
        writes.putHint([1], for: [2])
        try store.write([writes], synced: true)
    }

    func loseHints(in store: any StoreBackend, nowSeconds: Int64) throws -> Bool {
        disks.losses += 1
        return true
    }

    func makeSubject(_ context: SubjectContext) throws -> any Subject {
        try plain.makeSubject(context)
    }
}
