package import Coordination
package import Replication

/// Bounds of hints, repair and sweeping.
package struct UpkeepSettings: Sendable {
    /// What is kept for nodes that are down.
    package var hints = HintSettings()
    /// The batches that are kept for other nodes.
    package var batches = BatchLogSettings()
    /// When and how much is repaired and swept.
    package var repair = RepairSettings()
    /// How often repair, sweeping and the batch log look for work.
    package var interval = Duration.seconds(1)
    /// The most changes of the node's own keys in one write: a part of what the writer's queue takes.
    package var changesMax = 4096
    /// Whether tombstones and expired cells are swept.
    package var sweeps = true
    /// The longest that one request of a repair waits.
    package var requestTimeout = Duration.seconds(30)

    /// The longest that a request for digests waits.
    ///
    /// The node reads a whole slice for it, at a bounded rate. A node that dies meanwhile breaks the connection, and so ends it at once.
    package var digestTimeout = Duration.seconds(4 * 3600)

    /// The defaults.
    package init() {}
}
