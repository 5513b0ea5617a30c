internal import Catalog
internal import HistoryChecking
internal import Replication
internal import Storage

extension Run {
    /// Looks into the cache of every node for one row, whether or not anybody reads it.
    func checkCaches(_ random: inout SimulatedRandom) {
        let table = random.pick(setup.tables)
        let key = random.below(workloadPlan.keys)
        let row = RowKey(table: table.id, partitionKey: Workload.partitionKey(key))
        for life in nodes.compactMap(\.life) {
            switch life.cache.lookup(row) {
            case .miss: continue
            case .absent: checkCache(life, row, nil)
            case .found(let cached): checkCache(life, row, cached)
            }
        }
    }

    /// While no write is under way a cached row is what the store holds, as far as that can be read.
    func checkCache(_ life: NodeLife, _ key: RowKey, _ cached: [UInt8]?) {
        guard violations.isEmpty, !life.hasWriteInFlight,
            let found = try? life.store.read([key.encoded]), found[0] != cached
        else { return }
        let problem = cached == nil ? "the cache says that there is none" : "the cache has another"
        let table = setup.tables.firstIndex { $0.id == key.table } ?? -1
        let number = Workload.key(of: key.partitionKey) ?? -1
        report(
            Violation(
                .cacheAgrees,
                "at \(kernel.now.secondsText) the store of node \(life.node) has another row of key "
                    + "\(number) of table \(table) than its cache: \(problem)",
                history: HistoryText.lines(history, table: table, key: number, around: nil)
            )
        )
    }
}
