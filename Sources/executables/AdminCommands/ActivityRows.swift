package import Foundation
internal import Martlet

/// A slice of a node as `system_martlet.slice_repairs` shows it.
package struct SliceRepairRow: Decodable, Hashable, Sendable {
    var keyspace_name: String
    var table_name: String
    var slice: Int
    var is_dirty: Bool?
    var last_repair: Date?
    /// `readable` or `rebuilding`.
    var state: String?

    /// A slice with what is known of its repair.
    package init(
        keyspace: String,
        table: String,
        slice: Int,
        isDirty: Bool = false,
        lastRepair: Date? = nil,
        state: String = "readable"
    ) {
        keyspace_name = keyspace
        table_name = table
        self.slice = slice
        is_dirty = isDirty
        last_repair = lastRepair
        self.state = state
    }
}

/// A repair of a node as `system_martlet.repair_runs` shows it.
package struct RepairRunRow: Decodable, Hashable, Sendable {
    var id: UUID
    var keyspace_name: String?
    var table_name: String?
    /// `running`, `finished` or `failed`.
    var state: String
    var started: Date?
    var slices_done: Int
    var slices_total: Int
    var rows_streamed: Int64
    var bytes_streamed: Int64
    var error: String?

    /// A run with what a test needs of it.
    package init(id: UUID, state: String, slicesDone: Int, slicesTotal: Int, rows: Int64 = 0) {
        self.id = id
        self.state = state
        slices_done = slicesDone
        slices_total = slicesTotal
        rows_streamed = rows
        bytes_streamed = 0
    }

    /// What it repairs, as its statement names it.
    var scope: String {
        guard let keyspace_name else { return "everything" }
        return table_name.map { "\(keyspace_name).\($0)" } ?? keyspace_name
    }

    var isRunning: Bool { state == "running" }
}

/// The hints for a node as `system_martlet.hints` shows them.
package struct HintRow: Decodable, Hashable, Sendable {
    var target: UUID
    var address: String?
    var count: Int64
    var bytes: Int64
    var oldest: Date?
}

/// A part of a node's memory as `system_martlet.memory` shows it.
struct MemoryRow: Decodable, Hashable, Sendable {
    var consumer: String
    var limit_bytes: Int64?
    var used_bytes: Int64?
}

/// A cache of a node as `system_martlet.caches` shows it.
struct CacheRow: Decodable, Hashable, Sendable {
    var name: String
    var entries: Int64?
    var used_bytes: Int64?
    var capacity_bytes: Int64?
    var hits: Int64
    var misses: Int64
    var hit_ratio: Double?
    var evictions: Int64?
    var stale_fills: Int64?
}

extension MartletClient {
    func sliceRepairRows() async throws -> [SliceRepairRow] {
        try await activity("slice_repairs")
    }

    func repairRunRows() async throws -> [RepairRunRow] { try await activity("repair_runs") }

    func hintRows() async throws -> [HintRow] { try await activity("hints") }

    func memoryRows() async throws -> [MemoryRow] { try await activity("memory") }

    func cacheRows() async throws -> [CacheRow] { try await activity("caches") }

    private func activity<Value: Decodable>(_ table: String) async throws -> [Value] {
        try await query("SELECT * FROM system_martlet.\(table)", consistency: .one)
    }
}

/// A moment as people and programs read it: ISO 8601 in UTC, to the second.
func timeText(_ date: Date) -> String { date.formatted(.iso8601) }

extension JSONValue {
    /// A moment, or null.
    static func optional(_ date: Date?) -> JSONValue { date.map { .string(timeText($0)) } ?? .null }
}
