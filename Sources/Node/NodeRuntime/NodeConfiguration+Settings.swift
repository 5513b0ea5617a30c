internal import Coordination
internal import Internode
internal import NodeCore
internal import Replication

extension NodeConfiguration {
    /// The port at which other nodes reach this one.
    var reachableInternodePort: Int {
        advertisedInternodePort == 0 ? internodePort : advertisedInternodePort
    }

    /// How often memtables are written to files, full or not.
    ///
    /// A deletion is swept only behind a repair that began a hint window after it, in which this node
    /// took part: so one that it took when it was made does not stand in its log alone any more
    /// (docs/decisions/0015).
    var flushInterval: Duration { .seconds(min(3600, max(10, hintWindowSeconds / 2))) }

    /// What the node's logic is told of the configuration.
    var nodeSettings: NodeSettings {
        var settings = NodeSettings()
        settings.schemaTimeout = .milliseconds(schemaMilliseconds)
        settings.requests.readTimeout = .milliseconds(readMilliseconds)
        settings.requests.writeTimeout = .milliseconds(writeMilliseconds)
        settings.requests.scoreTimeout = .milliseconds(scoreMilliseconds)
        settings.requests.modelPushTimeout = .milliseconds(modelPushMilliseconds)
        settings.requests.requestsMax = coordinatedRequestsMax
        settings.requests.bytesMax = max(1 << 20, memory.bytes(.requests) / eventLoops)
        // A message holds a little beside the mutations.
        settings.requests.nodeWriteBytesMax = min(
            memory.bytes(.writerQueue),
            InternodeConfiguration().frameBytesMax - 4096
        )
        settings.upkeep.batches.bytesMax = batchLogMiBMax << 20
        settings.upkeep.hints.windowSeconds = Int64(hintWindowSeconds)
        settings.upkeep.hints.bytesPerTargetMax = hintMiBMaxPerNode << 20
        settings.upkeep.hints.bytesMax = hintMiBMax << 20
        settings.upkeep.hints.bytesPerSecond = hintKiBPerSecond << 10
        settings.upkeep.repair.hintWindowSeconds = Int64(hintWindowSeconds)
        settings.upkeep.repair.bytesPerSecond = repairKiBPerSecond << 10
        if !repairsByItself {
            settings.upkeep.repair.intervalSeconds = 0
        } else if repairIntervalSeconds > 0 {
            settings.upkeep.repair.intervalSeconds = Int64(repairIntervalSeconds)
        }
        settings.upkeep.sweeps = sweeps
        return settings
    }
}
