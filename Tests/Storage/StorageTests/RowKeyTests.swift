import Catalog
import Storage
import Testing
import TokenPlacement

@Suite struct RowKeyTests {
    private func randomKey(_ random: inout SeededGenerator) -> RowKey {
        let tokens: [Int64] = [.min, .min + 1, -2, -1, 0, 1, .max - 1, .max]
        let alphabet: [UInt8] = [0, 1, 0x10, 0x40, 0xFE, 0xFF]
        return RowKey(
            table: TableID(random.pick([0, 1, 255, 256, .max - 1, .max])),
            token: Token(random.pick(tokens)),
            partitionKey: (0..<random.below(5)).map { _ in random.pick(alphabet) }
        )
    }

    @Test func `keys sort in the store by table, token and partition key`() throws {
        var random = SeededGenerator(seed: 41)
        for _ in 0..<5000 {
            let (left, right) = (randomKey(&random), randomKey(&random))
            let (leftBytes, rightBytes) = (left.encoded, right.encoded)
            let isBefore =
                if left.table.value != right.table.value {
                    left.table.value < right.table.value
                } else if left.token.value != right.token.value {
                    left.token.value < right.token.value
                } else {
                    left.partitionKey.lexicographicallyPrecedes(right.partitionKey)
                }
            #expect(leftBytes.lexicographicallyPrecedes(rightBytes) == isBefore)
            #expect((left < right) == isBefore)
            #expect(try RowKey(decoding: leftBytes) == left)
        }
    }

    @Test func `within a partition tombstones and the static row sort first`() {
        for partitionKey: [UInt8] in [[], [0], [0xFF, 0]] {
            let key = RowKey(table: TableID(1), token: Token(0), partitionKey: partitionKey)
            let kinds: [RowKey.Kind] = [.partitionTombstone, .rangeTombstone, .staticRow, .row]
            let keys = kinds.map { key.encoded($0) }
            for (left, right) in zip(keys, keys.dropFirst()) {
                #expect(left.lexicographicallyPrecedes(right))
            }
            // And nothing of another partition comes between.
            let other = RowKey(
                table: TableID(1),
                token: Token(0),
                partitionKey: partitionKey + [0]
            )
            #expect(keys[3].lexicographicallyPrecedes(other.encoded(.partitionTombstone)))
        }
    }

    @Test func `noise and pieces of keys are refused or read exactly`() {
        var random = SeededGenerator(seed: 42)
        for _ in 0..<5000 {
            var bytes = randomKey(&random).encoded
            switch random.below(3) {
            case 0: bytes = Array(bytes.prefix(random.below(bytes.count)))
            case 1: bytes[random.below(bytes.count)] = UInt8(random.below(256))
            default: bytes += random.bytes(atMost: 3)
            }
            if let key = try? RowKey(decoding: bytes) { #expect(key.encoded == bytes) }
        }
    }

    @Test func `wrong keys are refused by name`() {
        let key = RowKey(table: TableID(1), token: Token(2), partitionKey: [3])
        #expect(throws: KeyFormatError.notARow(kind: 0x30)) {
            try RowKey(decoding: key.encoded(.staticRow))
        }
        #expect(throws: KeyFormatError.trailingBytes(count: 2)) {
            try RowKey(decoding: key.encoded + [1, 2])
        }
        #expect(throws: KeyFormatError.truncated(byteCount: 0)) { try RowKey(decoding: []) }
        var bytes = key.encoded
        bytes[14] = 7
        #expect(throws: KeyFormatError.malformedEscape(offset: 14)) { try RowKey(decoding: bytes) }
    }

    @Test func `slices cut a table into ranges without gap or overlap`() {
        let table = TableID(7)
        let cuts: [Int64] = [.min, -4_611_686_018_427_387_904, 0, 4_611_686_018_427_387_904]
        let slices = cuts.indices.map { index in
            let last = index + 1 < cuts.count ? cuts[index + 1] - 1 : .max
            return RowKey.sliceRange(table: table, tokens: Token(cuts[index])...Token(last))
        }
        for (left, right) in zip(slices, slices.dropFirst()) { #expect(left.upper == right.lower) }
        #expect(slices[3].upper == RowKey.tablePrefix(TableID(8)))
        var random = SeededGenerator(seed: 43)
        for _ in 0..<2000 {
            let token = Token(Int64(bitPattern: random.next()))
            let key = RowKey(table: table, token: token, partitionKey: random.bytes(atMost: 3))
            let index = cuts.lastIndex { $0 <= token.value } ?? 0
            for (other, slice) in slices.enumerated() {
                #expect(slice.contains(key.encoded) == (other == index))
            }
            #expect(RowKey.tableRange(table).contains(key.encoded))
            #expect(!RowKey.tableRange(TableID(6)).contains(key.encoded))
        }
        let last = RowKey.sliceRange(table: TableID(.max), tokens: Token(.max)...Token(.max))
        #expect(last.upper == nil)
        let greatest = RowKey(
            table: TableID(.max),
            token: Token(.max),
            partitionKey: [0xFF, 0xFF]
        )
        #expect(last.contains(greatest.encoded))
    }

    @Test func `a key's token is its partition key's`() {
        let key = RowKey(table: TableID(1), partitionKey: [0, 0, 0, 1])
        #expect(key.token == Token(partitionKey: [0, 0, 0, 1]))
    }

    @Test func `one column is stored as it is, several as a composite`() throws {
        #expect(try PartitionKeyCoding.encode([[1, 2]]) == [1, 2])
        #expect(try PartitionKeyCoding.encode([[]]) == [])
        #expect(
            try PartitionKeyCoding.encode([[0xAB], [], [1, 2]])
                == [0, 1, 0xAB, 0, 0, 0, 0, 0, 2, 1, 2, 0]
        )
        var random = SeededGenerator(seed: 44)
        for _ in 0..<1000 {
            let values = (0...random.below(4)).map { _ in random.bytes(atMost: 300) }
            let bytes = try PartitionKeyCoding.encode(values)
            #expect(try PartitionKeyCoding.decode(bytes, columnCount: values.count) == values)
            let noise = random.bytes(atMost: 12)
            if let parts = try? PartitionKeyCoding.decode(noise, columnCount: 2) {
                #expect(try PartitionKeyCoding.encode(parts) == noise)
            }
        }
    }

    @Test func `partition keys that cannot be are refused`() throws {
        #expect(throws: KeyFormatError.noColumns) { try PartitionKeyCoding.encode([]) }
        #expect(throws: KeyFormatError.noColumns) {
            try PartitionKeyCoding.decode([1], columnCount: 0)
        }
        let longest = [UInt8](repeating: 1, count: 65_535)
        #expect(try PartitionKeyCoding.encode([longest]) == longest)
        #expect(throws: KeyFormatError.tooLong(limit: 65_535, actual: 65_536)) {
            try PartitionKeyCoding.encode([longest + [1]])
        }
        #expect(throws: KeyFormatError.tooLong(limit: 65_535, actual: 65_542)) {
            try PartitionKeyCoding.encode([longest, [1]])
        }
        for bytes: [UInt8] in [[], [0, 1, 5, 0], [0, 1, 5, 1, 0, 0, 0], [0, 9, 5, 0, 0, 0, 0]] {
            #expect(throws: KeyFormatError.notComposite(columnCount: 2)) {
                try PartitionKeyCoding.decode(bytes, columnCount: 2)
            }
        }
        #expect(throws: KeyFormatError.notComposite(columnCount: 2)) {
            try PartitionKeyCoding.decode([0, 0, 0, 0, 0, 0, 0, 0, 0], columnCount: 2)
        }
    }
}
