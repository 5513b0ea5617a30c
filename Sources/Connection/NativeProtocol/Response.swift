/// What a server answers or tells (native_protocol_v4.spec, section 4.2).
package enum Response: Hashable, Sendable {
    /// The request failed.
    case error(ErrorResponse)
    /// The connection is ready, or the registration done.
    case ready
    /// The client must authenticate with the named class.
    case authenticate(String)
    /// What STARTUP may say.
    case supported([String: [String]])
    /// A result without content.
    case void
    /// A result of rows; a server writes it with ``RowsWriter``.
    case rows(RowsResult)
    /// The keyspace that USE set.
    case setKeyspace(String)
    /// A statement was prepared.
    case prepared(PreparedResult)
    /// A statement changed the schema.
    case schemaChange(SchemaChange)
    /// Something happened; its stream is -1.
    case event(Event)
    /// The next question of authentication.
    case authChallenge([UInt8]?)
    /// The client is who it says.
    case authSuccess([UInt8]?)

    /// The stream of events.
    package static let eventStream: Int16 = -1

    /// The opcode of its frame.
    package var opcode: Opcode {
        switch self {
        case .error: .error
        case .ready: .ready
        case .authenticate: .authenticate
        case .supported: .supported
        case .void, .rows, .setKeyspace, .prepared, .schemaChange: .result
        case .event: .event
        case .authChallenge: .authChallenge
        case .authSuccess: .authSuccess
        }
    }
}

/// The kinds of a RESULT (section 4.2.5).
enum ResultKind: Int32 {
    case void = 1
    case rows = 2
    case setKeyspace = 3
    case prepared = 4
    case schemaChange = 5
}

/// The UUID of a trace.
package struct TracingID: Hashable, Sendable {
    /// The first eight bytes.
    package var high: UInt64
    /// The last eight bytes.
    package var low: UInt64

    /// The id in two halves.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// What goes along with any response: it stands before the body, in this order.
package struct ResponseExtras: Hashable, Sendable {
    /// The trace, if the request asked for one.
    package var tracingID: TracingID?
    /// Warnings for the client's log.
    package var warnings: [String]
    /// The custom payload; empty if there is none.
    package var customPayload: [PayloadEntry]

    /// Extras; by default there are none.
    package init(
        tracingID: TracingID? = nil,
        warnings: [String] = [],
        customPayload: [PayloadEntry] = []
    ) {
        self.tracingID = tracingID
        self.warnings = warnings
        self.customPayload = customPayload
    }

    /// The flags that announce them.
    var flags: FrameFlags {
        var flags: FrameFlags = []
        if tracingID != nil { flags.insert(.tracing) }
        if !warnings.isEmpty { flags.insert(.warning) }
        if !customPayload.isEmpty { flags.insert(.customPayload) }
        return flags
    }
}

/// A response with what its frame says about it.
package struct ResponseMessage: Hashable, Sendable {
    /// The stream of the request, or -1 for events.
    package var stream: Int16
    /// What goes along with it.
    package var extras: ResponseExtras
    /// The response itself.
    package var response: Response

    /// A response on a stream.
    package init(
        _ response: Response,
        stream: Int16,
        extras: ResponseExtras = ResponseExtras()
    ) {
        self.stream = stream
        self.extras = extras
        self.response = response
    }
}
