internal import Catalog
internal import Foundation
internal import HistoryChecking
internal import Synchronization

/// Records what clients do and see, from many tasks.
final class Recorder: Sendable {
    private struct State {
        var history = History()
        var lastTimestamp: Int64 = 0
        var unexpected: [String] = []
    }

    /// The level that every operation is held against.
    let level: ConsistencyLevel
    private let state = Mutex(State())
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    /// The second since 1970 at which the recording began.
    let epochSeconds: Int64

    init(level: ConsistencyLevel) {
        self.level = level
        start = clock.now
        epochSeconds = Int64(Date().timeIntervalSince1970)
    }

    var now: Nanoseconds { Nanoseconds(clock.now - start) }

    /// What was recorded so far.
    var history: History { state.withLock { $0.history } }
    /// Errors that no fault explains.
    var unexpected: [String] { state.withLock { $0.unexpected } }
    var count: Int { state.withLock { $0.history.nextID } }

    /// An operation begins.
    ///
    /// - Parameters:
    ///   - client: who begins it.
    ///   - level: the level that it is held against, if not that of all others.
    ///   - request: makes what it asks for from its number and a timestamp that no other has.
    /// - Returns: the operation, to be ended.
    func begin(
        client: Int,
        level: ConsistencyLevel? = nil,
        _ request: (Int, Int64) -> ClientOperation.Request
    ) -> ClientOperation {
        state.withLock { state in
            let wall = Int64(Date().timeIntervalSince1970 * 1_000_000)
            state.lastTimestamp = max(state.lastTimestamp + 1, wall)
            let id = state.history.nextID
            let operation = ClientOperation(
                id: id,
                client: client,
                datacenter: "datacenter1",
                request: request(id, state.lastTimestamp),
                level: level ?? self.level,
                invoked: now
            )
            state.history.began(operation)
            return operation
        }
    }

    func end(
        _ operation: ClientOperation,
        _ outcome: OperationOutcome,
        rows: [Int: VisibleRow] = [:]
    ) {
        state.withLock { $0.history.ended(operation.id, at: now, outcome, rows: rows) }
    }

    /// Notes an error that no fault explains.
    func report(_ text: String) {
        state.withLock { state in
            if state.unexpected.count < 20 { state.unexpected.append(text) }
        }
    }
}

/// Foundation has an `Operation` of its own.
typealias ClientOperation = HistoryChecking.Operation
