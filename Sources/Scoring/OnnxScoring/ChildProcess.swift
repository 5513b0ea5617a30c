import COnnxRuntime
import Foundation
import Glibc

/// Runs a program to its end within a time limit, and keeps what it wrote.
///
/// It is spawned, not forked, so that a process of many threads may do it; it inherits no file but
/// the standard ones.
enum ChildProcess {
    /// How the program ended.
    enum End: Equatable {
        case exit(Int32)
        case signal(Int32)
        /// It was killed for the time limit.
        case killed
    }

    static func run(
        executable: String,
        arguments: [String],
        environment: [String: String],
        outputBytesMax: Int,
        timeLimit: Duration
    ) throws(TrialError) -> (end: End, output: String) {
        let deadline = MonotonicCondition.now().addingReportingOverflow(timeLimit.wholeNanoseconds)
            .partialValue
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let words = ([executable] + arguments).map { strdup($0) } + [nil]
        let settings =
            variables.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in words + settings { free(pointer) } }
        var process: Int32 = 0
        var output: Int32 = -1
        let code = martlet_spawn(executable, words, settings, &process, &output)
        guard code == 0 else {
            throw .notHeld("\(executable) cannot be started: \(String(cString: strerror(code)))")
        }
        defer { close(output) }
        let text = read(output, atMost: outputBytesMax, until: deadline)
        let end = wait(for: process, until: deadline)
        return (end, text)
    }

    /// Reads until the other end is closed, the bound is reached or the time is up; what is above
    /// the bound is read and dropped.
    private static func read(_ file: Int32, atMost limit: Int, until deadline: UInt64) -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let left = millisecondsLeft(until: deadline)
            guard left > 0 else { break }
            var request = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
            guard poll(&request, 1, left) >= 0 || errno == EINTR else { break }
            guard request.revents != 0 else { continue }
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += chunk[..<min(count, max(0, limit - bytes.count))]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Waits for the end of the program, and kills it when the time is up.
    private static func wait(for process: pid_t, until deadline: UInt64) -> End {
        var status: Int32 = 0
        var wasKilled = false
        while true {
            let ended = waitpid(process, &status, wasKilled ? 0 : WNOHANG)
            if ended == process { break }
            if ended < 0, errno != EINTR { return .signal(0) }
            if wasKilled { continue }
            if millisecondsLeft(until: deadline) == 0 {
                kill(process, SIGKILL)
                wasKilled = true
            } else {
                usleep(1000)
            }
        }
        let signal = status & 0x7F
        if signal == 0 { return .exit(status >> 8 & 0xFF) }
        return wasKilled && signal == SIGKILL ? .killed : .signal(signal)
    }

    private static func millisecondsLeft(until deadline: UInt64) -> Int32 {
        let now = MonotonicCondition.now()
        guard deadline > now else { return 0 }
        return Int32(clamping: (deadline - now + 999_999) / 1_000_000)
    }
}
