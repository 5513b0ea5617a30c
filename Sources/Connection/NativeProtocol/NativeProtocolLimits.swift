/// The bounds on what a peer may send; each is checked before memory is taken for it.
///
/// Counts that the protocol writes in 16 bits (bound values, statements of a batch, strings of a
/// list, bytes of a string) are bounded by 65,535 already; the limits here are lower where no
/// honest peer comes near.
package struct NativeProtocolLimits: Hashable, Sendable {
    /// The most bytes of a frame's body that is taken in.
    ///
    /// 64 MiB by default, four times Cassandra's, because a model is pushed in one statement.
    package var frameBodyBytesMax = 64 << 20

    /// The most bytes of an oversize body that are read and thrown away for the sake of the
    /// connection; a header that announces more closes it.
    ///
    /// 256 MiB by default, the protocol's own limit of a frame (section 2.5).
    package var skippedBodyBytesMax = 256 << 20

    /// The most options of a STARTUP.
    package var startupOptionsMax = 64

    /// The most entries of a custom payload.
    package var customPayloadEntriesMax = 256

    /// The most event types of a REGISTER, repetitions included.
    package var eventTypesMax = 64

    /// The most values bound in one statement.
    package var valuesMax = 65_535

    /// The most statements of a batch.
    package var batchStatementsMax = 65_535

    /// The most bytes of a paging state.
    package var pagingStateBytesMax = 1 << 20

    /// The most columns of a result that a client accepts.
    package var columnsMax = 65_535

    /// How deep collection types may nest in a result that a client accepts.
    package var typeDepthMax = 16

    /// The default limits.
    package init() {}
}
