/// Decides by a header alone whether a frame is taken in.
///
/// - A version that is not spoken or the wrong direction closes the connection: the length may not
///   be a length at all. A version gets the answer that drivers parse.
/// - An unknown opcode, an opcode of the other side, a compressed body where no compression was
///   agreed, a negative stream of a request: the body is skipped, the error answers that stream,
///   the connection lives on.
/// - A body over the limit is skipped in the same way while it is at most
///   ``NativeProtocolLimits/skippedBodyBytesMax``; else the connection closes. The code is Invalid,
///   because drivers drop the connection at a protocol error.
package struct FrameAdmission: Hashable, Sendable {
    /// The side of the connection that reads.
    package enum Role: Hashable, Sendable {
        /// Reads requests.
        case server
        /// Reads responses.
        case client
    }

    /// What a header demands.
    package enum Verdict: Hashable, Sendable {
        /// Read the body and decode it.
        case admit(ProtocolVersion, Opcode)
        /// Throw the body away as it comes, and answer the stream with the error.
        case skip(ProtocolError)
        /// Answer the stream with the error, then close.
        case close(ProtocolError)
    }

    /// The side that reads.
    package var role: Role
    /// The bounds.
    package var limits: NativeProtocolLimits
    /// Whether a compression was agreed by STARTUP.
    package var acceptsCompression = false

    /// The rules for one side of a connection.
    package init(role: Role, limits: NativeProtocolLimits = NativeProtocolLimits()) {
        self.role = role
        self.limits = limits
    }

    /// What the header demands.
    package func verdict(on header: FrameHeader) -> Verdict {
        guard let version = ProtocolVersion(rawValue: header.versionNumber) else {
            return .close(ProtocolVersion.refusal(ofVersion: header.versionNumber))
        }
        guard header.isResponse == (role == .client) else {
            let (given, expected) =
                role == .server ? ("response", "request") : ("request", "response")
            return .close(ProtocolError("a \(given) frame came where a \(expected) must stand"))
        }
        let size = header.bodyByteCount
        guard size <= limits.frameBodyBytesMax else { return oversize(header) }
        guard let opcode = Opcode(rawValue: header.opcodeByte) else {
            return .skip(ProtocolError("unknown opcode \(hexText(header.opcodeByte))"))
        }
        guard opcode.isRequest == (role == .server) else {
            let side = role == .server ? "client" : "server"
            return .skip(ProtocolError("a \(side) does not send \(opcode)"))
        }
        guard role == .client || header.stream >= 0 else {
            return .skip(
                ProtocolError(
                    "stream \(header.stream) of a request: the least is 0, the greatest 32767"
                )
            )
        }
        guard acceptsCompression || !header.flags.contains(.compression) else {
            return .skip(
                ProtocolError("the frame is compressed, but STARTUP agreed on no compression")
            )
        }
        return .admit(version, opcode)
    }

    private func oversize(_ header: FrameHeader) -> Verdict {
        let error = ProtocolError(
            """
            the frame's body has \(header.bodyByteCount) bytes, the limit is \
            \(limits.frameBodyBytesMax); send fewer statements or smaller values at once
            """,
            code: .invalid
        )
        let isSkippable = header.bodyByteCount <= limits.skippedBodyBytesMax
        return isSkippable ? .skip(error) : .close(error)
    }
}
