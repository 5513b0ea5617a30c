package import Replication

/// Bounds of hints, repair and sweeping.
package struct UpkeepSettings: Sendable {
    /// What is kept for nodes that are down.
    package var hints = HintSettings()
    /// Whether slices are repaired without being asked for.
    package var repairsByItself = true
    /// How often each slice is repaired, in seconds; 0: half the least grace period of all tables,
    /// a week at most.
    package var repairIntervalSeconds: Int64 = 0
    /// How fast repair reads and streams, in bytes per second.
    package var repairBytesPerSecond = 16 << 20
    /// How often repair, sweeping and the batch log look for work.
    package var interval = Duration.seconds(5)
    /// Whether tombstones and expired cells are swept.
    package var sweeps = true
    /// How often each slice is swept, in seconds.
    package var sweepIntervalSeconds: Int64 = 3600
    /// The longest that one request of a repair waits.
    package var requestTimeout = Duration.seconds(30)

    /// The defaults.
    package init() {}
}
