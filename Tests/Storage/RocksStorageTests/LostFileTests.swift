import Foundation
import RocksStorage
import Storage
import Testing

/// Table files that the store does not open with are taken out, and what they held is told.
@Suite struct LostFileTests {
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
}
