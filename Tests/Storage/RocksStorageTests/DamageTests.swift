import Foundation
import RocksStorage
import Storage
import Testing

/// A damaged table file is found, told, and goes with the rows that it held.
@Suite struct DamageTests {
    private func key(_ number: Int) -> [UInt8] { bytes("k\(10_000 + number)") }

    private func rows(_ numbers: Range<Int>) -> StoreWrites {
        var writes = StoreWrites()
        for number in numbers { writes.merge(NumberSet.encode([1]), into: key(number)) }
        return writes
    }

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

    // MARK: Files that the store does not open with

    /// What somebody or something did to a table file.
    enum Harm: CaseIterable {
        case footer
        case size
        case absence
    }

    /// A folder with a store of two table files of rows, 0 to 99 and 100 to 199, and one of hints.
    private func storeOfFiles() throws -> (folder: TemporaryFolder, options: RocksOptions) {
        let folder = TemporaryFolder()
        var options = RocksOptions.small(path: folder.path + "/rows")
        options.compactsByItself = false
        let store = try RocksStore(options: options, merging: NumberSet.merging)
        var first = StoreWrites()
        first.putLocal([7], for: bytes("node/id"))
        first.putHint([1], for: bytes("hint"))
        try store.commit(first)
        for part in [0..<100, 100..<200] {
            try store.commit(rows(part))
            try store.flush()
        }
        store.close()
        return (folder, options)
    }

    private func files(_ options: RocksOptions, with text: [UInt8]) throws -> [String] {
        let names = try FileManager.default.contentsOfDirectory(atPath: options.path)
        return names.filter { $0.hasSuffix(".sst") }.map { options.path + "/" + $0 }.filter {
            FileManager.default.contents(atPath: $0)?.range(of: Data(text)) != nil
        }
    }

    private func write(_ content: Data, _ path: String) {
        #expect(FileManager.default.createFile(atPath: path, contents: content))
    }

    @Test(arguments: Harm.allCases)
    func `a file that the store does not open with is taken out, and told until it is noted`(
        harm: Harm
    ) throws {
        let (folder, options) = try storeOfFiles()
        defer { withExtendedLifetime(folder) {} }
        let path = try #require(try files(options, with: key(100)).first)
        var content = try #require(FileManager.default.contents(atPath: path))
        switch harm {
        case .footer:
            content[content.count - 3] ^= 1
            write(content, path)
        case .size: write(content.dropLast(10), path)
        case .absence: try FileManager.default.removeItem(atPath: path)
        }
        func open() throws -> RocksStore {
            try RocksStore(options: options, merging: NumberSet.merging)
        }
        let lost = [LostFile.rows(KeyRange(lower: key(100), upper: key(199) + [0]))]
        var store = try open()
        for _ in 0..<2 {
            #expect(store.lostFiles == lost)
            #expect(store.logDamage == nil)
            let rest = try store.scan(.all, rowsMax: .max, bytesMax: .max)
            #expect(rest.entries.map(\.key) == (0..<100).map(key))
            #expect(try store.readLocal(bytes("node/id")) == [7])
            store.close()
            store = try open()
        }
        try store.forgetLostFiles()
        try store.commit(rows(100..<200))
        try store.compact()
        store.close()
        store = try open()
        #expect(store.lostFiles.isEmpty)
        #expect(try store.scan(.all, rowsMax: .max, bytesMax: .max).entries.count == 200)
        store.close()
    }

    @Test func `so many files that they are no chance are left alone`() throws {
        let (folder, options) = try storeOfFiles()
        defer { withExtendedLifetime(folder) {} }
        func open() throws -> RocksStore {
            try RocksStore(options: options, merging: NumberSet.merging)
        }
        var store = try open()
        for part in 2..<6 {
            try store.commit(rows(part * 100..<part * 100 + 100))
            try store.flush()
        }
        store.close()
        let paths = try files(options, with: bytes("k1"))
        #expect(paths.count == 6)
        let contents = paths.map { FileManager.default.contents(atPath: $0) ?? Data() }
        for (path, content) in zip(paths, contents) { write(content.dropLast(30), path) }
        for _ in 0..<2 {
            let error = #expect(throws: StorageError.self) { try open() }
            #expect("\(String(describing: error))".contains("open 6 of 7 table files"))
        }
        for (path, content) in zip(paths, contents) { write(content, path) }
        store = try open()
        #expect(store.lostFiles.isEmpty && store.logDamage == nil)
        #expect(try store.scan(.all, rowsMax: .max, bytesMax: .max).entries.count == 600)
        store.close()
    }

