package import NativeProtocol

/// What a connection remembers between its requests.
package final class Session {
    /// The keyspace of `USE`, for unqualified names.
    package var keyspace: String?
    /// The events that the client asked for.
    package var eventTypes: Set<EventType> = []
    /// Whether the connection is gone: nobody waits for answers any more.
    package internal(set) var isClosed = false

    init() {}
}

/// What answers the requests that concern data and schema; bound to one event loop.
package protocol RequestExecutor: AnyObject {
    /// Answers one QUERY, PREPARE, EXECUTE or BATCH.
    ///
    /// - Parameters:
    ///   - request: the decoded request.
    ///   - session: of the connection that it came on.
    ///   - respond: takes the whole response frame, at most once, on the same loop.
    func execute(
        _ request: RequestMessage,
        session: Session,
        respond: @escaping ([UInt8]) -> Void
    )
}
