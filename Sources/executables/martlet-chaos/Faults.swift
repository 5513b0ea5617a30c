internal import NIOCore
internal import Simulation
internal import Synchronization

/// Hurts the processes and their links, one fault after the other in each of two lanes, so that
/// faults of both kinds meet.
struct Faults: Sendable {
    /// The kinds, with how often each comes relative to the others.
    enum Kind: String, CaseIterable, Sendable {
        case kill = "kill -9"
        case restart = "restart"
        case pause = "SIGSTOP"
        case killAll = "kill -9 of all"
        case isolate = "node cut off"
        case split = "split in halves"
        case bridge = "link cut"
        case oneWay = "link cut one way"
        case slow = "slow links"
        case reset = "connections reset"

        var isOfProcesses: Bool { Self.ofProcesses.contains(self) }

        static let ofProcesses: [Kind] = [.kill, .restart, .pause, .killAll]

        /// Whether no process ends by it.
        var keepsProcesses: Bool { !isOfProcesses || self == .pause }

        fileprivate var weight: Int {
            switch self {
            case .kill, .pause, .isolate, .split: 4
            case .restart, .bridge, .oneWay, .slow, .reset: 2
            case .killAll: 1
            }
        }
    }

    let cluster: ChaosCluster
    /// Whether processes may end.
    let kills: Bool
    let log: @Sendable (String) -> Void
    let counts: Counts

    /// How often each kind came.
    final class Counts: Sendable {
        private let counts = Mutex<[Kind: Int]>([:])

        func add(_ kind: Kind) { counts.withLock { $0[kind, default: 0] += 1 } }

        var all: [(kind: Kind, count: Int)] {
            counts.withLock { counts in Kind.allCases.map { ($0, counts[$0] ?? 0) } }
        }
    }

    /// Goes on until the task is cancelled.
    func run(seed: UInt64) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for isOfProcesses in [true, false] {
                group.addTask {
                    var random = SimulatedRandom(seed: seed)
                        .forked("faults", isOfProcesses ? 0 : 1)
                    let kinds = Kind.allCases.filter {
                        $0.isOfProcesses == isOfProcesses && (kills || $0.keepsProcesses)
                    }
                    while !Task.isCancelled {
                        try await wait(&random, 0.5...8)
                        let kind = random.pick(weighted: kinds.map { ($0, weight: $0.weight) })
                        counts.add(kind)
                        try await inject(kind, &random)
                    }
                }
            }
            do {
                try await group.waitForAll()
            } catch is CancellationError {}
        }
    }

    private func wait(_ random: inout SimulatedRandom, _ range: ClosedRange<Double>) async throws {
        try await Task.sleep(for: .seconds(random.fraction(in: range)))
    }

    private func inject(_ kind: Kind, _ random: inout SimulatedRandom) async throws {
        let victim = random.below(cluster.size)
        log("\(kind.rawValue)\(kind == .killAll || kind == .split ? "" : " of node \(victim + 1)")")
        switch kind {
        case .kill:
            await cluster.kill(victim)
            try await wait(&random, 0...10)
            try await cluster.start(victim)
        case .restart:
            await cluster.terminate(victim)
            try await wait(&random, 0...2)
            try await cluster.start(victim)
        case .pause:
            await cluster.pause(victim)
            try await wait(&random, 0.1...8)
            await cluster.resume(victim)
        case .killAll:
            for node in 0..<cluster.size { await cluster.kill(node) }
            try await wait(&random, 0...2)
            for node in 0..<cluster.size { try await cluster.start(node) }
        case .isolate, .split, .bridge, .oneWay, .slow:
            set(kind, victim, &random)
            try await wait(&random, 1...10)
            cluster.links.healAll()
        case .reset:
            cluster.links.reset(victim, random.chance(0.5) ? (victim + 1) % cluster.size : nil)
        }
    }

    private func set(_ kind: Kind, _ victim: Int, _ random: inout SimulatedRandom) {
        let size = cluster.size
        let cut = LinkFault(isCut: true)
        let neighbour = (victim + random.number(in: 1...size - 1)) % size
        // At least one node on either side.
        var isLeft = (0..<size).map { _ in random.chance(0.5) }
        isLeft[victim] = true
        isLeft[neighbour] = false
        let slow = LinkFault(delay: .milliseconds(random.number(in: Int64(5)...300)))
        for source in 0..<size {
            for target in 0..<size where source != target {
                switch kind {
                case .isolate where source == victim || target == victim,
                    .split where isLeft[source] != isLeft[target],
                    .bridge where [source, target].sorted() == [victim, neighbour].sorted(),
                    .oneWay where source == victim && target == neighbour:
                    cluster.links.set(cut, from: source, to: target)
                case .slow: cluster.links.set(slow, from: source, to: target)
                default: continue
                }
            }
        }
    }
}
