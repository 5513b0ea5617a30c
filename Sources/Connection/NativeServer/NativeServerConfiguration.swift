package import NativeProtocol

/// Bounds of the native protocol's server.
package struct NativeServerConfiguration: Sendable {
    /// Bounds of frames and what is in them.
    package var limits = NativeProtocolLimits()
    /// Connections at a time, over all loops.
    package var connectionsMax = 1024
    /// Requests of one connection that wait for their answers; more are OVERLOADED.
    package var requestsInFlightMax = 1024
    /// The longest answer, in bytes; a longer one becomes an error on its stream.
    package var responseBytesMax = 64 << 20
    /// Bytes of answers that wait for one client to read them, above which its requests are
    /// OVERLOADED.
    package var pendingOutputBytesSoftMax = 32 << 20
    /// Bytes of answers that wait for one client to read them, above which its connection closes.
    package var pendingOutputBytesMax = 256 << 20

    /// The defaults.
    package init() {}
}
