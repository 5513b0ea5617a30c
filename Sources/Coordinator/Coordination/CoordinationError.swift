package import Catalog
internal import PeerMessages

/// What kind of write a failure belongs to, as drivers' retry policies see it.
package enum WriteType: String, Hashable, Sendable {
    case simple = "SIMPLE"
    case batch = "BATCH"
    case unloggedBatch = "UNLOGGED_BATCH"
    /// The log of a logged batch, before any of its writes.
    case batchLog = "BATCH_LOG"
}

/// How many answers a request got, and how many it needed.
package struct AnswerCount: Hashable, Sendable {
    /// The level that was asked for.
    package var consistency: ConsistencyLevel
    /// The replicas that answered.
    package var received: Int
    /// The replicas that had to.
    package var required: Int

    /// A count with all its parts.
    package init(consistency: ConsistencyLevel, received: Int, required: Int) {
        self.consistency = consistency
        self.received = received
        self.required = required
    }
}

/// Why a coordinated request failed; the kinds are Cassandra's, with its payloads.
package enum CoordinationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Too few replicas are alive: nothing was done.
    case unavailable(consistency: ConsistencyLevel, required: Int, alive: Int)
    /// Too few replicas acknowledged in time: the write may or may not have been done.
    case writeTimeout(AnswerCount, type: WriteType)
    /// Too few replicas answered in time.
    case readTimeout(AnswerCount, dataPresent: Bool)
    /// Replicas said that they could not write.
    case writeFailure(AnswerCount, failures: Int, type: WriteType, text: String)
    /// Replicas said that they could not read.
    case readFailure(AnswerCount, failures: Int, dataPresent: Bool, text: String)
    /// A bound is reached: nothing was done.
    case overloaded(String)
    /// The request cannot be done at all.
    case invalid(String)
    /// No replica can run the model.
    case scoringFailed(String)

    package var description: String {
        switch self {
        case .unavailable(let consistency, let required, let alive):
            "cannot achieve consistency level \(consistency): \(required) replicas required, \(alive) alive"
        case .writeTimeout(let count, let type):
            """
            the \(type.rawValue) write was not acknowledged in time: \(count.received) of \
            \(count.required) replicas at \(count.consistency); it may or may not have been done
            """
        case .readTimeout(let count, _):
            """
            the read was not answered in time: \(count.received) of \(count.required) replicas at \
            \(count.consistency)
            """
        case .writeFailure(let count, let failures, _, let text):
            """
            the write failed on \(failures) replicas (\(count.received) of \(count.required) \
            acknowledged at \(count.consistency)): \(text)
            """
        case .readFailure(let count, let failures, _, let text):
            """
            the read failed on \(failures) replicas (\(count.received) of \(count.required) \
            answered at \(count.consistency)): \(text)
            """
        case .overloaded(let text), .invalid(let text), .scoringFailed(let text): text
        }
    }
}

extension CoordinationError {
    /// The refusal of a level that only lightweight transactions can have.
    static func unsupported(_ consistency: ConsistencyLevel) -> CoordinationError {
        .invalid(
            """
            consistency level \(consistency) is not supported: lightweight transactions are not, \
            yet; use QUORUM or LOCAL_QUORUM
            """
        )
    }

    /// What a read or a scoring fails with, after the last replica that could be asked failed.
    init(_ failure: PeerFailure, _ count: AnswerCount, failures: Int, dataPresent: Bool) {
        self =
            switch failure.code {
            case .disconnected: .readTimeout(count, dataPresent: dataPresent)
            case .overloaded: .overloaded(failure.text)
            case .invalid: .invalid(failure.text)
            case .modelNotReady: .scoringFailed(failure.text)
            case .failed, .unknownTable, .unreadable, .tooOld:
                .readFailure(
                    count,
                    failures: failures,
                    dataPresent: dataPresent,
                    text: failure.text
                )
            }
    }
}
