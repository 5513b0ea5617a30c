import Catalog
import RocksStorage
import Storage
import Testing

/// RocksDB without its writer thread, as the simulator uses it.
@Suite struct BackendTests {
    @Test(arguments: 0..<5)
    func `RocksDB and the model answer alike, crashes included`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let disk = try SimulatedDisk(seed: seed)
        var options = RocksOptions.small()
        options.memtableBytes = 64 << 10
        if seed % 2 == 0 { options.rowCacheBytes = 0 }
        var rocks = try RocksBackend(options: options, environment: disk.environment())
        let model = ModelBackend()
        func key() -> [UInt8] { [UInt8.random(in: 0..<40, using: &generator)] }
        func row() -> [UInt8] { randomRow(&generator) }
        for _ in 0..<250 {
            let synced = Bool.random(using: &generator)
            switch Int.random(in: 0..<100, using: &generator) {
            case 0..<55:
                let batches = (0..<2).map { _ in
                    var writes = StoreWrites()
                    for _ in 0..<3 { writes.merge(row(), into: key()) }
                    writes.putHint(row(), for: key())
                    writes.deleteHint(key())
                    writes.putLocal(row(), for: key())
                    writes.deleteLocal(key())
                    return writes
                }
                try rocks.write(batches, synced: synced)
                try model.write(batches, synced: synced)
            case 55..<65:
                let rows = (0..<3).map { _ in
                    (key: key(), row: Bool.random(using: &generator) ? row() : nil)
                }
                try rocks.replace(rows, synced: synced)
                try model.replace(rows, synced: synced)
            case 65..<72:
                let range = KeyRange(lower: key(), upper: key())
                var position: [UInt8]?
                repeat {
                    let next = try rocks.deleteRows(in: range, from: position, bytesMax: 60)
                    #expect(
                        try model.deleteRows(in: range, from: position, bytesMax: 60) == next
                    )
                    position = next
                } while position != nil
            case 72..<76:
                try rocks.sync()
                try model.sync()
            case 76..<80:
                disk.cutPower()
                rocks.close()
                disk.restorePower()
                rocks = try RocksBackend(options: options, environment: disk.environment())
                model.crash()
            default: break
            }
            try compare(rocks, model, &generator)
        }
        #expect(
            try rocks.scan(.all, rowsMax: .max, bytesMax: .max)
                == model.scan(.all, rowsMax: .max, bytesMax: .max)
        )
    }

    private func compare(
        _ rocks: RocksBackend,
        _ model: ModelBackend,
        _ generator: inout SeededGenerator
    ) throws {
        let keys = (0..<7).map { _ in [UInt8.random(in: 0..<40, using: &generator)] }
        #expect(try rocks.read(keys) == model.read(keys))
        #expect(try rocks.readLocal(keys[0]) == model.readLocal(keys[0]))
        let range = KeyRange(lower: keys[5], upper: keys[6])
        let limit = Int.random(in: 0..<6, using: &generator)
        let bytesMax = Int.random(in: 0..<120, using: &generator)
        #expect(
            try rocks.scan(range, rowsMax: limit, bytesMax: bytesMax)
                == model.scan(range, rowsMax: limit, bytesMax: bytesMax)
        )
        let hints = try rocks.scanHints(range, limit: limit, bytesMax: bytesMax)
        let expected = try model.scanHints(range, limit: limit, bytesMax: bytesMax)
        #expect(hints.map(\.key) == expected.map(\.key))
        #expect(hints.map(\.value) == expected.map(\.value))
        let local = try rocks.scanLocal(range, limit: limit, bytesMax: bytesMax)
        let expectedLocal = try model.scanLocal(range, limit: limit, bytesMax: bytesMax)
        #expect(local.map(\.key) == expectedLocal.map(\.key))
        #expect(local.map(\.value) == expectedLocal.map(\.value))
    }

    @Test func `a cycle of its own drives it, and a crash between the steps is as promised`() throws
    {
        var lost = 0
        for acknowledgement in [CommitCycle.Acknowledgement.afterSync, .beforeSync] {
            let disk = try SimulatedDisk()
            let options = RocksOptions.small()
            let rocks = try RocksBackend(options: options, environment: disk.environment())
            var settings = options.commitSettings
            settings.acknowledgement = acknowledgement
            var queue = CommitQueue(path: options.path, bounds: options.queueBounds)
            var cycle = CommitCycle(settings: settings, backend: rocks)
            let sink = RecordingSink()
            var writes = StoreWrites()
            writes.merge(RowMerge.emptyRow, into: [1])
            let isTaken = queue.offer(queue.request(writes, ticket: 1, sink: sink))
            #expect(isTaken)
            cycle.take(queue.takeGroup(bytesMax: options.commitGroupBytesMax))
            let hasBegun = cycle.begin(now: .zero)
            #expect(hasBegun)
            #expect(try rocks.read([[1]]) == [nil])
            cycle.perform(now: .zero)
            #expect(try rocks.read([[1]]) == [RowMerge.emptyRow])
            cycle.end()
            for answer in cycle.takeAnswers() { answer.deliver() }
            #expect(sink.acknowledged == [1])
            disk.cutPower()
            rocks.close()
            disk.restorePower()
            let reopened = try RocksBackend(options: options, environment: disk.environment())
            if try reopened.read([[1]]) == [nil] { lost += 1 }
        }
        #expect(lost == 1, "only the planted fault may lose what it acknowledged")
    }

    @Test func `closing twice is harmless, and the folder is free again`() throws {
        let folder = TemporaryFolder()
        let first = try RocksBackend(options: .small(path: folder.path))
        #expect(throws: StorageError.self) { try RocksBackend(options: .small(path: folder.path)) }
        first.close()
        first.close()
        let second = try RocksBackend(options: .small(path: folder.path))
        second.close()
    }
}

/// A row of up to three cells over few timestamps and seconds, so that they collide.
func randomRow(_ generator: inout SeededGenerator) -> [UInt8] {
    var builder = RowBuilder(
        timestamp: WriteTimestamp(Int64.random(in: 0..<6, using: &generator)),
        expiry: Bool.random(using: &generator)
            ? Expiry(
                timeToLiveSeconds: Int32.random(in: 1..<50, using: &generator),
                nowSeconds: 0
            ) : nil
    )
    if Bool.random(using: &generator) { builder.insertMarker() }
    for column in UInt32(0)..<3 {
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: builder.set(ColumnID(column), to: [UInt8.random(in: 0..<9, using: &generator)])
        case 1: builder.delete(ColumnID(column), deletionSeconds: 10)
        default: break
        }
    }
    return builder.encoded()
}
