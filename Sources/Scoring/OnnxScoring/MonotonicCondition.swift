import Glibc

/// A lock with a condition whose waits end by the monotonic clock.
///
/// Foundation's condition waits for a wall-clock date, which jumps. `@unchecked Sendable`: both
/// halves are POSIX objects made for many threads, at addresses that never move.
final class MonotonicCondition: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        precondition(pthread_mutex_init(mutex, nil) == 0, "no mutex")
        precondition(pthread_condattr_init(&attributes) == 0, "no condition attributes")
        precondition(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0, "no clock")
        precondition(pthread_cond_init(condition, &attributes) == 0, "no condition")
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` with the lock held.
    func withLock<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Waits for a signal; the lock is held before and after.
    func wait() { pthread_cond_wait(condition, mutex) }

    /// Waits for a signal, but not beyond a moment of the monotonic clock.
    func wait(until nanoseconds: UInt64) {
        var moment = timespec()
        moment.tv_sec = Int(clamping: nanoseconds / 1_000_000_000)
        moment.tv_nsec = Int(nanoseconds % 1_000_000_000)
        pthread_cond_timedwait(condition, mutex, &moment)
    }

    /// Wakes one thread that waits.
    func signal() { pthread_cond_signal(condition) }

    /// Wakes all threads that wait.
    func broadcast() { pthread_cond_broadcast(condition) }

    /// The monotonic clock in nanoseconds.
    static func now() -> UInt64 {
        var moment = timespec()
        clock_gettime(CLOCK_MONOTONIC, &moment)
        return UInt64(moment.tv_sec) * 1_000_000_000 + UInt64(moment.tv_nsec)
    }
}

extension Duration {
    /// The duration in whole nanoseconds, at most some centuries and never negative.
    var wholeNanoseconds: UInt64 {
        let parts = components
        guard parts.seconds >= 0, parts.attoseconds >= 0 else { return 0 }
        let seconds = min(UInt64(parts.seconds), 9_000_000_000)
        return seconds * 1_000_000_000 + UInt64(parts.attoseconds) / 1_000_000_000
    }
}
