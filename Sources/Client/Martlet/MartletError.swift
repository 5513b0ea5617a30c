/// Why a request failed, and whether it may have had an effect nevertheless.
public struct MartletError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of the error; open, because servers may know kinds that this client does not.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The name, such as `writeTimeout`.
        public let description: String

        /// Too few replicas are alive.
        public static let unavailable = Code(description: "unavailable")
        /// Too few replicas acknowledged the write in time.
        public static let writeTimeout = Code(description: "writeTimeout")
        /// Too few replicas answered the read in time.
        public static let readTimeout = Code(description: "readTimeout")
        /// Replicas reported that they could not write.
        public static let writeFailure = Code(description: "writeFailure")
        /// Replicas reported that they could not read.
        public static let readFailure = Code(description: "readFailure")
        /// The node has too much to do.
        public static let overloaded = Code(description: "overloaded")
        /// The node is joining and takes no requests yet.
        public static let bootstrapping = Code(description: "bootstrapping")
        /// The statement cannot be parsed.
        public static let syntax = Code(description: "syntax")
        /// The statement can be parsed, but it means nothing here: an unknown table, say.
        public static let invalid = Code(description: "invalid")
        /// The configuration, the server's or the client's, does not allow it.
        public static let configuration = Code(description: "configuration")
        /// What should be created exists.
        public static let alreadyExists = Code(description: "alreadyExists")
        /// The credentials are missing, wrong or not enough.
        public static let unauthorized = Code(description: "unauthorized")
        /// A function or a model failed while it was executed.
        public static let functionFailure = Code(description: "functionFailure")
        /// The server itself is at fault.
        public static let serverError = Code(description: "serverError")
        /// No node could be reached.
        public static let connectionFailed = Code(description: "connectionFailed")
        /// The connection ended before the answer came.
        public static let connectionLost = Code(description: "connectionLost")
        /// No answer came within the configured time.
        public static let requestTimedOut = Code(description: "requestTimedOut")
        /// This client has as many requests waiting as its configuration allows.
        public static let clientOverloaded = Code(description: "clientOverloaded")
        /// The client is closed.
        public static let closed = Code(description: "closed")
        /// The other side, or an intermediary, broke the protocol.
        public static let protocolViolation = Code(description: "protocolViolation")
        /// A value does not fit the type of its marker or column.
        public static let invalidValue = Code(description: "invalidValue")
    }

    /// What became of a request that changes something.
    public enum Outcome: Hashable, Sendable {
        /// Nothing was done, and nothing will be: it can be sent again.
        case notDone
        /// It may have been done, or be done later: send it again only if that does no harm.
        case unknown
        /// The request changes nothing.
        case notApplicable
    }

    /// The kind.
    public var code: Code
    /// What was wrong, for people.
    public var message: String
    /// The node that said so, as `address:port`; nil if none was asked.
    public var node: String?
    /// What became of the request.
    public var outcome: Outcome
    /// How many replicas had to answer, where the server told.
    public var requiredReplicas: Int?
    /// How many replicas answered, or were alive if ``code-swift.property`` is `unavailable`, where
    /// the server told.
    public var receivedReplicas: Int?

    /// An error of a kind with a text.
    public init(_ code: Code, _ message: String, node: String? = nil, outcome: Outcome) {
        self.code = code
        self.message = message
        self.node = node
        self.outcome = outcome
    }

    /// The kind, the node, the text, and a word of warning if the outcome is unknown.
    public var description: String {
        let place = node.map { " at \($0)" } ?? ""
        let warning = outcome == .unknown ? " (it may have been applied)" : ""
        return "\(code)\(place): \(message)\(warning)"
    }
}
