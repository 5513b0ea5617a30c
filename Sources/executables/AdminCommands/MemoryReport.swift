/// What `martlet status --memory` adds: how each node's memory is divided.
struct MemoryReport {
    private struct Answer: Sendable {
        var memory: [MemoryRow]
        var caches: [CacheRow]
    }

    private let survey: NodeSurvey<Answer>

    /// Asks the nodes.
    init(_ options: ClusterOptions, _ nodes: [NodeRow]) async throws {
        survey = try await options.askEach(nodes) { _, client in
            Answer(memory: try await client.memoryRows(), caches: try await client.cacheRows())
        }
    }

    var lines: [String] {
        func size(_ bytes: Int64?) -> String { bytes.map { byteText(Int($0)) } ?? "" }
        func count(_ number: Int64?) -> String { number.map { grouped(Int($0)) } ?? "" }
        var memory = TextTable(["Node", "Memory of", ">Limit", ">Used"])
        var caches = TextTable([
            "Node", "Cache", ">Capacity", ">Used", ">Entries", ">Hits", ">Misses", ">Hit ratio",
            ">Evictions", ">Stale fills",
        ])
        for (node, answer) in survey.answers {
            for row in answer.memory {
                memory.append([
                    node.place, row.consumer, size(row.limit_bytes), size(row.used_bytes),
                ])
            }
            for row in answer.caches {
                caches.append([
                    node.place, row.name, size(row.capacity_bytes), size(row.used_bytes),
                    count(row.entries), count(row.hits), count(row.misses),
                    row.hit_ratio.map(percentText) ?? "", count(row.evictions),
                    count(row.stale_fills),
                ])
            }
        }
        return memory.lines + [""] + caches.lines + survey.problems
    }

    var json: JSONValue {
        .array(
            survey.answers.map { node, answer in
                .object([
                    .init("node", .string(node.place)),
                    .init("consumers", .array(answer.memory.map(\.json))),
                    .init("caches", .array(answer.caches.map(\.json))),
                ])
            }
        )
    }
}

extension MemoryRow {
    fileprivate var json: JSONValue {
        .object([
            .init("consumer", .string(consumer)),
            .init("limit_bytes", .optional(limit_bytes)),
            .init("used_bytes", .optional(used_bytes)),
        ])
    }
}

extension CacheRow {
    fileprivate var json: JSONValue {
        .object([
            .init("name", .string(name)),
            .init("capacity_bytes", .optional(capacity_bytes)),
            .init("used_bytes", .optional(used_bytes)),
            .init("entries", .optional(entries)),
            .init("hits", .integer(hits)),
            .init("misses", .integer(misses)),
            .init("hit_ratio", hit_ratio.map(JSONValue.number) ?? .null),
            .init("evictions", .optional(evictions)),
            .init("stale_fills", .optional(stale_fills)),
        ])
    }
}
