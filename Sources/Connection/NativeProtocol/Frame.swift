/// A message with its header checked and its body whole.
package struct Frame: Hashable, Sendable {
    /// The version in whose layout the body is.
    package var version: ProtocolVersion
    /// The flags; where `compression` is set, the body must be decompressed and the flag removed
    /// before the message is decoded.
    package var flags: FrameFlags
    /// What ties a response to its request.
    package var stream: Int16
    /// The kind of the message.
    package var opcode: Opcode
    /// The bytes behind the header.
    package var body: [UInt8]

    /// A frame with the given parts.
    package init(
        version: ProtocolVersion = .v4,
        flags: FrameFlags = [],
        stream: Int16,
        opcode: Opcode,
        body: [UInt8]
    ) {
        self.version = version
        self.flags = flags
        self.stream = stream
        self.opcode = opcode
        self.body = body
    }
}
