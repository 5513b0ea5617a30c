import Foundation
import RocksStorage
import Storage
import Testing

@Suite struct LifeCycleTests {
    @Test func `rows and local values outlive a restart`() throws {
        let folder = TemporaryFolder()
        for round in UInt32(1)...3 {
            let store = try RocksStore(
                options: .small(path: folder.path),
                merging: NumberSet.merging
            )
            var writes = StoreWrites.merging(round, into: bytes("row"))
            writes.putLocal([UInt8(round)], for: bytes("host"))
            try store.commit(writes)
            store.close()
        }
        let store = try RocksStore(options: .small(path: folder.path), merging: NumberSet.merging)
        #expect(try store.read([bytes("row")]) == [NumberSet.encode([1, 2, 3])])
        #expect(try store.readLocal(bytes("host")) == [3])
    }

    @Test func `after a kill without close everything acknowledged is there`() throws {
        let folder = TemporaryFolder()
        let image = TemporaryFolder()
        let store = try RocksStore(options: .small(path: folder.path), merging: NumberSet.merging)
        for number in UInt32(0)..<100 {
            try store.commit(.merging(number, into: bytes("a"), bytes("b\(number % 7)")))
        }
        // What a killed process leaves: the files as they are now, the lock gone with it.
        try FileManager.default.copyItem(atPath: folder.path, toPath: image.path)
        let reopened = try RocksStore(
            options: .small(path: image.path),
            merging: NumberSet.merging
        )
        let row = try #require(try reopened.read([bytes("a")])[0])
        #expect(NumberSet.decode(row) == Set(0..<100))
        #expect(try reopened.scan(from: [], to: nil, limit: 100).count == 8)
    }

    @Test func `a folder that is in use is refused plainly`() throws {
        let folder = TemporaryFolder()
        let store = try RocksStore(options: .small(path: folder.path), merging: NumberSet.merging)
        let error = #expect(throws: StorageError.self) {
            try RocksStore(options: .small(path: folder.path), merging: NumberSet.merging)
        }
        guard case .locked = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(error?.description.contains("Another process uses this folder") == true)
        store.close()
        let next = try RocksStore(options: .small(path: folder.path), merging: NumberSet.merging)
        next.close()
    }

    @Test func `a folder that cannot be made is an error that names it`() throws {
        let error = #expect(throws: StorageError.self) {
            try RocksStore(options: .small(path: "/dev/null/data"), merging: NumberSet.merging)
        }
        #expect(error?.description.contains("/dev/null/data") == true)
    }

    @Test func `use after close is an error and close may be repeated`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        try store.commit(.merging(1, into: bytes("a")))
        DispatchQueue.concurrentPerform(iterations: 4) { _ in store.close() }
        let closed = StorageError.closed(path: "/store")
        #expect(throws: closed) { try store.read([bytes("a")]) }
        #expect(throws: closed) { try store.readFromMemory(bytes("a")) }
        #expect(throws: closed) { try store.scan(from: [], to: nil, limit: 1) }
        #expect(throws: closed) { try store.readLocal(bytes("a")) }
        #expect(throws: closed) { try store.statistics() }
        #expect(throws: closed) { try store.commit(.merging(1, into: bytes("a"))) }
        let sink = RecordingSink()
        #expect(store.submit(.merging(1, into: bytes("a")), ticket: 7, sink: sink))
        #expect(sink.outcomes == [CommitOutcome(ticket: 7, error: closed)])
    }

    @Test func `close commits what was submitted before it`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        let sink = RecordingSink()
        for ticket in UInt64(0)..<50 {
            let writes = StoreWrites.merging(UInt32(ticket), into: bytes("a"))
            #expect(store.submit(writes, ticket: ticket, sink: sink))
        }
        store.close()
        #expect(sink.acknowledged == Set(0..<50))
        let reopened = try RocksStore(on: disk)
        #expect(try reopened.read([bytes("a")]) == [NumberSet.encode(Set(0..<50))])
    }

    @Test func `closing while others read neither crashes nor hangs`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        let expected = NumberSet.encode([1])
        try store.commit(.merging(1, into: bytes("a")))
        DispatchQueue.concurrentPerform(iterations: 4) { worker in
            if worker == 0 {
                usleep(5_000)
                store.close()
                return
            }
            while true {
                let result = Result { () throws(StorageError) in
                    try store.read([bytes("a"), bytes("b")])
                }
                switch result {
                case .success(let rows): #expect(rows == [expected, nil])
                case .failure(let error):
                    #expect(error == .closed(path: "/store"))
                    return
                }
            }
        }
    }

    @Test func `the writer thread bears its name`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        try store.commit(.merging(1, into: bytes("a")))
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")
        let names = threads.compactMap {
            try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)
        }
        #expect(names.contains("martlet-writer\n"))
        store.close()
    }

    @Test func `statistics and properties tell the state`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        for number in UInt32(0)..<200 {
            try store.commit(.merging(number, into: bytes("key\(number)")))
        }
        #expect(try store.statistics().memtableBytes > 0)
        try store.flush()
        let statistics = try store.statistics()
        #expect(statistics.rowsEstimate == 200)
        #expect(statistics.tableFileBytes > 0)
        #expect(statistics.backgroundErrors == 0)
        #expect(statistics.writerQueueBatches == 0)
        #expect(try store.approximateBytes(from: bytes("k"), to: bytes("l")) > 0)
        #expect(try store.property("rocksdb.stats")?.isEmpty == false)
        #expect(try store.property("rocksdb.no-such-thing") == nil)
    }
}
