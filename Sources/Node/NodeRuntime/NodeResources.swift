internal import Replication
internal import RocksStorage
internal import SystemTables

/// What the node's memory goes to, as `system_martlet.memory` and `caches` show it.
struct NodeResources: Sendable {
    let memory: MemoryPlan
    let cache: RowCache
    let store: RocksStore

    /// Adds what the memory goes to.
    func describe(in activity: inout NodeActivity) {
        let rows = cache.statistics
        var used: [MemoryPlan.Consumer: Int] = [.rowCache: rows.bytes]
        if let statistics = try? store.statistics() {
            used[.blockCache] = statistics.blockCacheBytes
            used[.memtables] = Int(clamping: statistics.memtableBytes)
            used[.writerQueue] = statistics.writerQueueBytes
        }
        activity.memory = MemoryPlan.Consumer.allCases.map { consumer in
            MemoryShare(
                consumer: consumer.rawValue,
                limitBytes: memory.bytes(consumer),
                usedBytes: used[consumer]
            )
        }
        activity.caches = [
            CacheActivity(
                name: "rows",
                entries: rows.entries,
                usedBytes: rows.bytes,
                capacityBytes: memory.bytes(.rowCache),
                hits: Int(clamping: rows.hits &+ rows.absentHits),
                misses: Int(clamping: rows.misses),
                evictions: Int(clamping: rows.evictions),
                staleFills: Int(clamping: rows.refusedFills)
            )
        ]
    }
}
