internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NativeProtocol

/// A request from its submission to its one completion, which may come from any thread.
final class PendingRequest: Sendable {
    typealias Completion = @Sendable (Result<Frame, RequestFailure>) -> Void

    private enum State {
        /// Nobody waits yet. Exits: `waiting`, `finished`.
        case created
        /// Exits: `finished`.
        case waiting(Completion)
        /// Answered, failed or given up; what comes later is ignored. No exits.
        case finished
    }

    /// The whole frame; its stream is patched in when one is free.
    let frame: [UInt8]
    /// When the request is given up.
    let deadline: NIODeadline
    /// The time-out that the deadline comes from, for the error.
    let timeout: Duration

    private let state = NIOLockedValueBox(State.created)

    init(frame: [UInt8], timeout: Duration) {
        self.frame = frame
        self.timeout = timeout
        deadline = .now() + TimeAmount(timeout)
    }

    /// Whether nobody waits for an answer any more.
    var isFinished: Bool {
        state.withLockedValue { if case .finished = $0 { true } else { false } }
    }

    /// Sets who is told; false if the request was given up before.
    func wait(_ completion: @escaping Completion) -> Bool {
        state.withLockedValue { state in
            guard case .created = state else { return false }
            state = .waiting(completion)
            return true
        }
    }

    /// Tells the waiting task, the first time that it is called.
    func finish(_ result: Result<Frame, RequestFailure>) {
        let completion: Completion? = state.withLockedValue { state in
            defer { state = .finished }
            guard case .waiting(let completion) = state else { return nil }
            return completion
        }
        completion?(result)
    }
}
