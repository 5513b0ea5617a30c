internal import Catalog
internal import HistoryChecking
internal import Replication
internal import Storage
internal import TokenPlacement

extension Run {
    /// A node drops keys: slices go whole, with rows that came after the damage, but only damaged
    /// ones.
    ///
    /// Nobody drops the clients' own tables, and no damage is done to others.
    func checkDrop(_ life: NodeLife, _ range: KeyRange) {
        // A store that has failed drops nothing.
        guard life.storeFailure == nil else { return }
        let slices = setup.tables.flatMap { table in
            (0..<setup.sliceCount).map { SliceID(table.id, $0) }.filter {
                range.overlaps(keys(of: $0))
            }
        }
        guard !slices.isEmpty else { return }
        history.diskLosses.append(
            DiskLoss(at: kernel.now, node: life.node, keys: writtenKeys(in: range))
        )
        let disk = nodes[life.node].disk
        let sound = dropRule.willDrop(slices, on: life.node) { disk.isDamaged(in: keys(of: $0)) }
        guard let first = sound.first else { return }
        report(
            Violation(
                .onlyDamageIsDropped,
                "at \(kernel.now.secondsText) node \(life.node) drops \(slices.count) slices of its "
                    + "disk, of which \(sound.count) are not damaged (any more), \(first) among them"
            )
        )
    }

    /// A node starts: what a crash left half purged it may drop once more.
    func noteUnfinishedDrops(of node: SimulatedNode) {
        let range = SliceKeys.range(of: SliceKeys.rebuildPrefix)
        guard let store = node.life?.store,
            let found = try? store.scanLocal(range, limit: .max, bytesMax: .max)
        else { return }
        var health = SliceHealth(sliceCount: setup.sliceCount)
        for (key, value) in found { health.restore(key: key, value: value) }
        dropRule.nodeStarted(node.index, purging: Set(health.slices(.purging)))
    }

    private func keys(of slice: SliceID) -> KeyRange {
        let tokens = SliceID.tokens(ofSlice: slice.slice, sliceCount: setup.sliceCount)
        return RowKey.sliceRange(table: slice.table, tokens: tokens)
    }

    /// The clients' keys whose rows lie in a range, by table.
    private func writtenKeys(in range: KeyRange) -> [Int: Set<Int>] {
        var found: [Int: Set<Int>] = [:]
        for (place, table) in setup.tables.enumerated() {
            for key in 0..<workloadPlan.keys {
                let row = RowKey(table: table.id, partitionKey: Workload.partitionKey(key))
                if range.contains(row.encoded) { found[place, default: []].insert(key) }
            }
        }
        return found
    }
}
