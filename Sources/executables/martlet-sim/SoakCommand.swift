internal import ArgumentParser
internal import HistoryChecking
internal import Simulation
internal import Synchronization

/// A range of seeds on the command line: `A..B`, both included.
struct SeedRange: ExpressibleByArgument {
    let first: UInt64
    let last: UInt64

    init(first: UInt64, last: UInt64) {
        self.first = first
        self.last = last
    }

    init?(argument: String) {
        let parts = argument.split(separator: ".", omittingEmptySubsequences: true)
        guard parts.count == 2, let first = UInt64(parts[0]), let last = UInt64(parts[1]),
            first <= last
        else { return nil }
        self.init(first: first, last: last)
    }

    var defaultValueDescription: String { "\(first)..\(last)" }
}

/// A span on the command line: `30s`, `10m`, `2h`.
struct SpanArgument: ExpressibleByArgument {
    let span: Duration

    init(_ span: Duration) { self.span = span }

    init?(argument: String) {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600]
        guard let unit = argument.last.flatMap({ units[$0] }),
            let count = Int(argument.dropLast()), count > 0
        else { return nil }
        span = .seconds(count * unit)
    }

    var defaultValueDescription: String { "\(span.components.seconds)s" }
}

/// Runs many seeds on several threads, until one of them breaks a promise.
struct SoakCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract: "Runs seeds until they or the time are used up, or a promise is broken."
    )

    @Option(help: "The seeds, as 1..1000.")
    var seeds = SeedRange(first: 1, last: 1_000_000_000)

    @Option(help: "The longest time, as 30s, 10m or 2h.")
    var time = SpanArgument(.seconds(600))

    @Option(help: "Runs at a time.")
    var jobs = 2

    @OptionGroup var options: SimulationOptions

    @Option(help: "Stop after so many seeds that broke a promise.")
    var failuresMax = 1

    /// What all jobs share.
    private final class Progress: Sendable {
        struct State {
            var next: UInt64
            var runs = 0
            var operations = 0
            var events = 0
            var failures: [(seed: UInt64, text: String)] = []
        }

        let state: Mutex<State>

        init(first: UInt64) { state = Mutex(State(next: first)) }
    }

    func validate() throws {
        guard (1...256).contains(jobs) else {
            throw ValidationError("--jobs is \(jobs): give 1 to 256")
        }
    }

    func run() async throws {
        let clock = ContinuousClock()
        let start = clock.now
        let deadline = start + time.span
        let progress = Progress(first: seeds.first)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<jobs {
                group.addTask { [self] in
                    while clock.now < deadline, try step(progress) {}
                }
            }
            try await group.waitForAll()
        }
        let seconds = (clock.now - start) / .seconds(1)
        let state = progress.state.withLock { $0 }
        for failure in state.failures.sorted(by: { $0.seed < $1.seed }) { print(failure.text) }
        print(
            "\(state.runs) seeds in \(Int(seconds)) s: "
                + "\(Int(Double(state.runs) * 60 / seconds)) seeds/min, "
                + "\(Int(Double(state.operations) / seconds)) operations/s, "
                + "\(Int(Double(state.events) / seconds)) events/s; "
                + "\(state.failures.count) failed"
        )
        if !state.failures.isEmpty { throw ExitCode(1) }
    }

    /// Runs the next seed; false if there is none.
    private func step(_ progress: Progress) throws -> Bool {
        let next: UInt64? = progress.state.withLock { state in
            guard state.failures.count < failuresMax, state.next <= seeds.last else { return nil }
            defer { state.next += 1 }
            return state.next
        }
        guard let seed = next else { return false }
        let report = try options.run(seed: seed).execute(checkingTrace: seed % 100 == 0)
        progress.state.withLock { state in
            state.runs += 1
            state.operations += report.operations.begun
            state.events += report.events
            guard !report.violations.isEmpty else { return }
            let lines =
                [report.line] + report.violations.map(\.description)
                + ["again: \(options.command(seed: seed))"]
            state.failures.append((seed, lines.joined(separator: "\n")))
        }
        return true
    }
}
