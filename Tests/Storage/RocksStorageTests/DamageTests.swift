import Foundation
import RocksStorage
import Storage
import Testing

/// A damaged table file is found, told, and goes with the rows that it held.
@Suite struct DamageTests {
    /// A store whose one file, of rows 100 to 999, has a flipped bit; rows 0 to 9 stand elsewhere.
    private func damagedStore(
        on disk: SimulatedDisk,
        rowCacheBytes: Int,
        isCompacted: Bool
    ) throws -> RocksStore {
        var options = RocksOptions.small()
        options.rowCacheBytes = rowCacheBytes
        let store = try RocksStore(on: disk, options: options)
        try store.commit(rows(100..<1000))
        try store.flush()
        if isCompacted { try store.compact() }
        store.close()
        #expect(disk.flipBits(inFilesEndingWith: ".sst", at: 5000) == 1)
        let reopened = try RocksStore(on: disk, options: options)
        try reopened.commit(rows(0..<10))
        try reopened.flush()
        return reopened
    }

    @Test(arguments: [0, 1 << 20], [false, true])
    func `dropping all that a damaged file holds heals the store`(
        rowCacheBytes: Int,
        isCompacted: Bool
    ) throws {
        let disk = try SimulatedDisk()
        var store = try damagedStore(
            on: disk,
            rowCacheBytes: rowCacheBytes,
            isCompacted: isCompacted
        )
        let error = try #require(
            #expect(throws: StorageError.self) {
                try store.scan(.all, rowsMax: .max, bytesMax: .max)
            }
        )
        let damaged = try #require(store.damagedRange(error))
        #expect(damaged == KeyRange(lower: key(100), upper: key(999) + [0]))
        #expect(store.damagedRange(.closed(path: "")) == nil)

        var drop = StoreWrites()
        drop.drop(range: damaged)
        try store.commit(drop)
        for round in 0..<3 {
            let rest = try store.scan(.all, rowsMax: .max, bytesMax: .max)
            #expect(rest.entries.map(\.key) == (0..<10).map(key))
            #expect(try store.read([key(100), key(500), key(5)])[..<2] == [nil, nil])
            if round == 0 { try store.compact() }
            if round == 1 {
                disk.cutPower()
                store.close()
                disk.restorePower()
                store = try RocksStore(on: disk, options: store.options)
            }
        }
        // Rebuilt from replicas: the rows are written again, and compactions work.
        try store.commit(rows(100..<1000))
        try store.flush()
        try store.compact()
        #expect(try store.scan(.all, rowsMax: .max, bytesMax: .max).entries.count == 910)
        try store.commit(rows(0..<1))
        #expect(store.failure == nil)
    }

    @Test(arguments: [false, true])
    func `dropping a part of a damaged file is an error, and the store goes on`(
        isCompacted: Bool
    ) throws {
        let disk = try SimulatedDisk()
        let store = try damagedStore(on: disk, rowCacheBytes: 0, isCompacted: isCompacted)
        for range in [
            KeyRange(lower: key(100), upper: key(999)), KeyRange(lower: key(101), upper: nil),
        ] {
            var drop = StoreWrites()
            drop.drop(range: range)
            let error = #expect(throws: StorageError.self) { try store.commit(drop) }
            guard case .corruption = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        #expect(store.failure == nil)
        try store.commit(rows(5..<20))
        #expect(try store.read([key(5), key(15)]).allSatisfy { $0 != nil })
    }

    @Test func `a damaged file of level 0 above others is an error, and nothing comes back`()
        throws
    {
        let disk = try SimulatedDisk()
        var store = try RocksStore(on: disk)
        try store.commit(rows(0..<1000))
        try store.flush()
        try store.compact()
        var drop = StoreWrites()
        drop.drop(range: KeyRange(lower: key(300), upper: key(350)))
        try store.commit(drop)
        try store.commit(rows(350..<700))
        try store.flush()
        store.close()
        #expect(disk.flipBits(inFilesEndingWith: ".sst", at: 10) == 2)
        store = try RocksStore(on: disk)
        drop.drop(range: KeyRange(lower: key(300), upper: key(800)))
        let error = #expect(throws: StorageError.self) { try store.commit(drop) }
        guard case .corruption = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(store.failure == nil)
        #expect(throws: StorageError.self) { try store.read([key(320)]) }
        #expect(throws: StorageError.self) { try store.read([key(5)]) }
        try store.commit(rows(2000..<2001))
    }

    @Test func `a damaged file of level 0 above others is taken out while the store is closed`()
        throws
    {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.compactsByItself = false
        var store = try RocksStore(on: disk, options: options)
        try store.commit(rows(0..<1000))
        try store.flush()
        try store.compact()
        try store.commit(rows(350..<700))
        try store.flush()
        let newest = (1...99).map { "0000\($0 < 10 ? "0" : "")\($0).sst" }
            .last { disk.failReads(ofFilesEndingWith: $0, before: 0) == 1 }
        let name = try #require(newest)
        store.close()
        #expect(disk.flipBits(inFilesEndingWith: name, at: 500) == 1)

        func remove(_ range: KeyRange) throws -> Int {
            try RocksStore.removeUnreadableFiles(
                inside: range,
                options: options,
                merging: NumberSet.merging,
                environment: disk.environment()
            )
        }
        // Not while it holds more than is to be dropped, nor a second time.
        #expect(try remove(KeyRange(lower: key(351), upper: key(800))) == 0)
        #expect(try remove(KeyRange(lower: key(350), upper: key(800))) == 1)
        #expect(try remove(KeyRange(lower: key(350), upper: key(800))) == 0)
        store = try RocksStore(on: disk, options: options)
        // What it hid is there again, until it is dropped.
        #expect(try store.scan(.all, rowsMax: .max, bytesMax: .max).entries.count == 1000)
        var drop = StoreWrites()
        drop.drop(range: KeyRange(lower: key(350), upper: key(800)))
        try store.commit(drop)
        try store.compact()
        #expect(try store.scan(.all, rowsMax: .max, bytesMax: .max).entries.count == 550)
        #expect(store.failure == nil)
    }

    @Test func `a file that cannot be read goes with the rows that it held`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        try store.commit(rows(100..<1000))
        try store.flush()
        #expect(disk.failReads(ofFilesEndingWith: ".sst", before: 1000) == 1)
        try store.commit(rows(0..<10))
        let error = try #require(
            #expect(throws: StorageError.self) {
                try store.scan(.all, rowsMax: .max, bytesMax: .max)
            }
        )
        #expect(error.asDamage != nil)
        let range = try #require(store.damagedRange(error))
        #expect(range == KeyRange(lower: key(100), upper: key(999) + [0]))
        var drop = StoreWrites()
        drop.drop(range: range)
        try store.commit(drop)
        let rest = try store.scan(.all, rowsMax: .max, bytesMax: .max)
        #expect(rest.entries.map(\.key) == (0..<10).map(key))
        #expect(store.failure == nil)
    }

    @Test func `a compaction that meets damage stops the store, which then heals without one`()
        throws
    {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        var store = try damagedStore(on: disk, rowCacheBytes: 0, isCompacted: true)
        // Level 0 is compacted once it has four files.
        for number in 0..<4 {
            try? store.commit(rows(200 + number..<300))
            try? store.flush()
        }
        for _ in 0..<6000 where store.failure == nil {
            try? store.commit(rows(0..<1))
            usleep(1000)
        }
        let failure = try #require(store.failure)
        store.close()
        var range: KeyRange?
        try RocksStore.amend(
            options: options,
            merging: NumberSet.merging,
            environment: disk.environment()
        ) { store in
            range = store.damagedRange(failure)
            var writes = StoreWrites()
            writes.putLocal([1], for: bytes("mark"))
            return writes
        }
        #expect(range == KeyRange(lower: key(100), upper: key(999) + [0]))
        options.compactsByItself = false
        store = try RocksStore(on: disk, options: options)
        #expect(try store.readLocal(bytes("mark")) == [1])
        var drop = StoreWrites()
        drop.drop(range: KeyRange(lower: key(100), upper: key(1000)))
        if (try? store.commit(drop)) == nil {
            // Above it lie rows of level 0 that are sound.
            store.close()
            #expect(
                try RocksStore.removeUnreadableFiles(
                    inside: KeyRange(lower: key(100), upper: key(1000)),
                    options: options,
                    merging: NumberSet.merging,
                    environment: disk.environment()
                ) == 1
            )
            store = try RocksStore(on: disk, options: options)
            try store.commit(drop)
        }
        try store.compactValues()
        try store.compactRows(true)
        try store.compact()
        let rest = try store.scan(.all, rowsMax: .max, bytesMax: .max)
        #expect(rest.entries.map(\.key) == (0..<10).map(key))
        #expect(store.failure == nil)
    }

    // MARK: The write-ahead log

    @Test func `damage in the log is told, and what can be read of it is kept`() throws {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.compactsByItself = false
        var store = try RocksStore(on: disk, options: options)
        #expect(store.logDamage == nil)
        // Rows go on to a second log, which the node's own values do not: the first one stays.
        var first = StoreWrites()
        first.putLocal([7], for: bytes("node/id"))
        try store.commit(first)
        for number in 0..<4000 { try store.commit(rows(number..<number + 1)) }
        store.close()
        #expect(disk.flipBits(inFilesEndingWith: ".log", at: 2000) >= 1)
        store = try RocksStore(on: disk, options: options)
        #expect(store.logDamage != nil)
        let found = try store.scan(.all, rowsMax: .max, bytesMax: .max).entries.map(\.key)
        // A block of 32 KiB goes with the record, no more of each log.
        #expect((2500..<4000).contains(found.count))
        #expect(try store.readLocal(bytes("node/id")) == [7])
        try store.commit(rows(5000..<5001))
        store.close()
        store = try RocksStore(on: disk, options: options)
        #expect(store.logDamage == nil, "a real disk has a marker for that")
        #expect(try store.read([key(5000)]) != [nil])
    }

    @Test func `damage in the log is told until somebody says that it is written down`() throws {
        let folder = TemporaryFolder()
        let options = RocksOptions.small(path: folder.path + "/rows")
        func open() throws -> RocksStore {
            try RocksStore(options: options, merging: NumberSet.merging)
        }
        var store = try open()
        for number in 0..<100 { try store.commit(rows(number..<number + 1)) }
        store.close()
        let log = try #require(
            FileManager.default.enumerator(atPath: options.path)?
                .compactMap { $0 as? String }.first { $0.hasSuffix(".log") }
        )
        let path = options.path + "/" + log
        var content = try #require(FileManager.default.contents(atPath: path))
        content[1000] ^= 1
        #expect(FileManager.default.createFile(atPath: path, contents: content))
        for _ in 0..<3 {
            store = try open()
            #expect(store.logDamage != nil)
            try store.commit(rows(200..<201))
            try store.flush()
            store.close()
        }
        store = try open()
        try store.forgetLogDamage()
        store.close()
        store = try open()
        #expect(store.logDamage == nil)
        #expect(try store.read([key(200)]) != [nil])
        store.close()
    }

    @Test func `a log that a loss of power cut short is not damaged`() throws {
        for seed in UInt64(0)..<40 {
            let disk = try SimulatedDisk(seed: seed)
            var options = RocksOptions.small()
            options.syncMode = .periodic(.seconds(60))
            var store = try RocksStore(on: disk, options: options)
            for number in 0..<50 { try store.commit(rows(number..<number + 1)) }
            disk.cutPower()
            store.close()
            disk.restorePower(torn: true)
            store = try RocksStore(on: disk, options: options)
            #expect(store.logDamage == nil)
            store.close()
        }
    }

    /// A disk with rows 0 to 11, a value of the node's own and hints of which a file has a flipped
    /// bit.
    private func diskWithDamagedHints() throws -> SimulatedDisk {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        var writes = rows(0..<10)
        writes.putLocal([7], for: bytes("node/id"))
        for number in 0..<300 {
            writes.putHint([UInt8](repeating: 9, count: 100), for: key(number))
        }
        try store.commit(writes)
        try store.flush()
        // These stand in the log only.
        var late = rows(10..<12)
        late.putHint([1], for: key(300))
        try store.commit(late)
        store.close()
        #expect(disk.flipBits(inFilesEndingWith: ".sst", at: 5000) == 1)
        return disk
    }

    private func dropHints(on disk: SimulatedDisk) throws {
        var first = StoreWrites()
        first.putLocal([8], for: bytes("node/lost-hints"))
        try RocksStore.dropHints(
            options: .small(),
            first: first,
            merging: NumberSet.merging,
            environment: disk.environment()
        )
    }

    private func hints(_ store: RocksStore) throws -> [[UInt8]] {
        try store.scanHints(.all, limit: .max, bytesMax: .max).map(\.value)
    }

    @Test func `damaged hints are an error, and are not dropped while the store is open`() throws {
        let disk = try diskWithDamagedHints()
        let store = try RocksStore(on: disk)
        let damage = #expect(throws: StorageError.self) { try hints(store) }
        let refusal = #expect(throws: StorageError.self) { try dropHints(on: disk) }
        switch (damage, refusal) {
        case (.corruption, .locked): break
        default: Issue.record("\(String(describing: damage)), \(String(describing: refusal))")
        }
        store.close()
    }

    @Test func `damaged hints are dropped, and all else stays`() throws {
        let disk = try diskWithDamagedHints()
        // Twice is harmless: a crash may come between.
        try dropHints(on: disk)
        try dropHints(on: disk)
        for round in 0..<2 {
            let store = try RocksStore(on: disk)
            #expect(try hints(store).count == round)
            #expect(try store.readLocal(bytes("node/id")) == [7])
            #expect(try store.readLocal(bytes("node/lost-hints")) == [8])
            let rest = try store.scan(.all, rowsMax: .max, bytesMax: .max)
            #expect(rest.entries.map(\.key) == (0..<12).map(key))
            var hint = StoreWrites()
            hint.putHint([2], for: key(1))
            try store.commit(hint)
            try store.flush()
            try store.compact()
            #expect(try hints(store) == [[2]])
            #expect(store.failure == nil)
            disk.cutPower()
            store.close()
            disk.restorePower()
        }
    }
}
