import Foundation
import RocksStorage
import Storage
import Testing

@Suite struct WriterTests {
    @Test func `a full queue refuses and takes again once the writer went on`() throws {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.writerQueueBatchesMax = 3
        let store = try RocksStore(on: disk, options: options)
        let sink = RecordingSink()
        sink.holdNextCall()
        #expect(store.submit(.merging(0, into: bytes("a")), ticket: 0, sink: sink))
        sink.waitUntilHeld()
        for ticket in UInt64(1)...3 {
            #expect(store.submit(.merging(1, into: bytes("a")), ticket: ticket, sink: sink))
        }
        #expect(try store.statistics().writerQueueBatches == 3)
        #expect(!store.submit(.merging(4, into: bytes("a")), ticket: 4, sink: sink))
        sink.release()
        sink.waitForOutcomes(4)
        #expect(store.submit(.merging(5, into: bytes("a")), ticket: 5, sink: sink))
        sink.waitForOutcomes(1)
        #expect(sink.acknowledged == [0, 1, 2, 3, 5])
        #expect(try store.read([bytes("a")]) == [NumberSet.encode([0, 1, 5])])
    }

    @Test func `the queue counts bytes too`() throws {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.writerQueueBytesMax = 1_024
        let store = try RocksStore(on: disk, options: options)
        let sink = RecordingSink()
        var large = StoreWrites()
        large.merge([UInt8](repeating: 0, count: 480), into: bytes("a"))
        sink.holdNextCall()
        #expect(store.submit(large, ticket: 0, sink: sink))
        sink.waitUntilHeld()
        #expect(store.submit(large, ticket: 1, sink: sink))
        #expect(store.submit(large, ticket: 2, sink: sink))
        #expect(!store.submit(large, ticket: 3, sink: sink))
        sink.release()
        sink.waitForOutcomes(3)
        #expect(sink.acknowledged == [0, 1, 2])
    }

    @Test func `what waits is one commit with one sync and one call for each sink`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        let first = RecordingSink()
        let second = RecordingSink()
        first.holdNextCall()
        #expect(store.submit(.merging(0, into: bytes("a")), ticket: 0, sink: first))
        first.waitUntilHeld()
        let syncs = disk.syncCount
        for ticket in UInt64(1)...10 {
            let sink = ticket % 2 == 0 ? first : second
            let writes = StoreWrites.merging(UInt32(ticket), into: bytes("a"))
            #expect(store.submit(writes, ticket: ticket, sink: sink))
        }
        first.release()
        first.waitForOutcomes(6)
        second.waitForOutcomes(5)
        #expect(disk.syncCount == syncs + 1)
        #expect(first.calls.map { $0.map(\.ticket) } == [[0], [2, 4, 6, 8, 10]])
        #expect(second.calls.map { $0.map(\.ticket) } == [[1, 3, 5, 7, 9]])
    }

    @Test func `a commit is bounded in bytes`() throws {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.commitGroupBytesMax = 1_024
        let store = try RocksStore(on: disk, options: options)
        let sink = RecordingSink()
        var writes = StoreWrites()
        writes.merge([UInt8](repeating: 0, count: 400), into: bytes("a"))
        sink.holdNextCall()
        #expect(store.submit(writes, ticket: 0, sink: sink))
        sink.waitUntilHeld()
        for ticket in UInt64(1)...6 {
            #expect(store.submit(writes, ticket: ticket, sink: sink))
        }
        sink.release()
        sink.waitForOutcomes(7)
        #expect(sink.calls.map { $0.map(\.ticket) } == [[0], [1, 2], [3, 4], [5, 6]])
    }

    @Test func `a batch that can never be written hears so, and the others are written`() throws {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.writerQueueBytesMax = 1_024
        let store = try RocksStore(on: disk, options: options)
        var huge = StoreWrites()
        huge.merge([UInt8](repeating: 0, count: 2_000), into: bytes("a"))
        var dropEverything = StoreWrites()
        dropEverything.drop(prefix: [])
        for writes in [huge, dropEverything] {
            let error = #expect(throws: StorageError.self) { try store.commit(writes) }
            guard case .invalid = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        try store.commit(.merging(1, into: bytes("b")))
        try store.commit(StoreWrites())
        #expect(try store.read([bytes("a"), bytes("b")]) == [nil, NumberSet.encode([1])])
        #expect(store.failure == nil)
    }

    @Test func `many threads submit while others read their own acknowledged writes`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        DispatchQueue.concurrentPerform(iterations: 6) { worker in
            let own = bytes("own\(worker)")
            let shared = bytes("shared")
            let sink = RecordingSink()
            for round in UInt32(0)..<60 {
                let number = UInt32(worker) * 1_000 + round
                let writes = StoreWrites.merging(number, into: own, shared)
                if round % 3 == 0 {
                    #expect(throws: Never.self) { try store.commit(writes) }
                } else {
                    #expect(store.submit(writes, ticket: UInt64(round), sink: sink))
                    sink.waitForOutcomes(1)
                }
                let expected = Set((0...round).map { UInt32(worker) * 1_000 + $0 })
                let rows = try? store.read([own, shared])
                #expect(rows?.first??.count == expected.count * 4)
                #expect(
                    expected.isSubset(of: NumberSet.decode(rows?.last.flatMap { $0 } ?? []))
                )
            }
            #expect(sink.acknowledged.count == 40)
        }
        let shared = try #require(try store.read([bytes("shared")])[0])
        #expect(NumberSet.decode(shared).count == 6 * 60)
    }
}