    @Test func `a process without room for files has no damaged disk`() {
        func error(_ text: String) -> StorageError {
            .ioFailure(StorageError.Fault(operation: "read", path: "/store", message: text))
        }
        let opened = "IO error: While open a file for random read: /store/000012.sst: "
        #expect(error(opened + "Too many open files").asDamage == nil)
        #expect(error(opened + "Permission denied").asDamage == nil)
        #expect(error(opened + "Input/output error").asDamage != nil)
        #expect(error(opened + "No such file or directory").asDamage != nil)
    }

    @Test func `a file that the disk does not give at all is taken out too`() throws {
        let disk = try SimulatedDisk()
        let environment = disk.environment(markers: MarkersInMemory())
        var options = RocksOptions.small()
        options.compactsByItself = false
        func open() throws -> RocksStore {
            try RocksStore(options: options, merging: NumberSet.merging, environment: environment)
        }
        var store = try open()
        try store.commit(rows(0..<100))
        try store.flush()
        store.close()
        #expect(disk.failReads(ofFilesEndingWith: ".sst", before: 1 << 20) == 1)
        store = try open()
        #expect(store.lostFiles == [.rows(KeyRange(lower: key(0), upper: key(99) + [0]))])
        #expect(try store.scan(.all, rowsMax: .max, bytesMax: .max).entries.isEmpty)
        store.close()
    }

    @Test func `a file of hints that the store does not open with is taken out too`() throws {
        let (folder, options) = try storeOfFiles()
        defer { withExtendedLifetime(folder) {} }
        // The log still has them all: only a file that the manifest knows can be missed.
        var store = try RocksStore(options: options, merging: NumberSet.merging)
        store.close()
        let path = try #require(try files(options, with: bytes("hint")).first)
        let content = try #require(FileManager.default.contents(atPath: path))
        write(content.dropLast(1), path)
        store = try RocksStore(options: options, merging: NumberSet.merging)
        #expect(store.lostFiles == [.hints])
        #expect(try store.scan(.all, rowsMax: .max, bytesMax: .max).entries.count == 200)
        store.close()
    }

    @Test func `a file of the node's own values is not taken out`() throws {
        let (folder, options) = try storeOfFiles()
        defer { withExtendedLifetime(folder) {} }
        try RocksStore(options: options, merging: NumberSet.merging).close()
        let path = try #require(try files(options, with: bytes("node/id")).first)
        let content = try #require(FileManager.default.contents(atPath: path))
        write(content.dropLast(1), path)
        for _ in 0..<2 {
            let error = #expect(throws: StorageError.self) {
                try RocksStore(options: options, merging: NumberSet.merging)
            }
            #expect("\(String(describing: error))".contains("martletd --rebuild"))
        }
        write(content, path)
        let store = try RocksStore(options: options, merging: NumberSet.merging)
        #expect(store.lostFiles.isEmpty && store.logDamage == nil)
        #expect(try store.readLocal(bytes("node/id")) == [7])
        store.close()
    }

    @Test func `wherever a table file is damaged, no row is missed in silence`() throws {
        let (folder, options) = try storeOfFiles()
        defer { withExtendedLifetime(folder) {} }
        let path = try #require(try files(options, with: key(100)).first)
        let content = try #require(FileManager.default.contents(atPath: path))
        let expected = (0..<200).map(key)
        var outcomes: [String: Int] = [:]
        for position in stride(from: 0, to: content.count, by: 17) {
            let copy = options.path + "-\(position)"
            try FileManager.default.copyItem(atPath: options.path, toPath: copy)
            defer { try? FileManager.default.removeItem(atPath: copy) }
            var damaged = content
            damaged[position] ^= 0x40
            write(damaged, copy + path.dropFirst(options.path.count))
            var options = options
            options.path = copy
            let store = try RocksStore(options: options, merging: NumberSet.merging)
            defer { store.close() }
            let outcome: String
            if let found = try? store.scan(.all, rowsMax: .max, bytesMax: .max) {
                let rows = found.entries.map(\.key)
                if store.lostFiles.isEmpty {
                    outcome = "whole"
                    #expect(rows == expected)
                    #expect(found.entries.allSatisfy { $0.row == NumberSet.encode([1]) })
                } else {
                    outcome = "taken out"
                    #expect(rows == Array(expected[..<100]))
                }
            } else {
                outcome = "told"
            }
            outcomes[outcome, default: 0] += 1
        }
        // Each of the three was met.
        #expect(outcomes.count == 3, "\(outcomes)")
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
