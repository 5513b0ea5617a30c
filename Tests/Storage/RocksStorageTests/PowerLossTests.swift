import Foundation
import RocksStorage
import Storage
import Testing

/// The promise of the store: what was acknowledged survives a loss of power.
@Suite struct PowerLossTests {
    /// What one seed found.
    private struct Finding {
        var acknowledged = 0
        /// Acknowledged batches that were gone.
        var lost = 0
        /// Batches of which a part was there.
        var torn = 0
        /// Rows that held what nobody wrote.
        var invented = 0
    }

    @Test func `no acknowledged batch is lost over 60 seeds of power cuts`() throws {
        var acknowledged = 0
        for seed in UInt64(0)..<60 {
            let finding = try run(seed: seed, acknowledgement: .afterSync)
            #expect(finding.lost == 0, "seed \(seed) lost acknowledged batches")
            #expect(finding.torn == 0, "seed \(seed) tore batches")
            #expect(finding.invented == 0, "seed \(seed) invented rows")
            acknowledged += finding.acknowledged
        }
        #expect(acknowledged > 600, "too few acknowledgements to mean anything")
    }

    @Test func `an acknowledgement before the sync is caught within 10 seeds`() throws {
        var seedsThatCaught = 0
        for seed in UInt64(0)..<10 {
            let finding = try run(seed: seed, acknowledgement: .beforeSync)
            if finding.lost > 0 { seedsThatCaught += 1 }
            // Early is all that the fault is: batches stay whole.
            #expect(finding.torn == 0)
        }
        #expect(seedsThatCaught > 0)
    }

    @Test func `periodic syncs reach the disk by themselves`() throws {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.syncMode = .periodic(.milliseconds(20))
        let store = try RocksStore(on: disk, options: options)
        for number in UInt32(0)..<3 {
            let syncs = disk.syncCount
            try store.commit(.merging(number, into: bytes("a")))
            for _ in 0..<6000 where disk.syncCount == syncs { usleep(10_000) }
            #expect(disk.syncCount > syncs)
        }
        disk.cutPower()
        store.close()
        disk.restorePower()
        let reopened = try RocksStore(on: disk, options: options)
        #expect(try reopened.read([bytes("a")]) == [NumberSet.encode([0, 1, 2])])
    }

    @Test func `periodic mode may lose its window, and close syncs it`() throws {
        let disk = try SimulatedDisk()
        var options = RocksOptions.small()
        options.syncMode = .periodic(.seconds(60))
        var store = try RocksStore(on: disk, options: options)
        try store.commit(.merging(1, into: bytes("a")))
        store.close()
        disk.cutPower()
        disk.restorePower()
        store = try RocksStore(on: disk, options: options)
        #expect(try store.read([bytes("a")]) == [NumberSet.encode([1])])
        try store.commit(.merging(2, into: bytes("a")))
        disk.cutPower()
        store.close()
        disk.restorePower()
        store = try RocksStore(on: disk, options: options)
        #expect(try store.read([bytes("a")]) == [NumberSet.encode([1])])
    }

    /// Writes until the power fails at a seeded moment, three times on the same disk, and counts
    /// what is missing after each restart.
    private func run(
        seed: UInt64,
        acknowledgement: StoreEnvironment.Acknowledgement
    ) throws -> Finding {
        var generator = SeededGenerator(seed: seed)
        let disk = try SimulatedDisk(seed: seed)
        var options = RocksOptions.small()
        options.memtableBytes = 64 << 10
        options.commitGroupBytesMax = 1 << Int.random(in: 10...16, using: &generator)
        var finding = Finding()
        var submitted: Set<UInt32> = []
        var mustBeThere: Set<UInt32> = []
        var nextTicket: UInt32 = 0
        for _ in 0..<3 {
            let store = try RocksStore(
                on: disk,
                options: options,
                acknowledgement: acknowledgement
            )
            let sink = RecordingSink()
            disk.cutPower(afterChanges: Int.random(in: 1...60, using: &generator))
            while store.failure == nil, disk.hasPower {
                let burst = Int.random(in: 1...6, using: &generator)
                for _ in 0..<burst {
                    submitted.insert(nextTicket)
                    let accepted = store.submit(
                        batch(nextTicket),
                        ticket: UInt64(nextTicket),
                        sink: sink
                    )
                    #expect(accepted)
                    nextTicket += 1
                }
                sink.waitForOutcomes(burst)
                if Int.random(in: 0..<8, using: &generator) == 0 { try? store.flush() }
            }
            disk.cutPower()
            store.close()
            let acknowledged = sink.acknowledged.map { UInt32($0) }
            finding.acknowledged += acknowledged.count
            mustBeThere.formUnion(acknowledged)
            disk.restorePower(torn: Bool.random(using: &generator))

            let reopened = try RocksStore(on: disk, options: options)
            let there = try present(in: reopened, finding: &finding)
            finding.lost += mustBeThere.subtracting(there).count
            finding.invented += there.subtracting(submitted).count
            // What survived once is durable, and what was lost is counted once.
            mustBeThere = there
            reopened.close()
        }
        return finding
    }

    /// A batch that marks two rows and a local key by its number.
    private func batch(_ number: UInt32) -> StoreWrites {
        var writes = StoreWrites.merging(number, into: bytes("x"), bytes("y\(number % 5)"))
        writes.putLocal([], for: NumberSet.encode([number]))
        return writes
    }

    /// The batches that are there; those that are there in part count as torn.
    private func present(in store: RocksStore, finding: inout Finding) throws -> Set<UInt32> {
        var rows = try store.read([bytes("x")] + (0..<5).map { bytes("y\($0)") })
            .map { NumberSet.decode($0 ?? []) }
        let common = rows.removeFirst()
        let parts = rows.reduce(into: Set<UInt32>()) { $0.formUnion($1) }
        let local = Set(try store.scanLocal(prefix: []).flatMap { NumberSet.decode($0.key) })
        let whole = common.intersection(parts).intersection(local)
        finding.torn += common.union(parts).union(local).subtracting(whole).count
        return whole
    }
}
