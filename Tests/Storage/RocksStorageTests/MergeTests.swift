import RocksStorage
import Storage
import Testing

@Suite struct MergeTests {
    @Test(arguments: 0..<6)
    func `merging through RocksDB equals merging in memory`(seed: UInt64) throws {
        let disk = try SimulatedDisk(seed: seed)
        var generator = SeededGenerator(seed: seed)
        var options = RocksOptions.small()
        if seed % 2 == 1 { options.rowCacheBytes = 0 }
        var store = try RocksStore(on: disk, options: options)
        var model: [[UInt8]: Set<UInt32>] = [:]
        let keys = (0..<40).map { bytes("row\($0)") }
        for _ in 0..<300 {
            switch Int.random(in: 0..<100, using: &generator) {
            case 0..<80:
                var writes = StoreWrites()
                for _ in 0..<Int.random(in: 1...8, using: &generator) {
                    let key = keys[Int.random(in: 0..<keys.count, using: &generator)]
                    let number = UInt32.random(in: 0..<200, using: &generator)
                    writes.merge(NumberSet.encode([number]), into: key)
                    model[key, default: []].insert(number)
                }
                try store.commit(writes)
            case 80..<88: try store.flush()
            case 88..<92: try store.compact()
            case 92..<95:
                store.close()
                store = try RocksStore(on: disk, options: options)
            default: break
            }
            let wanted = keys.shuffled(using: &generator).prefix(10)
            let expected = wanted.map { key in model[key].map { NumberSet.encode($0) } }
            #expect(try store.read(Array(wanted)) == expected)
        }
        let all = try store.scan(from: [], to: nil, limit: 1_000)
        #expect(all.map(\.key) == model.keys.sorted { $0.lexicographicallyPrecedes($1) })
        #expect(all.allSatisfy { NumberSet.decode($0.value) == model[$0.key] })
    }

    @Test func `rows of Martlet's format merge by default`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(options: .small(), environment: disk.environment())
        // No rows at all: the merge keeps what it cannot decode instead of failing.
        let pieces = [bytes("no row"), bytes("neither"), RowMerge.emptyRow]
        for (index, piece) in pieces.enumerated() {
            var writes = StoreWrites()
            writes.merge(piece, into: bytes("a"))
            try store.commit(writes)
            if index == 1 { try store.flush() }
        }
        let merged = RowMerge.merge(pieces)
        #expect(try store.read([bytes("a")]) == [merged])
        try store.compact()
        #expect(try store.read([bytes("a")]) == [merged])
        #expect(store.failure == nil)
    }

    @Test func `a dropped prefix takes its rows and no others`() throws {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.commitGroupBytesMax = 1 << 10  // Many pieces.
        var store = try RocksStore(on: disk, options: options)
        for table in UInt8(1)...3 {
            var writes = StoreWrites()
            for number in UInt32(0)..<300 {
                writes.merge(NumberSet.encode([number]), into: [table] + NumberSet.encode([number]))
            }
            try store.commit(writes)
            if table == 1 { try store.flush() }
        }
        let dropped = [UInt8](arrayLiteral: 2) + NumberSet.encode([7])
        #expect(try store.read([dropped]) != [nil])
        var drop = StoreWrites()
        drop.drop(prefix: [2])
        drop.putLocal([1], for: bytes("dropped"))
        try store.commit(drop)
        for round in 0..<3 {
            #expect(try store.scan(from: [], to: nil, limit: 1_000).count == 600)
            #expect(try store.scan(from: [2], to: [3], limit: 1).isEmpty)
            #expect(try store.read([dropped]) == [nil])
            #expect(try store.readLocal(bytes("dropped")) == [1])
            if round == 0 { try store.compact() }
            if round == 1 {
                store.close()
                store = try RocksStore(on: disk, options: options)
            }
        }
        // A straggler after the drop meets no old row, whatever the caches hold.
        try store.commit(.merging(1, into: dropped))
        try store.flush()
        #expect(try store.read([dropped]) == [NumberSet.encode([1])])
        #expect(try store.read([dropped]) == [NumberSet.encode([1])])
    }
}
