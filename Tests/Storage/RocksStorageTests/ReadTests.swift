import RocksStorage
import Storage
import Testing

@Suite struct ReadTests {
    @Test func `a batch of reads answers in the order of its keys`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        var writes = StoreWrites()
        for number in UInt32(0)..<1_500 where number % 3 == 0 {
            writes.merge(NumberSet.encode([number]), into: key(number))
        }
        try store.commit(writes)
        var generator = SeededGenerator(seed: 3)
        for round in 0..<4 {
            if round == 2 { try store.flush() }
            // More than one call into RocksDB, unsorted, with repeated and absent keys.
            let wanted = (0..<1_200).map { _ in UInt32.random(in: 0..<1_500, using: &generator) }
            let rows = try store.read(wanted.map(key))
            #expect(rows == wanted.map { $0 % 3 == 0 ? NumberSet.encode([$0]) : nil })
            let sorted = wanted.sorted()
            let sortedRows = try store.read(sorted.map(key), sorted: true)
            #expect(sortedRows == sorted.map { $0 % 3 == 0 ? NumberSet.encode([$0]) : nil })
        }
    }

    @Test func `reading no keys, an absent key, an empty key and an empty row works`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        #expect(try store.read([]) == [])
        #expect(try store.read([bytes("a")]) == [nil])
        #expect(try store.read([[]]) == [nil])
        var writes = StoreWrites()
        writes.merge([], into: bytes("empty"))
        try store.commit(writes)
        #expect(try store.read([bytes("empty"), bytes("emptx")]) == [[], nil])
        try store.compact()
        #expect(try store.read([bytes("empty")]) == [[]])
    }

    @Test func `memory answers what it holds and says when the disk is needed`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        try store.commit(.merging(5, into: bytes("a")))
        #expect(try store.readFromMemory(bytes("a")) == .found(NumberSet.encode([5])))
        #expect(try store.readFromMemory(bytes("b")) == .absent)
        try store.flush()
        store.close()
        let reopened = try RocksStore(on: disk)
        #expect(try reopened.readFromMemory(bytes("a")) == .needsDisk)
        #expect(try reopened.read([bytes("a")]) == [NumberSet.encode([5])])
        #expect(try reopened.readFromMemory(bytes("a")) == .found(NumberSet.encode([5])))
    }

    @Test func `a scan is ordered and bounded by its keys and its limit`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        var writes = StoreWrites()
        for number in UInt32(0)..<20 { writes.merge(NumberSet.encode([number]), into: key(number)) }
        try store.commit(writes)
        #expect(try store.scan(from: key(3), to: key(7), limit: 100).map(\.key) == (3..<7).map(key))
        #expect(try store.scan(from: key(3), to: nil, limit: 2).map(\.key) == [key(3), key(4)])
        #expect(try store.scan(from: [], to: nil, limit: 100).count == 20)
        #expect(try store.scan(from: key(7), to: key(3), limit: 100).isEmpty)
        #expect(try store.scan(from: key(7), to: key(7), limit: 100).isEmpty)
        #expect(try store.scan(from: [], to: [], limit: 100).isEmpty)
        #expect(try store.scan(from: [], to: nil, limit: 0).isEmpty)
    }

    @Test func `local values are found by key and by prefix, apart from rows`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        var writes = StoreWrites()
        for name in ["log/1", "log/2", "log/3", "loh", "host"] {
            writes.putLocal(bytes(name), for: bytes(name))
        }
        writes.putLocal([9], for: [0xFF, 0xFF])
        try store.commit(writes)
        #expect(
            try store.scanLocal(prefix: bytes("log/")).map(\.key)
                == [bytes("log/1"), bytes("log/2"), bytes("log/3")]
        )
        #expect(
            try store.scanLocal(prefix: bytes("log/"), from: bytes("log/2"), limit: 1).map(\.key)
                == [bytes("log/2")]
        )
        #expect(try store.scanLocal(prefix: [0xFF]).map(\.key) == [[0xFF, 0xFF]])
        #expect(try store.readLocal(bytes("nothing")) == nil)
        #expect(try store.read([bytes("host")]) == [nil])
        var removal = StoreWrites()
        removal.deleteLocal(bytes("log/2"))
        try store.commit(removal)
        #expect(try store.readLocal(bytes("log/2")) == nil)
        #expect(try store.scanLocal(prefix: []).count == 5)
    }

    @Test func `a flipped bit in a table file is a corruption error, never an absent row`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        try store.commit(.merging(5, into: bytes("a")))
        try store.flush()
        store.close()
        #expect(disk.flipBits(inFilesEndingWith: ".sst", at: 10) > 0)
        let reopened = try RocksStore(on: disk)
        for attempt in [
            { try reopened.read([bytes("z"), bytes("a")]).count },
            { try reopened.scan(from: [], to: nil, limit: 10).count },
        ] as [() throws -> Int] {
            let error = #expect(throws: StorageError.self) { try attempt() }
            guard case .corruption = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    private func key(_ number: UInt32) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { bytes("k") + $0 }
    }
}
