internal import ClusterLog
internal import Foundation
internal import Logging
internal import NodeCore
internal import Replication
internal import RocksStorage
internal import Storage
internal import TokenPlacement

/// A node's disk, opened, and what the node's logic starts from.
struct OpenedStore: Sendable {
    let store: RocksStore
    let cache: RowCache
    /// The node's id: made at its first start, and the same for as long as its disk lives.
    let node: NodeID
    let entries: [LogEntry]
    let records: UpkeepRecords

    /// What a node's disk says, which `open` opened; an empty one gets an id.
    ///
    /// Damaged hints are dropped, and the store opened anew: repair makes up for them (`LostHints`),
    /// while the first compaction that met them would stop all writes.
    init(
        _ store: RocksStore,
        _ cache: RowCache,
        _ configuration: NodeConfiguration,
        _ logger: Logger
    ) throws {
        var (store, cache) = (store, cache)
        var hints = HintBook(settings: HintSettings())
        do throws(StorageError) {
            hints = try UpkeepRecords.hints(in: store)
        } catch {
            guard case .corruption(let fault) = error else { throw error }
            logger.error(
                """
                the hints on this disk are damaged and dropped (\(fault.message)): all slices are \
                repaired to make up for them; only a write at ANY that no replica has is lost
                """
            )
            (store, cache) = try Self.dropHints(store, configuration)
        }
        self.store = store
        self.cache = cache
        node = try Self.identity(store)
        entries = try Self.logEntries(store)
        records = try UpkeepRecords(hints: hints, restOf: store)
    }

    /// Opens the disk of a node.
    static func open(_ configuration: NodeConfiguration) throws -> (RocksStore, RowCache) {
        let cache = RowCache(bytesMax: configuration.memory.bytes(.rowCache))
        try FileManager.default.createDirectory(
            atPath: configuration.dataDirectory,
            withIntermediateDirectories: true
        )
        return (try RocksStore(options: options(configuration), observer: cache), cache)
    }

    private static func options(_ configuration: NodeConfiguration) -> RocksOptions {
        let memory = configuration.memory
        var options = RocksOptions(path: configuration.dataDirectory + "/rows")
        options.blockCacheBytes = memory.bytes(.blockCache)
        // The cache of merged rows stands in front.
        options.rowCacheBytes = 0
        options.memtableBytes = memory.bytes(.memtables)
        options.totalWALBytesMax = max(memory.mebibytes(.memtables) * 4, 64) << 20
        options.writerQueueBytesMax = memory.bytes(.writerQueue)
        options.syncMode =
            switch configuration.sync {
            case .beforeAcknowledgement: .beforeAcknowledgement
            case .periodic: .periodic(.milliseconds(configuration.syncPeriodMilliseconds))
            }
        return options
    }

    private static func identity(_ store: RocksStore) throws -> NodeID {
        if let bytes = try store.readLocal(LocalKeys.nodeID), bytes.count == 16 {
            let halves = [bytes[..<8], bytes[8...]].map {
                $0.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            }
            return NodeID(high: halves[0], low: halves[1])
        }
        var generator = SystemRandomNumberGenerator()
        let node = NodeID.random(using: &generator)
        var writes = StoreWrites()
        writes.putLocal(node.bytes, for: LocalKeys.nodeID)
        try store.commit(writes)
        return node
    }
}

extension OpenedStore {
    /// Opens a store anew without its hints, and with what says that they were lost.
    private static func dropHints(
        _ store: RocksStore,
        _ configuration: NodeConfiguration
    ) throws -> (RocksStore, RowCache) {
        store.close()
        let lost = LostHints(nowSeconds: Int64(Date().timeIntervalSince1970))
        var first = StoreWrites()
        first.putLocal(lost.value, for: LocalKeys.lostHints)
        try RocksStore.dropHints(options: options(configuration), first: first)
        return try open(configuration)
    }

    /// The log entries that a store holds, in their order.
    static func logEntries(_ store: any StoreReading) throws -> [LogEntry] {
        var entries: [LogEntry] = []
        var range = KeyRange(
            lower: LocalKeys.logPrefix,
            upper: KeyRange.successor(of: LocalKeys.logPrefix)
        )
        while true {
            let page = try store.scanLocal(range, limit: 1000, bytesMax: 4 << 20)
            for (_, value) in page { entries.append(try LogEntry(decoding: value)) }
            guard let last = page.last else { return entries }
            range.lower = last.key + [0]
        }
    }
}
