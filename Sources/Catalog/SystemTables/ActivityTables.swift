import Catalog
import TokenPlacement

/// The tables of `system_martlet` that tell about the connected node's own work: `martlet repair
/// status` and `martlet status` read them.
enum ActivityTables {
    static let all = [sliceRepairs, repairRuns, hints, memory, caches]

    /// One row per table and slice that this node has a replica of.
    private static let sliceRepairs = SystemTable(
        "system_martlet",
        "slice_repairs",
        number: 52,
        comment: "this node's slices and their last repair",
        partitionKey: ["keyspace_name": .text],
        clusteringKey: ["table_name": .text, "slice": .int],
        columns: ["is_dirty": .boolean, "last_repair": .timestamp, "state": .text]
    ) { snapshot, rows in
        var tables: [TableID: TableDefinition] = [:]
        for table in snapshot.state.tables.values.flatMap(\.values) { tables[table.id] = table }
        let known = snapshot.activity.sliceRepairs.compactMap { slice in
            tables[slice.table].map { (table: $0, slice: slice) }
        }
        for (table, slice) in known.sorted(by: {
            ($0.table.keyspace, $0.table.name, $0.slice.slice)
                < ($1.table.keyspace, $1.table.name, $1.slice.slice)
        }) {
            rows.append([
                "keyspace_name": .text(table.keyspace),
                "table_name": .text(table.name),
                "slice": .int(slice.slice),
                "is_dirty": .boolean(slice.isDirty),
                "last_repair": slice.lastRepairSeconds.map(EncodedValue.timestamp(seconds:))
                    ?? .null,
                "state": .text(slice.state.rawValue),
            ])
        }
    }

    private static let repairRuns = SystemTable(
        "system_martlet",
        "repair_runs",
        number: 53,
        comment: "the repairs that this node runs or ran",
        partitionKey: ["id": .uuid],
        columns: [
            "bytes_streamed": .bigint, "error": .text, "keyspace_name": .text,
            "rows_streamed": .bigint, "slices_done": .int, "slices_total": .int,
            "started": .timestamp, "state": .text, "table_name": .text,
        ]
    ) { snapshot, rows in
        for run in snapshot.activity.repairRuns {
            rows.append([
                "id": .uuid(run.id),
                "bytes_streamed": .bigint(run.bytesStreamed),
                "error": run.error.map(EncodedValue.text) ?? .null,
                "keyspace_name": run.keyspace.map(EncodedValue.text) ?? .null,
                "rows_streamed": .bigint(run.rowsStreamed),
                "slices_done": .int(run.slicesDone),
                "slices_total": .int(run.slicesTotal),
                "started": .timestamp(seconds: run.startedSeconds),
                "state": .text(run.state.rawValue),
                "table_name": run.table.map(EncodedValue.text) ?? .null,
            ])
        }
    }

    private static let hints = SystemTable(
        "system_martlet",
        "hints",
        number: 54,
        comment: "the hints that this node keeps for others",
        partitionKey: ["target": .uuid],
        columns: ["address": .inet, "bytes": .bigint, "count": .bigint, "oldest": .timestamp]
    ) { snapshot, rows in
        for queue in snapshot.activity.hints.sorted(by: { $0.target < $1.target }) {
            let node = snapshot.state.nodes[queue.target]
            rows.append([
                "target": .uuid(queue.target),
                "address": node.map { .inet($0.address) } ?? .null,
                "bytes": .bigint(queue.bytes),
                "count": .bigint(queue.count),
                "oldest": queue.oldestMillis.map(EncodedValue.timestamp(millis:)) ?? .null,
            ])
        }
    }

    private static let memory = SystemTable(
        "system_martlet",
        "memory",
        number: 55,
        comment: "how this node's memory limit is divided",
        partitionKey: ["consumer": .text],
        columns: ["limit_bytes": .bigint, "used_bytes": .bigint]
    ) { snapshot, rows in
        for share in snapshot.activity.memory {
            rows.append([
                "consumer": .text(share.consumer),
                "limit_bytes": share.limitBytes.map(EncodedValue.bigint) ?? .null,
                "used_bytes": share.usedBytes.map(EncodedValue.bigint) ?? .null,
            ])
        }
    }

    /// `hit_ratio` is null before the first look-up.
    private static let caches = SystemTable(
        "system_martlet",
        "caches",
        number: 56,
        comment: "what this node's caches did since it started",
        partitionKey: ["name": .text],
        columns: [
            "capacity_bytes": .bigint, "entries": .bigint, "evictions": .bigint,
            "hit_ratio": .double, "hits": .bigint, "misses": .bigint, "stale_fills": .bigint,
            "used_bytes": .bigint,
        ]
    ) { snapshot, rows in
        for cache in snapshot.activity.caches {
            let (hits, misses) = (Double(cache.hits), Double(cache.misses))
            rows.append([
                "name": .text(cache.name),
                "capacity_bytes": cache.capacityBytes.map(EncodedValue.bigint) ?? .null,
                "entries": cache.entries.map(EncodedValue.bigint) ?? .null,
                "evictions": cache.evictions.map(EncodedValue.bigint) ?? .null,
                "hit_ratio": hits + misses > 0 ? .double(hits / (hits + misses)) : .null,
                "hits": .bigint(cache.hits),
                "misses": .bigint(cache.misses),
                "stale_fills": cache.staleFills.map(EncodedValue.bigint) ?? .null,
                "used_bytes": cache.usedBytes.map(EncodedValue.bigint) ?? .null,
            ])
        }
    }
}
