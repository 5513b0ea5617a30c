/// The node's memory limit, split over what takes memory.
///
/// One number is given (`memory_mib`); each consumer gets its share unless its own field says more
/// or less. The sum never exceeds the limit: what is left after the fixed parts is split in
/// proportion, and what one of them cannot use goes to the others.
package struct MemoryPlan: Equatable, Sendable {
    /// Who takes memory.
    package enum Consumer: String, Sendable, CaseIterable {
        /// Merged rows in front of RocksDB.
        case rowCache = "row_cache"
        /// RocksDB's blocks, those of indexes and filters among them.
        case blockCache = "block_cache"
        /// RocksDB's memtables.
        case memtables
        /// What waits for the writer.
        case writerQueue = "writer_queue"
        /// Requests that are under way.
        case requests
        /// Models, loaded and running.
        case inference

        /// The share in a limit that nothing else is said about, in percent.
        var percent: Int {
            switch self {
            case .rowCache: 25
            case .blockCache: 15
            case .memtables: 10
            case .writerQueue: 5
            case .requests: 5
            case .inference: 40
            }
        }

        /// The least that the consumer can work with, in MiB.
        var leastMiB: Int {
            switch self {
            case .rowCache: 0
            case .blockCache, .memtables, .writerQueue, .requests: 4
            case .inference: 16
            }
        }

        /// The most that the consumer can use, in MiB.
        var mostMiB: Int {
            switch self {
            case .rowCache, .blockCache, .requests, .inference: 1 << 20
            case .memtables: 64 << 10
            case .writerQueue: 4 << 10
            }
        }
    }

    /// The whole limit, in MiB.
    package let limitMiB: Int

    private let parts: [Consumer: Int]

    /// The part of a consumer, in MiB.
    package func mebibytes(_ consumer: Consumer) -> Int { parts[consumer] ?? 0 }

    /// The part of a consumer, in bytes.
    package func bytes(_ consumer: Consumer) -> Int { mebibytes(consumer) << 20 }

    /// Splits a limit; nil if the parts do not fit into it.
    ///
    /// - Parameters:
    ///   - limitMiB: the whole, in MiB.
    ///   - given: the parts that were said, in MiB.
    package init?(limitMiB: Int, given: [Consumer: Int]) {
        var given = given
        var parts = Self.split(limitMiB, given: given)
        while let found = parts,
            let full = Consumer.allCases.first(where: {
                given[$0] == nil && found[$0, default: 0] > $0.mostMiB
            })
        {
            given[full] = full.mostMiB
            parts = Self.split(limitMiB, given: given)
        }
        guard let parts else { return nil }
        self.limitMiB = limitMiB
        self.parts = parts
    }

    private static func split(_ limitMiB: Int, given: [Consumer: Int]) -> [Consumer: Int]? {
        let open = Consumer.allCases.filter { given[$0] == nil }
        let rest = limitMiB - given.values.reduce(0, +)
        guard rest >= open.reduce(0, { $0 + $1.leastMiB }) else { return nil }
        let percent = open.reduce(0) { $0 + $1.percent }
        var parts = given
        var left = rest
        for (place, consumer) in open.enumerated() {
            let later = open[(place + 1)...].reduce(0) { $0 + $1.leastMiB }
            let share = max(consumer.leastMiB, rest * consumer.percent / max(1, percent))
            let part = min(share, left - later)
            parts[consumer] = part
            left -= part
        }
        return parts
    }

    /// The smallest plan with some parts.
    package init(leastFor given: [Consumer: Int]) {
        var parts = given
        for consumer in Consumer.allCases where parts[consumer] == nil {
            parts[consumer] = consumer.leastMiB
        }
        limitMiB = parts.values.reduce(0, +)
        self.parts = parts
    }

    /// What the parts take at the least, in MiB.
    package static func leastMiB(given: [Consumer: Int]) -> Int {
        Consumer.allCases.reduce(0) { $0 + (given[$1] ?? $1.leastMiB) }
    }
}
