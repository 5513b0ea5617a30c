package import Catalog

/// What kind of write timed out or failed, as ERROR messages name it.
///
/// Open, because a client must take names that it does not know.
package struct WriteType: RawRepresentable, Hashable, Sendable {
    package let rawValue: String

    package init(rawValue: String) { self.rawValue = rawValue }

    /// A single write.
    package static let simple = WriteType(rawValue: "SIMPLE")
    /// A logged batch whose log was written.
    package static let batch = WriteType(rawValue: "BATCH")
    /// An unlogged batch.
    package static let unloggedBatch = WriteType(rawValue: "UNLOGGED_BATCH")
    /// A counter update.
    package static let counter = WriteType(rawValue: "COUNTER")
    /// The log of a logged batch.
    package static let batchLog = WriteType(rawValue: "BATCH_LOG")
    /// A conditional write.
    package static let cas = WriteType(rawValue: "CAS")
}

/// The content of an ERROR message (native_protocol_v4.spec, section 9).
package struct ErrorResponse: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kinds of errors, with what each tells besides its text.
    package enum Detail: Hashable, Sendable {
        /// The server itself is at fault.
        case serverError
        /// The peer broke the protocol.
        case protocolError
        /// The credentials are wrong.
        case badCredentials
        /// Too few replicas are alive: nothing was done.
        case unavailable(ConsistencyLevel, required: Int32, alive: Int32)
        /// The coordinator has too much to do: nothing was done.
        case overloaded
        /// The coordinator is joining.
        case bootstrapping
        /// A TRUNCATE failed.
        case truncateError
        /// Too few replicas acknowledged a write in time: its outcome is unknown.
        case writeTimeout(ConsistencyLevel, received: Int32, blockFor: Int32, WriteType)
        /// Too few replicas answered a read in time.
        case readTimeout(ConsistencyLevel, received: Int32, blockFor: Int32, dataPresent: Bool)
        /// Replicas reported errors to a read.
        case readFailure(
            ConsistencyLevel,
            received: Int32,
            blockFor: Int32,
            failures: Int32,
            dataPresent: Bool
        )
        /// A function failed while it was executed.
        case functionFailure(keyspace: String, function: String, argumentTypes: [String])
        /// Replicas reported errors to a write.
        case writeFailure(
            ConsistencyLevel,
            received: Int32,
            blockFor: Int32,
            failures: Int32,
            WriteType
        )
        /// The statement cannot be parsed.
        case syntaxError
        /// The role may not do this.
        case unauthorized
        /// The statement can be parsed, but means nothing here.
        case invalid
        /// The configuration forbids the statement.
        case configurationError
        /// The keyspace or table exists already; `table` is empty for a keyspace.
        case alreadyExists(keyspace: String, table: String)
        /// The prepared statement is not known here: prepare it again.
        case unprepared(id: [UInt8])
        /// A code that this client does not know; servers never send it.
        case unknown(code: Int32)

        /// The code on the wire.
        package var code: Int32 {
            switch self {
            case .serverError: 0x0000
            case .protocolError: 0x000A
            case .badCredentials: 0x0100
            case .unavailable: 0x1000
            case .overloaded: 0x1001
            case .bootstrapping: 0x1002
            case .truncateError: 0x1003
            case .writeTimeout: 0x1100
            case .readTimeout: 0x1200
            case .readFailure: 0x1300
            case .functionFailure: 0x1400
            case .writeFailure: 0x1500
            case .syntaxError: 0x2000
            case .unauthorized: 0x2100
            case .invalid: 0x2200
            case .configurationError: 0x2300
            case .alreadyExists: 0x2400
            case .unprepared: 0x2500
            case .unknown(let code): code
            }
        }
    }

    /// The kind.
    package var detail: Detail
    /// The text for people; more than 65,535 bytes of it are not sent.
    package var message: String

    /// An error of a kind with a text.
    package init(_ detail: Detail, _ message: String) {
        self.detail = detail
        self.message = message
    }

    /// What a request is told whose answer would have more bytes than one may have.
    package static func answerTooLong(limit: Int) -> ErrorResponse {
        ErrorResponse(
            .invalid,
            """
            the answer is too long, the limit is \(limit) bytes: ask for fewer rows or columns at \
            once
            """
        )
    }

    /// The code on the wire.
    package var code: Int32 { detail.code }

    package var description: String {
        "\(message) (code \(hexText(UInt16(truncatingIfNeeded: code))))"
    }
}
