/// What a client asks for (native_protocol_v4.spec, section 4.1).
package enum Request: Hashable, Sendable {
    /// Begins the connection with options such as `CQL_VERSION`.
    case startup(options: [String: String])
    /// Asks what STARTUP may say; drivers use it as their heartbeat, too.
    case options
    /// Executes a statement.
    case query(String, QueryParameters)
    /// Prepares a statement.
    case prepare(String)
    /// Executes a prepared statement.
    case execute(id: [UInt8], QueryParameters)
    /// Executes statements together.
    case batch(BatchRequest)
    /// Asks to be told of events.
    case register([EventType])
    /// Answers a challenge of authentication.
    case authResponse([UInt8]?)

    /// The opcode of its frame.
    package var opcode: Opcode {
        switch self {
        case .startup: .startup
        case .options: .options
        case .query: .query
        case .prepare: .prepare
        case .execute: .execute
        case .batch: .batch
        case .register: .register
        case .authResponse: .authResponse
        }
    }
}

/// A request with what its frame says about it.
package struct RequestMessage: Hashable, Sendable {
    /// The version of the frame; the response must have the same.
    package var version: ProtocolVersion
    /// The stream that the response must bear.
    package var stream: Int16
    /// Whether the client asks for tracing.
    package var isTraced: Bool
    /// The custom payload; empty if there is none.
    package var customPayload: [PayloadEntry]
    /// The request itself.
    package var request: Request

    /// A request for a stream.
    package init(
        _ request: Request,
        stream: Int16,
        version: ProtocolVersion = .v4,
        isTraced: Bool = false,
        customPayload: [PayloadEntry] = []
    ) {
        self.version = version
        self.stream = stream
        self.isTraced = isTraced
        self.customPayload = customPayload
        self.request = request
    }
}
