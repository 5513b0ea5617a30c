import CSimulatedDisk
import RocksStorage
import Storage

/// A disk in memory whose power the test can cut.
///
/// `@unchecked Sendable`: the C functions lock.
final class SimulatedDisk: @unchecked Sendable {
    private let disk: OpaquePointer

    init(seed: UInt64 = 1) throws {
        struct UnknownLayout: Error, CustomStringConvertible {
            var description: String { "this RocksDB keeps its environments differently" }
        }
        guard let disk = simulated_disk_create(seed) else { throw UnknownLayout() }
        self.disk = disk
    }

    deinit {
        simulated_disk_destroy(disk)
    }

    /// The disk as a store takes it.
    func environment(
        acknowledgement: StoreEnvironment.Acknowledgement = .afterSync,
        markers: MarkersInMemory? = nil
    ) -> StoreEnvironment {
        .simulatedDisk(
            OpaquePointer(simulated_disk_environment(disk)),
            owner: self,
            acknowledgement: acknowledgement,
            markers: markers
        )
    }

    func cutPower() { simulated_disk_cut_power(disk) }
    func cutPower(afterChanges changes: Int) {
        simulated_disk_cut_power_after(disk, UInt64(changes))
    }
    func restorePower(torn: Bool = false) { simulated_disk_restore_power(disk, torn) }
    func setCapacity(_ bytes: UInt64) { simulated_disk_set_capacity(disk, bytes) }
    func failSyncs(_ count: Int) { simulated_disk_fail_syncs(disk, UInt64(count)) }
    func flipBits(inFilesEndingWith suffix: String, at offset: UInt64) -> UInt64 {
        simulated_disk_flip_bits(disk, suffix, offset)
    }
    func failReads(ofFilesEndingWith suffix: String, before offset: UInt64) -> UInt64 {
        simulated_disk_fail_reads(disk, suffix, offset)
    }
    var hasPower: Bool { simulated_disk_has_power(disk) }
    var syncCount: UInt64 { simulated_disk_sync_count(disk) }
    var byteCount: UInt64 { simulated_disk_byte_count(disk) }
}
