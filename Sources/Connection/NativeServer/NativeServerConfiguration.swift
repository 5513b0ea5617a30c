package import NativeProtocol

/// Bounds of the native protocol's server.
package struct NativeServerConfiguration: Sendable {
    /// Bounds of frames and what is in them.
    package var limits = NativeProtocolLimits()
    /// Connections at a time, over all loops.
    package var connectionsMax = 1024
    /// Requests of one connection that wait for their answers; more are OVERLOADED.
    package var requestsInFlightMax = 1024
    /// Bytes of answers that wait for one client to read them; more close its connection.
    package var pendingOutputBytesMax = 64 << 20

    /// The defaults.
    package init() {}
}
