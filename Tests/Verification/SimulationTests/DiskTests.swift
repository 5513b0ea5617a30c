import Simulation
import Storage
import Testing

struct DiskTests {
    private func disk(isModel: Bool) -> any NodeDisk {
        isModel ? ModelDisk(path: "node", diskReadEvery: 0) : RocksDisk(path: "node", seed: 1)
    }

    private var writes: StoreWrites {
        var writes = StoreWrites()
        writes.putLocal([1], for: [2])
        return writes
    }

    @Test(arguments: [true, false], [DiskFault.failedWrite, .failedSync, .full])
    func `a fault strikes unless it is taken back before`(isModel: Bool, fault: DiskFault) throws {
        let disk = disk(isModel: isModel)
        defer { disk.close() }
        let store = try disk.open()
        disk.inject(fault)
        disk.clearFaults()
        try store.write([writes], synced: true)
        #expect(try store.readLocal([2]) == [1])
        disk.inject(fault)
        #expect(throws: StorageError.self) { try store.write([writes], synced: true) }
    }

    @Test(arguments: [true, false])
    func `what is damaged cannot be read until it is dropped`(isUnreadable: Bool) throws {
        let disk = disk(isModel: true)
        let store = try disk.open()
        let damaged = KeyRange(lower: [2], upper: [4])
        #expect(disk.damage(damaged, isUnreadable: isUnreadable))
        disk.clearFaults()
        #expect(disk.isDamaged(in: KeyRange(lower: [3], upper: [9])))
        #expect(!disk.isDamaged(in: KeyRange(lower: [4], upper: nil)))
        let error = #expect(throws: StorageError.self) { try store.read([[3]]) }
        switch error {
        case .ioFailure: #expect(isUnreadable)
        case .corruption: #expect(!isUnreadable)
        default: Issue.record("\(String(describing: error))")
        }
        #expect(try store.deleteRows(in: damaged, from: nil, bytesMax: 100) == nil)
        #expect(!disk.isDamaged(in: .all))
    }

    @Test func `a disk of files is damaged where there are some, until they are gone`() throws {
        let disk = disk(isModel: false)
        defer { disk.close() }
        let store = try disk.open()
        var writes = StoreWrites()
        writes.merge(RowBuilder(timestamp: WriteTimestamp(1)).encoded(), into: [3])
        try store.write([writes], synced: true)
        #expect(!disk.damage(.all, isUnreadable: true))
        disk.tidyUp(mayCompact: false)
        #expect(!disk.damage(KeyRange(lower: [4], upper: nil), isUnreadable: true))
        #expect(disk.damage(.all, isUnreadable: true))
        #expect(disk.isDamaged(in: KeyRange(lower: [3], upper: [4])))
        #expect(!disk.isDamaged(in: KeyRange(lower: [4], upper: nil)))
        #expect(throws: StorageError.self) { try store.read([[3]]) }
        #expect(!disk.needsStart)
        #expect(try store.deleteRows(in: .all, from: nil, bytesMax: 100) == [])
        #expect(try store.deleteRows(in: .all, from: [], bytesMax: 100) == nil)
        #expect(!disk.isDamaged(in: .all))
        #expect(try store.read([[3]]) == [nil])
    }
}
