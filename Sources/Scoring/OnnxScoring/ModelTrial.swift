import Foundation
import Glibc

/// Tries a model in a child process, before a node relies on it.
///
/// A hostile or broken file may crash the engine, or take all memory or time: then only the child
/// ends. The node starts its own executable with hidden arguments; the child limits itself first
/// thing, and answers by one line on its standard output.
package enum ModelTrial {
    /// What begins the child's answer; the engine may write other lines.
    private static let answerMark = "martlet-trial: "
    private static let passed = "passed"

    /// Runs a trial and waits for its end: blocks the thread for as long as the limit says.
    ///
    /// - Parameters:
    ///   - executable: the path of the program whose main calls ``childMain(_:)``.
    ///   - arguments: what makes it do so, such as `["trial-model"]`; the trial's own follow.
    ///   - request: the model, its signature and the limits.
    /// - Throws: ``TrialError`` unless the model passed.
    package static func runInChild(
        executable: String,
        arguments: [String],
        request: TrialRequest
    ) throws(TrialError) {
        let outcome = try ChildProcess.run(
            executable: executable,
            arguments: arguments + request.arguments,
            environment: ["ORT_DISABLE_TELEMETRY": "1"],
            outputBytesMax: 64 << 10,
            timeLimit: request.limits.timeLimit
        )
        let answer = outcome.output.split(separator: "\n").last { $0.hasPrefix(answerMark) }
            .map { $0.dropFirst(answerMark.count) }
        switch (outcome.end, answer) {
        case (.killed, _): throw .timedOut(limit: request.limits.timeLimit)
        case (.signal(SIGXCPU), _): throw .timedOut(limit: request.limits.timeLimit)
        case (.signal(let number), _): throw .crashed(signal: number)
        case (.exit(0), passed?): return
        case (.exit, let answer?) where answer != passed: throw .failed(String(answer))
        case (.exit(let code), _):
            throw .notHeld(
                "the child process ended with code \(code) and without an answer: "
                    + String(outcome.output.suffix(300))
            )
        }
    }

    /// The child's whole life; returns its exit code.
    ///
    /// Call it first thing in main, before any thread, with the arguments that follow `trial-model`.
    package static func childMain(_ arguments: [String]) -> Int32 {
        guard let request = TrialRequest(arguments: arguments) else {
            FileHandle.standardError.write(Data("the trial's arguments cannot be read\n".utf8))
            return 64
        }
        OnnxEngine.prepareEnvironment()
        setLimits(request.limits)
        do throws(TrialError) {
            try hold(request)
            answer(passed)
            return 0
        } catch {
            if case .failed(let reason) = error {
                answer(reason)
                return 1
            }
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            return 2
        }
    }

    private static func hold(_ request: TrialRequest) throws(TrialError) {
        guard let data = FileManager.default.contents(atPath: request.modelPath) else {
            throw .notHeld("\(request.modelPath) cannot be read")
        }
        let engine: OnnxEngine
        do throws(OnnxError) {
            engine = try OnnxEngine(
                libraryPaths: request.libraryPaths,
                arenaBytesMax: request.limits.arenaBytesMax
            )
        } catch { throw .notHeld("\(error)") }
        try TrialRun.hold(
            [UInt8](data),
            signature: request.signature,
            engine: engine,
            limits: request.limits
        )
    }

    private static func answer(_ text: String) {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        FileHandle.standardOutput.write(Data("\(answerMark)\(line.prefix(2000))\n".utf8))
    }

    /// Limits this process for good: memory, processor time, no core file, no new files.
    private static func setLimits(_ limits: TrialLimits) {
        let seconds = limits.timeLimit.wholeNanoseconds / 1_000_000_000 + 1
        set(RLIMIT_AS, to: UInt64(max(0, limits.addressSpaceBytesMax)))
        set(RLIMIT_CPU, to: seconds)
        set(RLIMIT_CORE, to: 0)
        set(RLIMIT_FSIZE, to: 0)
    }

    private static func set(_ resource: __rlimit_resource, to value: UInt64) {
        var limit = rlimit()
        limit.rlim_cur = rlim_t(value)
        limit.rlim_max = rlim_t(value)
        setrlimit(__rlimit_resource_t(resource.rawValue), &limit)
    }
}
