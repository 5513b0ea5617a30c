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
    /// while the first compaction that met them would stop all writes. Of rows that went with a table
    /// file it is written down which slices must be rebuilt.
    init(
        _ store: RocksStore,
        _ cache: RowCache,
        _ configuration: NodeConfiguration,
        _ logger: Logger
    ) throws {
        var (store, cache) = (store, cache)
        var hints = HintBook(settings: HintSettings())
        try Self.remember(lostIn: store, logger)
        var damage: String?
        do throws(StorageError) {
            hints = try UpkeepRecords.hints(in: store)
            if store.lostFiles.contains(.hints) { damage = "a file of them is lost" }
        } catch {
            guard let fault = error.asDamage?.fault else { throw error }
            damage = fault.message
        }
        if let damage {
            logger.error(
                """
                the hints on this disk are damaged and dropped (\(damage)): all slices are \
                repaired to make up for them; only a write at ANY that no replica has is lost
                """
            )
            (store, cache) = try Self.dropHints(store, configuration, logger)
            hints = HintBook(settings: HintSettings())
        }
        try store.forgetLostFiles()
        self.store = store
        self.cache = cache
        node = try Self.identity(store)
        entries = try Self.logEntries(store)
        records = try UpkeepRecords(hints: hints, restOf: store)
        try store.compactValues()
    }

    /// Opens the disk of a node, without compactions of rows: those begin once the node's logic has
    /// nothing against it.
    ///
    /// Damaged files that stood in the way of a drop are taken out before.
    static func open(
        _ configuration: NodeConfiguration,
        _ logger: Logger
    ) throws -> (RocksStore, RowCache) {
        try FileManager.default.createDirectory(
            atPath: configuration.dataDirectory,
            withIntermediateDirectories: true
        )
        let options = options(configuration)
        let cache = RowCache(bytesMax: configuration.memory.bytes(.rowCache))
        let store = try RocksStore(options: options, observer: cache)
        let cuts = try UpkeepRecords.cuts(in: store)
        guard !cuts.isEmpty else { return (store, cache) }
        store.close()
        for cut in cuts {
            let count = try RocksStore.removeUnreadableFiles(inside: cut.range, options: options)
            logger.notice("\(count) damaged files are taken out, as \(cut.slice) is rebuilt")
        }
        return (try RocksStore(options: options, observer: cache), cache)
    }

    /// Writes down what a store could not read when it failed, once it is closed: at the next start
    /// those rows are looked through, while nothing is compacted.
    static func remember(
        _ failure: StorageError,
        _ configuration: NodeConfiguration,
        _ logger: Logger
    ) {
        guard let fault = failure.asDamage?.fault, fault.message.contains(".sst") else { return }
        do {
            try RocksStore.amend(options: options(configuration)) { store in
                guard let range = store.damagedRange(failure) else { return nil }
                logger.critical(
                    "a compaction met damage: start this node again, and the rows are rebuilt"
                )
                var writes = StoreWrites()
                writes.putLocal(LocalKeys.value(of: range), for: LocalKeys.suspectRows)
                return writes
            }
        } catch {
            logger.critical("what is damaged could not be written down: \(error)")
        }
    }

    /// Writes down which rows went with table files that the store did not open with.
    private static func remember(lostIn store: RocksStore, _ logger: Logger) throws(StorageError) {
        var writes = StoreWrites()
        for case .rows(let range) in store.lostFiles {
            writes.putLocal([], for: LocalKeys.lostRows(range))
        }
        guard !writes.localPuts.isEmpty else { return }
        try store.commit(writes)
        logger.error(
            """
            \(writes.localPuts.count) table files on this disk could not be opened and are taken out: \
            the slices that they held rows of are refused, dropped and rebuilt from their replicas
            """
        )
    }

    private static func options(_ configuration: NodeConfiguration) -> RocksOptions {
        let memory = configuration.memory
        var options = RocksOptions(path: configuration.dataDirectory + "/rows")
        options.blockCacheBytes = memory.bytes(.blockCache)
        // The cache of merged rows stands in front.
        options.rowCacheBytes = 0
        options.compactsByItself = false
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
        _ configuration: NodeConfiguration,
        _ logger: Logger
    ) throws -> (RocksStore, RowCache) {
        store.close()
        let lost = LostHints(nowSeconds: Int64(Date().timeIntervalSince1970))
        var first = StoreWrites()
        first.putLocal(lost.value, for: LocalKeys.lostHints)
        try RocksStore.dropHints(options: options(configuration), first: first)
        return try open(configuration, logger)
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
