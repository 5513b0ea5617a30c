internal import Coordination
internal import NodeCore
internal import Replication

extension NodeConfiguration {
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
        settings.upkeep.hints.windowSeconds = Int64(hintWindowSeconds)
        settings.upkeep.hints.bytesPerTargetMax = hintMiBMaxPerNode << 20
        settings.upkeep.hints.bytesMax = hintMiBMax << 20
        settings.upkeep.hints.bytesPerSecond = hintKiBPerSecond << 10
        settings.upkeep.repairsByItself = repairsByItself
        settings.upkeep.repairIntervalSeconds = Int64(repairIntervalSeconds)
        settings.upkeep.repairBytesPerSecond = repairKiBPerSecond << 10
        settings.upkeep.sweeps = sweeps
        return settings
    }
}
