internal import Foundation

/// One `martletd` on loopback: a process that is started, paused and killed.
final class ChaosNode {
    /// What goes wrong with a process.
    enum Failure: Error, CustomStringConvertible {
        case cannotStart(String)

        var description: String {
            switch self {
            case .cannotStart(let text): text
            }
        }
    }

    /// The node's place, from 0.
    let index: Int
    let address: String
    let folder: URL
    private let program: URL
    private var process: Process?
    private var isExpectedToRun = false
    private(set) var isPaused = false
    /// How often the process ended without being asked to.
    private(set) var deaths: [String] = []

    init(index: Int, address: String, folder: URL, program: URL) {
        self.index = index
        self.address = address
        self.folder = folder
        self.program = program
    }

    var place: String { "\(address):\(ChaosPorts.native)" }
    var logFile: URL { folder.appendingPathComponent("martletd.log") }
    var pid: Int32? { process.flatMap { $0.isRunning ? $0.processIdentifier : nil } }

    func start(arguments: [String] = []) throws {
        checkDeath()
        if !FileManager.default.fileExists(atPath: logFile.path) {
            try Data().write(to: logFile)
        }
        let log = try FileHandle(forWritingTo: logFile)
        try log.seekToEnd()
        let process = Process()
        process.executableURL = program
        process.arguments =
            ["--config", folder.appendingPathComponent("node.yaml").path] + arguments
        process.standardOutput = log
        process.standardError = log
        process.standardInput = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            throw Failure.cannotStart("\(program.path) cannot be started: \(error)")
        }
        try log.close()
        self.process = process
        isExpectedToRun = true
        isPaused = false
    }

    /// Ends the process: at once, or as an operator would; waits for the end.
    func stop(signal: Int32) {
        checkDeath()
        guard let process, process.isRunning else { return }
        isExpectedToRun = false
        if isPaused { kill(process.processIdentifier, SIGCONT) }
        kill(process.processIdentifier, signal)
        // Who is asked to end finishes what is under way, and on a loaded machine that takes long.
        let seconds = signal == SIGKILL ? 20 : 60
        let deadline = Date(timeIntervalSinceNow: TimeInterval(seconds))
        while process.isRunning, Date() < deadline { usleep(2000) }
        if process.isRunning {
            deaths.append(
                "node \(index + 1) did not end within \(seconds) s of signal \(signal)"
            )
            kill(process.processIdentifier, SIGKILL)
        }
        process.waitUntilExit()
        self.process = nil
        isPaused = false
    }

    func pause() {
        guard let pid else { return }
        isPaused = true
        kill(pid, SIGSTOP)
    }

    func resume() {
        guard let pid, isPaused else { return }
        isPaused = false
        kill(pid, SIGCONT)
    }

    /// Notes a process that ended by itself, and forgets it.
    func checkDeath() {
        guard isExpectedToRun, let process, !process.isRunning else { return }
        isExpectedToRun = false
        self.process = nil
        let kind = process.terminationReason == .uncaughtSignal ? "signal" : "exit code"
        let log = (try? String(contentsOf: logFile, encoding: .utf8)) ?? ""
        let end = log.split(separator: "\n").suffix(15).map { "      | \($0)" }
        deaths.append(
            """
            node \(index + 1) ended by itself (\(kind) \(process.terminationStatus)); the end of \
            \(logFile.path):
            \(end.joined(separator: "\n"))
            """
        )
    }
}

/// The ports of all nodes; each has an address of its own.
enum ChaosPorts {
    static let native = 19_142
    static let internode = 17_100
    /// Where other nodes reach a node: the proxy's.
    static let advertised = 17_101
}
