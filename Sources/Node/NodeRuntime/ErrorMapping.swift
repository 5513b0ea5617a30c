internal import CQL
internal import Catalog
internal import ClusterLog
internal import Coordination
internal import NativeProtocol

/// How this node's errors look on the wire: the only place that says so.
extension ErrorResponse {
    /// The response for what is wrong with a statement or its values.
    init(_ error: CQLError) {
        switch error {
        case .syntax: self.init(.syntaxError, "\(error)")
        case .invalid: self.init(.invalid, "\(error)")
        case .configuration: self.init(.configurationError, "\(error)")
        case .alreadyExists(let keyspace, let table):
            self.init(.alreadyExists(keyspace: keyspace, table: table), "\(error)")
        }
    }

    /// The response for a request that its replicas did not answer as they had to.
    init(_ error: CoordinationError) {
        let text = "\(error)"
        switch error {
        case .unavailable(let consistency, let required, let alive):
            self.init(
                .unavailable(consistency, required: Int32(required), alive: Int32(alive)),
                text
            )
        case .writeTimeout(let count, let type):
            self.init(
                .writeTimeout(
                    count.consistency,
                    received: Int32(count.received),
                    blockFor: Int32(count.required),
                    NativeProtocol.WriteType(rawValue: type.rawValue)
                ),
                text
            )
        case .readTimeout(let count, let dataPresent):
            self.init(
                .readTimeout(
                    count.consistency,
                    received: Int32(count.received),
                    blockFor: Int32(count.required),
                    dataPresent: dataPresent
                ),
                text
            )
        case .writeFailure(let count, let failures, let type, _):
            self.init(
                .writeFailure(
                    count.consistency,
                    received: Int32(count.received),
                    blockFor: Int32(count.required),
                    failures: Int32(failures),
                    NativeProtocol.WriteType(rawValue: type.rawValue)
                ),
                text
            )
        case .readFailure(let count, let failures, let dataPresent, _):
            self.init(
                .readFailure(
                    count.consistency,
                    received: Int32(count.received),
                    blockFor: Int32(count.required),
                    failures: Int32(failures),
                    dataPresent: dataPresent
                ),
                text
            )
        case .overloaded: self.init(.overloaded, text)
        case .invalid: self.init(.invalid, text)
        case .scoringFailed: self.init(.serverError, text)
        }
    }

    /// The response for rows that cannot be answered.
    init(_ error: RowWritingError) {
        switch error {
        case .row(let error): self.init(.serverError, "a stored row cannot be read: \(error)")
        case .tooLong(let limit): self = .answerTooLong(limit: limit)
        }
    }

    /// The response for a change that the cluster log refused.
    init(_ error: ClusterChangeError) {
        switch error {
        case .alreadyExists(let keyspace, let table):
            self.init(.alreadyExists(keyspace: keyspace, table: table), "\(error)")
        case .notFound, .invalid: self.init(.invalid, "\(error)")
        case .undecided: self.init(.serverError, "\(error)")
        }
    }
}
