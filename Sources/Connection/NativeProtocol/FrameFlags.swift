/// The flags of a frame's header; unknown bits are kept and ignored, as the specification asks.
package struct FrameFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The body is compressed.
    package static let compression = FrameFlags(rawValue: 0x01)
    /// A request asks for tracing; a response's body starts with a tracing id.
    package static let tracing = FrameFlags(rawValue: 0x02)
    /// The body starts with a map of bytes, behind tracing id and warnings.
    package static let customPayload = FrameFlags(rawValue: 0x04)
    /// A response's body starts with warnings, behind the tracing id.
    package static let warning = FrameFlags(rawValue: 0x08)
}
