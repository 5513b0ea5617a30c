import COnnxRuntime
import Foundation

/// Ends runs that take longer than they may.
///
/// One thread sleeps until the earliest deadline. With equal limits each later run ends later, so
/// that a run wakes the thread only if it slept without a deadline. `@unchecked Sendable`: all state
/// is guarded by `condition`.
final class RunWatchdog: @unchecked Sendable {
    private struct Watched {
        let deadline: UInt64
        let run: OpaquePointer
        var isEnded: Bool
    }

    private let condition = MonotonicCondition()
    private var watched: [UInt64: Watched] = [:]
    private var nextTicket: UInt64 = 0
    /// When the thread wakes by itself; nil: only by a signal.
    private var wakesAt: UInt64?
    private var isStopping = false

    init() {
        let thread = Thread { [self] in watch() }
        thread.name = "martlet-watchdog"
        thread.stackSize = 256 << 10
        thread.start()
    }

    /// Watches a run from now on.
    func arm(_ run: OpaquePointer, limit: Duration) -> UInt64 {
        let (deadline, overflows) =
            MonotonicCondition.now().addingReportingOverflow(limit.wholeNanoseconds)
        return condition.withLock {
            nextTicket += 1
            watched[nextTicket] = Watched(
                deadline: overflows ? .max : deadline,
                run: run,
                isEnded: false
            )
            if wakesAt.map({ deadline < $0 }) ?? true {
                wakesAt = deadline
                condition.signal()
            }
            return nextTicket
        }
    }

    /// Stops watching, after which the run may be freed; says whether it was ended.
    func disarm(_ ticket: UInt64) -> Bool {
        condition.withLock { watched.removeValue(forKey: ticket)?.isEnded ?? false }
    }

    /// Ends the thread.
    func stop() {
        condition.withLock {
            isStopping = true
            condition.signal()
        }
    }

    private func watch() {
        condition.withLock {
            while !isStopping {
                let now = MonotonicCondition.now()
                var earliest: UInt64?
                for (ticket, entry) in watched where !entry.isEnded {
                    if entry.deadline <= now {
                        martlet_ort_run_terminate(entry.run)
                        watched[ticket]?.isEnded = true
                    } else {
                        earliest = min(earliest ?? .max, entry.deadline)
                    }
                }
                wakesAt = earliest
                if let earliest { condition.wait(until: earliest) } else { condition.wait() }
            }
        }
    }
}
