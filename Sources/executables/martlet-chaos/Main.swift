internal import ArgumentParser
internal import Catalog
internal import Foundation
internal import HistoryChecking
internal import Martlet

/// Real processes under real faults, and a checker of all that their clients saw.
@main
struct MartletChaos: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-chaos",
        abstract: "Hurts a cluster of real nodes on this machine, and checks what its clients saw.",
        discussion: """
            Starts nodes on 127.0.0.1 and up, reads and writes at QUORUM, and meanwhile kills, pauses \
            and restarts processes and cuts, slows and resets the links between them. In the end \
            everything is healed, every key is read at ALL, and the history is held against what \
            QUORUM promises. The exit code is 1 if a promise is broken.
            """
    )

    @Option(help: "How many nodes: 3 to 9. Each row has three replicas.")
    var nodes = 3

    @Option(help: "How long faults go on, in seconds.")
    var seconds = 120

    @Option(help: "What faults and clients draw from; a random one if not given.")
    var seed: UInt64?

    @Option(help: "Operations per second, at the most.")
    var rate = 500

    @Option(
        help: "Where the nodes' addresses are on loopback: three numbers, the first of them 127."
    )
    var network = "127.0.0"

    @Option(help: "The folder that holds martletd; that of this program if not given.")
    var build: String?

    @Option(help: "The cluster's folder, which must not exist; a temporary one if not given.")
    var data: String?

    @Flag(help: "Ends no process, and demands that memory, handles and threads stay flat.")
    var soak = false

    @Flag(help: "Keeps the cluster's folder; without it, it is kept if a promise was broken.")
    var keep = false

    @Option(
        help: """
            The level that requests really have, while QUORUM is promised: with ONE, the checker must \
            find what is wrong.
            """
    )
    var sentLevel = "QUORUM"

    func validate() throws {
        guard (3...9).contains(nodes) else {
            throw ValidationError("--nodes is \(nodes): give 3 to 9")
        }
        guard (1...86_400).contains(seconds) else {
            throw ValidationError("--seconds is \(seconds): give 1 to 86400")
        }
        guard (1...10_000).contains(rate) else {
            throw ValidationError("--rate is \(rate): give 1 to 10000")
        }
        let numbers = network.split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count == 3, numbers.first == "127", numbers.allSatisfy({ UInt8($0) != nil })
        else { throw ValidationError("--network is \(network): give 127.0.1, say") }
        guard Consistency(rawValue: sentLevel) != nil else {
            throw ValidationError("--sent-level is \(sentLevel): give ONE or QUORUM, say")
        }
    }

    func run() async throws {
        let seed = seed ?? .random(in: 0..<1_000_000)
        let own = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        let program = (build.map { URL(fileURLWithPath: $0) } ?? own)
            .appendingPathComponent("martletd")
        guard FileManager.default.isExecutableFile(atPath: program.path) else {
            throw ValidationError("there is no \(program.path): build it, or give --build")
        }
        let folder =
            data.map { URL(fileURLWithPath: $0) }
            ?? FileManager.default.temporaryDirectory
            .appendingPathComponent("martlet-chaos-\(ProcessInfo.processInfo.processIdentifier)")
        guard !FileManager.default.fileExists(atPath: folder.path) else {
            throw ValidationError("\(folder.path) exists: give another --data, or delete it")
        }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        print("\(nodes) nodes for \(seconds) s, seed \(seed), in \(folder.path)")
        let cluster = try await ChaosCluster(
            size: nodes,
            network: network,
            folder: folder,
            program: program
        )
        let interruption = stopOnInterrupt(cluster)
        defer { interruption.forEach { $0.cancel() } }
        let violations: [String]
        do {
            violations = try await run(cluster, seed)
            await cluster.stop()
        } catch {
            await cluster.stop()
            print("the logs are in \(folder.path)")
            throw error
        }
        for violation in violations { print(violation) }
        if violations.isEmpty, !keep {
            try FileManager.default.removeItem(at: folder)
        } else {
            print("the logs and data are in \(folder.path)")
        }
        if !violations.isEmpty { throw ExitCode.failure }
    }

    private func stopOnInterrupt(_ cluster: ChaosCluster) -> [any DispatchSourceSignal] {
        [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler {
                Task {
                    await cluster.stop()
                    Foundation.exit(130)
                }
            }
            source.resume()
            return source
        }
    }

    private func run(_ cluster: ChaosCluster, _ seed: UInt64) async throws -> [String] {
        try await cluster.found()
        var configuration = ClientConfiguration(contactPoints: cluster.contactPoints)
        configuration.requestTimeout = .seconds(6)
        configuration.reconnectPauseMax = .seconds(1)
        let client = try await MartletClient.connect(configuration)
        let recorder = Recorder(level: .quorum)
        let workload = Workload(
            client: client,
            recorder: recorder,
            sentLevel: Consistency(rawValue: sentLevel) ?? .quorum,
            operationsPerSecond: rate,
            workers: min(32, rate)
        )
        try await workload.createTable(replicas: 3)
        let counts = Faults.Counts()
        let faults = Faults(cluster: cluster, kills: !soak, log: { _ in }, counts: counts)
        var flatness = Flatness(nodes: nodes)
        let load = Task { await workload.run(seed: seed) }
        let hurting = Task { try await faults.run(seed: seed) }
        let clock = ContinuousClock()
        let start = clock.now
        let isTerminal = isatty(2) == 1
        while clock.now < start + .seconds(seconds) {
            try await Task.sleep(for: .seconds(1))
            // One that ended by itself may be started again before the end.
            await cluster.checkDeaths()
            flatness.add(await cluster.samples())
            if isTerminal {
                let past = (clock.now - start).components.seconds
                let text = "\r\(recorder.count) operations, \(past) s"
                FileHandle.standardError.write(Data(text.utf8))
            }
        }
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        hurting.cancel()
        try await hurting.value
        let healed = recorder.now
        var violations = await cluster.deaths()
        try await cluster.heal()
        // Some load goes on while the cluster heals.
        try await Task.sleep(for: .seconds(2))
        load.cancel()
        await load.value
        var finals: [FinalRow] = []
        do {
            try await cluster.whole(within: .seconds(120))
            finals = try await finalRows(workload, within: .seconds(120))
        } catch {
            violations.append("it does not heal: \(error)")
        }
        violations = Array(Set(violations + (await cluster.deaths())))
        await client.close()
        violations += recorder.unexpected.map { "no fault explains the error: \($0)" }
        let history = recorder.history
        violations += Self.broken(recorder, finals).map(\.description)
        if soak { violations += flatness.problems }
        let report = ChaosReport(
            history: history,
            faults: counts.all,
            violations: violations,
            seconds: Double(seconds),
            healed: healed
        )
        for line in report.lines + (soak ? flatness.lines : []) { print(line) }
        return violations
    }

    /// All rows at ALL, once the logged batches whose coordinators died are replayed, or after a while.
    private func finalRows(
        _ workload: Workload,
        within limit: Duration
    ) async throws -> [FinalRow] {
        let clock = ContinuousClock()
        let deadline = clock.now + limit
        while true {
            let rows = try await workload.readAll(within: .seconds(30))
            let broken = Self.broken(workload.recorder, rows).map(\.invariant)
            guard broken.contains(.batchIsAtomic), clock.now < deadline else { return rows }
            try await Task.sleep(for: .seconds(5))
        }
    }

    /// The promises that are broken by what was recorded, and by what there is in the end.
    private static func broken(_ recorder: Recorder, _ finals: [FinalRow]) -> [Violation] {
        var rules = CheckingRules()
        rules.replicas = ReplicaCounts(["datacenter1": 3])
        rules.epochSeconds = recorder.epochSeconds
        rules.skewSeconds = 2
        var checker = HistoryChecker(recorder.history, rules)
        checker.checkReads()
        checker.checkFinal(
            finals,
            nowSeconds: recorder.epochSeconds + recorder.now / 1_000_000_000
        )
        return checker.violations
    }
}
