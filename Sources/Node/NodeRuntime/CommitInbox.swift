internal import NIOConcurrencyHelpers
internal import NIOCore
internal import RocksStorage
internal import Storage

/// Brings the outcomes of an event loop's writes back to it: one hop per commit of the writer.
///
/// All but `committed` is called on the loop.
final class CommitInbox: CommitSink {
    private final class Waiting {
        var next: UInt64 = 1
        var completions: [UInt64: (StorageError?) -> Void] = [:]
    }

    private let eventLoop: any EventLoop
    private let waiting: NIOLoopBound<Waiting>

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        waiting = NIOLoopBound(Waiting(), eventLoop: eventLoop)
    }

    /// A ticket for a batch, and what to do with its outcome.
    func expect(_ completion: @escaping (StorageError?) -> Void) -> UInt64 {
        let waiting = waiting.value
        let ticket = waiting.next
        waiting.next += 1
        waiting.completions[ticket] = completion
        return ticket
    }

    /// The batch was not taken: nothing will come.
    func forget(_ ticket: UInt64) { waiting.value.completions[ticket] = nil }

    func committed(_ outcomes: [CommitOutcome]) {
        eventLoop.execute { [waiting] in
            for outcome in outcomes {
                waiting.value.completions.removeValue(forKey: outcome.ticket)?(outcome.error)
            }
        }
    }
}
