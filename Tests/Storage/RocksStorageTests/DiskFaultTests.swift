import RocksStorage
import Storage
import Testing

@Suite struct DiskFaultTests {
    @Test func `a failed sync fails the batch and every later one with the first cause`() throws {
        let disk = try SimulatedDisk()
        let store = try RocksStore(on: disk)
        try store.commit(.merging(1, into: bytes("a")))
        disk.failSyncs(1)
        let first = try #require(
            #expect(throws: StorageError.self) { try store.commit(.merging(2, into: bytes("a"))) }
        )
        guard case .ioFailure(let fault) = first else {
            Issue.record("\(first)")
            return
        }
        #expect(fault.message.contains("the simulated sync failed"))
        #expect(first.description.contains("start the node again"))
        #expect(store.failure == first)
        // The disk works again, but what the failed sync left is unknown: nothing is accepted.
        let sink = RecordingSink()
        #expect(store.submit(.merging(3, into: bytes("a")), ticket: 3, sink: sink))
        sink.waitForOutcomes(1)
        #expect(sink.outcomes == [CommitOutcome(ticket: 3, error: first)])
        var drop = StoreWrites()
        drop.drop(prefix: bytes("a"))
        #expect(throws: first) { try store.commit(drop) }
        #expect(try store.read([bytes("a")]) == [NumberSet.encode([1])])

        store.close()
        disk.cutPower()
        disk.restorePower()
        let reopened = try RocksStore(on: disk)
        let row = NumberSet.decode(try #require(try reopened.read([bytes("a")])[0]))
        #expect(row.contains(1))
        #expect(row.isSubset(of: [1, 2]))
        try reopened.commit(.merging(4, into: bytes("a")))
        #expect(reopened.failure == nil)
    }

    @Test func `a full disk fails the store clearly and acknowledges nothing more`() throws {
        let disk = try SimulatedDisk()
        var store = try RocksStore(on: disk)
        disk.setCapacity(disk.byteCount + 40_000)
        var acknowledged: Set<UInt32> = []
        var failure: StorageError?
        for number in UInt32(0)..<1_000 where failure == nil {
            var writes = StoreWrites.merging(number, into: bytes("a"))
            writes.putLocal([UInt8](repeating: 1, count: 200), for: bytes("padding\(number)"))
            do throws(StorageError) {
                try store.commit(writes)
                acknowledged.insert(number)
            } catch {
                failure = error
            }
        }
        let first = try #require(failure)
        guard case .noSpace = first else {
            Issue.record("\(first)")
            return
        }
        #expect(first.description.contains("free space"))
        #expect(!acknowledged.isEmpty)
        disk.setCapacity(0)
        #expect(throws: first) { try store.commit(.merging(5_000, into: bytes("a"))) }

        store.close()
        store = try RocksStore(on: disk)
        let row = NumberSet.decode(try #require(try store.read([bytes("a")])[0]))
        #expect(acknowledged.isSubset(of: row))
        #expect(!row.contains(5_000))
        try store.commit(.merging(6_000, into: bytes("a")))
    }

    @Test func `a failed periodic sync fails the store`() throws {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.syncMode = .periodic(.milliseconds(1))
        let store = try RocksStore(on: disk, options: options)
        disk.failSyncs(1_000_000)
        let sink = RecordingSink()
        var ticket: UInt64 = 0
        while store.failure == nil, ticket < 10_000 {
            #expect(store.submit(.merging(1, into: bytes("a")), ticket: ticket, sink: sink))
            sink.waitForOutcomes(1)
            ticket += 1
        }
        let failure = try #require(store.failure)
        #expect(failure.description.contains("sync the log"))
        #expect(throws: failure) { try store.commit(.merging(2, into: bytes("a"))) }
    }

    @Test func `a store does not open on a disk without power`() throws {
        let disk = try SimulatedDisk()
        disk.cutPower()
        #expect(throws: StorageError.self) { try RocksStore(on: disk) }
    }
}
