/// Bounds of hints.
package struct HintSettings: Hashable, Sendable {
    /// How long a write is kept for a replica that is down; what is older is left to repair.
    package var windowSeconds: Int64 = 10_800
    /// By how much clocks may differ, and a message be late, before rules count on them.
    package var skewMarginSeconds: Int64 = 30
    /// The most bytes of hints for one node.
    package var bytesPerTargetMax = 512 << 20
    /// The most bytes of hints for all nodes.
    package var bytesMax = 2 << 30
    /// For how long behind its own time a dirty mark counts, so that it need not be written for
    /// every single write.
    package var markCoverSeconds: Int64 = 30
    /// The most hints that are sent at once.
    package var pageRowsMax = 128
    /// The bytes of hints behind which no more are sent at once.
    package var pageBytesMax = 256 << 10
    /// The bytes per second that are sent to all nodes together; 0: without bound.
    package var bytesPerSecond = 8 << 20
    /// The pause behind a first failure; each further one doubles it.
    package var pauseMin = Duration.seconds(1)
    /// The longest pause.
    package var pauseMax = Duration.seconds(60)
    /// How often the hints of nodes that are down are searched for those that are too old.
    package var expiryInterval = Duration.seconds(600)

    /// The defaults.
    package init() {}
}
