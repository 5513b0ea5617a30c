/// Why a frame or a message is refused.
package struct ProtocolError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The codes that this module answers by itself.
    package enum Code: Int32, Hashable, Sendable {
        /// The peer broke the protocol. Drivers close the connection when they get this code.
        case protocolViolation = 0x000A
        /// The message is well-formed, but this server does not take it. Drivers raise this at the
        /// caller and keep the connection.
        case invalid = 0x2200
    }

    /// The code of the ERROR message.
    package var code: Code
    /// What was wrong, the limit, the actual value.
    package var message: String

    /// An error with a code and a text.
    package init(_ message: String, code: Code = .protocolViolation) {
        self.code = code
        self.message = message
    }

    /// The ERROR message that says this.
    package var response: ErrorResponse {
        switch code {
        case .protocolViolation: ErrorResponse(.protocolError, message)
        case .invalid: ErrorResponse(.invalid, message)
        }
    }

    package var description: String { message }
}
