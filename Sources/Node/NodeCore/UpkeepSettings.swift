package import Replication

/// Bounds of hints, repair and sweeping.
package struct UpkeepSettings: Sendable {
    /// What is kept for nodes that are down.
    package var hints = HintSettings()
    /// When and how much is repaired and swept.
    package var repair = RepairSettings()
    /// How often repair, sweeping and the batch log look for work.
    package var interval = Duration.seconds(1)
    /// Whether tombstones and expired cells are swept.
    package var sweeps = true
    /// The longest that one request of a repair waits.
    package var requestTimeout = Duration.seconds(30)

    /// The defaults.
    package init() {}
}
