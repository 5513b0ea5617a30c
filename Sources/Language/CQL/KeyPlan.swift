internal import CQLSyntax
internal import Catalog
internal import PeerMessages
internal import Storage
internal import TokenPlacement

/// Where a component of the partition key takes its values from.
package enum KeySource: Hashable, Sendable {
    /// `k = value`.
    case one(ValueSource)
    /// `k IN (value, value)`.
    case several([ValueSource])
    /// `k IN ?`: the marker with this index, a list.
    case listMarker(Int)
}

/// The partition keys that a WHERE names.
struct KeyPlan: Sendable {
    let table: TableDefinition
    /// One per component of the partition key, in its order.
    let sources: [KeySource]

    /// The markers that are lists, which binding takes apart itself.
    var listMarkers: Set<Int> {
        var indices: Set<Int> = []
        for case .listMarker(let index) in sources { indices.insert(index) }
        return indices
    }

    /// `pk_indexes`: where each component is one marker.
    var markers: [UInt16]? {
        var indices: [UInt16] = []
        for source in sources {
            guard case .one(.marker(let index)) = source, let index = UInt16(exactly: index) else {
                return nil
            }
            indices.append(index)
        }
        return indices
    }

    /// The partitions, each once, in the order in which they are first named; the last component
    /// varies fastest.
    func partitions(
        _ values: CheckedValues,
        countMax: Int
    ) throws(CQLError) -> [PartitionRef] {
        var components: [[[UInt8]]] = []
        var count = 1
        for (index, source) in sources.enumerated() {
            let component = try self.component(index, source, values, countMax: countMax)
            let (product, isOver) = count.multipliedReportingOverflow(by: component.count)
            count = isOver ? .max : product
            components.append(component)
        }
        guard count <= countMax else { throw Self.tooMany(count, limit: countMax) }
        guard count > 1 else {
            return count == 0 ? [] : [try Self.partition(components.map { $0[0] })]
        }
        var partitions = DistinctPartitions(capacity: count)
        if components.count == 1 {
            for value in components[0] { partitions.add(try Self.partition([value])) }
            return partitions.all
        }
        var places = Array(repeating: 0, count: components.count)
        for _ in 0..<count {
            partitions.add(
                try Self.partition(components.indices.map { components[$0][places[$0]] })
            )
            for index in components.indices.reversed() {
                places[index] += 1
                if places[index] < components[index].count { break }
                places[index] = 0
            }
        }
        return partitions.all
    }

    /// The partition of values of the key's components.
    static func partition(_ values: [[UInt8]]) throws(CQLError) -> PartitionRef {
        do {
            return PartitionRef(key: try PartitionKeyCoding.encode(values))
        } catch {
            throw .invalid(error.description)
        }
    }

    /// A component of a table's partition key, as errors name it.
    static func subject(_ index: Int, of table: TableDefinition) -> String {
        "partition key column \(table.columns[index].name) of \(table.qualifiedName)"
    }

    /// The bytes of a partition key that are one component's value; nil if there is no such one.
    static func range(
        component: Int,
        of key: [UInt8],
        _ componentCount: Int
    ) -> Range<Int>? {
        guard componentCount > 1 else { return component == 0 ? key.indices : nil }
        var start = 0
        var place = 0
        while key.count - start >= 3 {
            let length = Int(key[start]) << 8 | Int(key[start + 1])
            let end = start + 2 + length
            guard end < key.count else { return nil }
            if place == component { return start + 2..<end }
            place += 1
            start = end + 1
        }
        return nil
    }

    private func subject(_ index: Int) -> String { Self.subject(index, of: table) }

    private func component(
        _ index: Int,
        _ source: KeySource,
        _ values: CheckedValues,
        countMax: Int
    ) throws(CQLError) -> [[UInt8]] {
        switch source {
        case .one(let source): return [try value(index, source, values)]
        case .several(let sources):
            guard sources.count <= countMax else {
                throw Self.tooMany(sources.count, limit: countMax)
            }
            var found: [[UInt8]] = []
            found.reserveCapacity(sources.count)
            for source in sources { found.append(try value(index, source, values)) }
            return found
        case .listMarker(let marker):
            let list = try values.required(.marker(marker), "the list of IN of \(subject(index))")
            return try elements(of: list, index, countMax: countMax)
        }
    }

    private func value(
        _ index: Int,
        _ source: ValueSource,
        _ values: CheckedValues
    ) throws(CQLError) -> [UInt8] {
        let value = try values.required(source, subject(index))
        try Self.checkNotEmpty(value, subject(index))
        return value
    }

    /// Throws if a component's value has no bytes.
    static func checkNotEmpty(
        _ value: [UInt8],
        _ subject: @autoclosure () -> String
    ) throws(CQLError) {
        guard !value.isEmpty else {
            throw .invalid("Key may not be empty: \(subject()) was given a value of 0 bytes")
        }
    }

    /// Takes a bound list apart: a count, then each value behind its length.
    private func elements(
        of list: [UInt8],
        _ index: Int,
        countMax: Int
    ) throws(CQLError) -> [[UInt8]] {
        func length(at offset: Int) -> Int? {
            guard list.count - offset >= 4 else { return nil }
            var bits: UInt32 = 0
            for byte in list[offset..<offset + 4] { bits = bits << 8 | UInt32(byte) }
            return Int(Int32(bitPattern: bits))
        }
        func malformed() -> CQLError {
            .invalid(
                "the list of IN of \(subject(index)) is malformed: its elements' lengths do not "
                    + "fit its \(list.count) bytes"
            )
        }
        guard let count = length(at: 0), count >= 0 else { throw malformed() }
        guard count <= countMax else { throw Self.tooMany(count, limit: countMax) }
        let type = table.columns[index].type
        var found: [[UInt8]] = []
        found.reserveCapacity(min(count, list.count / 4))
        var offset = 4
        for _ in 0..<count {
            guard let length = length(at: offset) else { throw malformed() }
            guard length >= 0 else {
                throw .invalid("Invalid null value in the list of IN of \(subject(index))")
            }
            guard list.count - offset - 4 >= length else { throw malformed() }
            let value = Array(list[offset + 4..<offset + 4 + length])
            offset += 4 + length
            try Self.checkNotEmpty(value, subject(index))
            try Marker.check(value, type, "each element of IN of \(subject(index))")
            found.append(value)
        }
        guard offset == list.count else { throw malformed() }
        return found
    }

    private static func tooMany(_ count: Int, limit: Int) -> CQLError {
        .invalid(
            "the statement names \(count) keys, the limit is \(limit): ask for fewer at a time"
        )
    }
}

/// Partitions in the order of their first appearance, each once.
private struct DistinctPartitions {
    private(set) var all: [PartitionRef] = []
    /// The first partition of each token: comparing 64 bits is cheaper than hashing keys again.
    private var firstByToken: [Token: Int] = [:]

    init(capacity: Int) {
        all.reserveCapacity(capacity)
        firstByToken.reserveCapacity(capacity)
    }

    mutating func add(_ partition: PartitionRef) {
        if let first = firstByToken[partition.token] {
            // Different keys with one token are possible, if improbable.
            if all[first].key == partition.key || all.contains(partition) { return }
        } else {
            firstByToken[partition.token] = all.count
        }
        all.append(partition)
    }
}
