internal import Catalog
internal import NativeProtocol

/// Why a connection gave no answer to a request.
enum RequestFailure: Error, Hashable, Sendable {
    /// The request never left this process: the connection was closed, or closing.
    case notSent(String)
    /// The connection ended after the request was sent.
    case lost(String)
    /// No answer came in time.
    case timedOut(after: Duration, wasSent: Bool)
    /// The connection has as many requests as it may have.
    case queueFull(limit: Int)
    /// The answer could not be understood.
    case protocolViolation(String)
    /// The request does not fit the protocol or its limits; it was not sent.
    case unencodable(String)
    /// The caller's task was cancelled.
    case cancelled
}

/// What the errors of the protocol, of a connection and of this client become: here, and nowhere
/// else, is said which of them leave the outcome of a write unknown.
extension MartletError {
    /// The error for an ERROR message.
    init(_ error: ErrorResponse, node: String, isRead: Bool) {
        var required: Int?
        var received: Int?
        let code: Code
        var outcome = Outcome.notDone
        switch error.detail {
        case .serverError:
            code = .serverError
            outcome = .unknown
        case .protocolError: code = .protocolViolation
        case .badCredentials, .unauthorized: code = .unauthorized
        case .unavailable(_, let needed, let alive):
            code = .unavailable
            (required, received) = (Int(needed), Int(alive))
        case .overloaded: code = .overloaded
        case .bootstrapping: code = .bootstrapping
        case .truncateError:
            code = .serverError
            outcome = .unknown
        case .writeTimeout(_, let got, let needed, _):
            code = .writeTimeout
            outcome = .unknown
            (required, received) = (Int(needed), Int(got))
        case .readTimeout(_, let got, let needed, _):
            code = .readTimeout
            outcome = .unknown
            (required, received) = (Int(needed), Int(got))
        case .readFailure(_, let got, let needed, _, _):
            code = .readFailure
            outcome = .unknown
            (required, received) = (Int(needed), Int(got))
        case .writeFailure(_, let got, let needed, _, _):
            code = .writeFailure
            outcome = .unknown
            (required, received) = (Int(needed), Int(got))
        case .functionFailure: code = .functionFailure
        case .syntaxError: code = .syntax
        case .invalid, .unprepared: code = .invalid
        case .configurationError: code = .configuration
        case .alreadyExists: code = .alreadyExists
        case .unknown(let number):
            code = Code(description: "code\(number)")
            outcome = .unknown
        }
        self.init(code, error.message, node: node, outcome: isRead ? .notApplicable : outcome)
        requiredReplicas = required
        receivedReplicas = received
    }

    /// The error for a request that got no answer.
    init(_ failure: RequestFailure, node: String, isRead: Bool) {
        let code: Code
        let message: String
        var outcome = Outcome.notDone
        switch failure {
        case .notSent(let reason):
            code = .connectionFailed
            message = reason
        case .lost(let reason):
            code = .connectionLost
            message = reason
            outcome = .unknown
        case .timedOut(let limit, let wasSent):
            code = .requestTimedOut
            message =
                wasSent
                ? "no answer came within \(limit)"
                : "no stream of the connection was free within \(limit)"
            if wasSent { outcome = .unknown }
        case .queueFull(let limit):
            code = .clientOverloaded
            message = """
                \(limit) requests are under way or waiting on the connection, the limit; send \
                fewer at once, or raise requestsQueuedMax or connectionsPerNode
                """
        case .protocolViolation(let reason):
            code = .protocolViolation
            message = reason
            outcome = .unknown
        case .unencodable(let reason):
            code = .invalid
            message = reason
        case .cancelled:
            code = .closed
            message = "the task was cancelled"
            outcome = .unknown
        }
        self.init(code, message, node: node, outcome: isRead ? .notApplicable : outcome)
    }

    /// The client is closed.
    static var closed: MartletError {
        MartletError(.closed, "the client is closed", outcome: .notDone)
    }

    /// The client's configuration cannot be accepted.
    static func configuration(_ problems: String) -> MartletError {
        MartletError(.configuration, problems, outcome: .notDone)
    }

    /// A value cannot be bound.
    static func unbindable(_ problem: String) -> MartletError {
        MartletError(.invalidValue, problem, outcome: .notDone)
    }

    /// A cell cannot be read.
    static func unreadable(_ problem: String) -> MartletError {
        MartletError(.invalidValue, problem, outcome: .notApplicable)
    }

    /// No node is connected.
    static func noNode(_ reason: String, isRead: Bool) -> MartletError {
        MartletError(.connectionFailed, reason, outcome: isRead ? .notApplicable : .notDone)
    }

    /// An answer of the wrong kind.
    static func unexpected(_ response: Response, to request: String, node: String) -> MartletError {
        MartletError(
            .protocolViolation,
            "\(response.opcode) is no answer to \(request)",
            node: node,
            outcome: .unknown
        )
    }
}
