internal import Foundation
internal import Glibc
internal import Storage
internal import Synchronization

/// The one thread that writes: takes what waits in the queue and runs a ``CommitCycle`` over it.
///
/// `@unchecked Sendable`: what is not constant is touched on the writer thread only, but for
/// `firstFailure` (a mutex) and `thread` (set before the thread's creator shares this object).
final class Writer: @unchecked Sendable {
    let queue: WriteQueue

    private let path: String
    private let firstFailure = Mutex<StorageError?>(nil)
    private var thread = pthread_t()
    /// On the writer thread only.
    private var cycle: CommitCycle

    init(
        backend: RocksBackend,
        options: RocksOptions,
        acknowledgement: CommitCycle.Acknowledgement,
        observer: (any WriteObserver)?
    ) {
        path = options.path
        var settings = options.commitSettings
        settings.acknowledgement = acknowledgement
        cycle = CommitCycle(settings: settings, backend: backend, observer: observer)
        queue = WriteQueue(path: options.path, bounds: options.queueBounds)
    }

    /// Why nothing is written any more, or nil.
    var failure: StorageError? { firstFailure.withLock { $0 } }

    /// Whether this is the writer thread.
    var isCurrentThread: Bool { pthread_equal(thread, pthread_self()) != 0 }

    /// Starts the thread.
    func start() throws(StorageError) {
        let code = pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument else { return nil }
                let writer = Unmanaged<Writer>.fromOpaque(argument).takeRetainedValue()
                Thread.current.name = "martlet-writer"
                writer.run()
                return nil
            },
            Unmanaged.passRetained(self).toOpaque()
        )
        guard code == 0 else {
            Unmanaged.passUnretained(self).release()
            throw .fromRocks(
                "pthread_create: \(code)",
                operation: "start the writer thread",
                path: path
            )
        }
    }

    /// Commits what still waits, then ends the thread.
    func finish() {
        queue.close()
        pthread_join(thread, nil)
    }

    private func run() {
        while true {
            let groupBytesMax = cycle.settings.groupBytesMax
            switch queue.take(groupBytesMax: groupBytesMax, deadline: cycle.deadline) {
            case .group(let group):
                cycle.take(group)
                runRound()
            case .finished:
                cycle.finish()
                runRound()
                return
            }
        }
    }

    private func runRound() {
        while cycle.begin(now: Monitor.now) {
            cycle.perform(now: Monitor.now)
            // Known to all before anybody hears of it.
            if let failure = cycle.failure { firstFailure.withLock { $0 = failure } }
            cycle.end()
            for answer in cycle.takeAnswers() { answer.deliver() }
        }
    }
}
