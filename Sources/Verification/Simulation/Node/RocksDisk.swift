internal import CSimulatedDisk
internal import RocksStorage
package import Storage

/// RocksDB on a file system in memory that forgets what was not synced: slow, and the truth.
package final class RocksDisk: NodeDisk {
    /// The C object, freed with the last store that uses it.
    private final class Device {
        let disk: OpaquePointer

        init(seed: UInt64) {
            guard let disk = simulated_disk_create(seed) else {
                preconditionFailure("this RocksDB keeps its environments differently")
            }
            self.disk = disk
        }

        deinit { simulated_disk_destroy(disk) }
    }

    private let path: String
    private var seed: UInt64
    private var device: Device
    private var backend: RocksBackend?
    private var isFailing = false

    /// An empty disk; the seed decides how much of an unsynced tail survives.
    package init(path: String, seed: UInt64) {
        self.path = path
        self.seed = seed
        device = Device(seed: seed)
    }

    package func open() throws(StorageError) -> any StoreBackend {
        var options = RocksOptions(path: "/\(path)")
        options.blockCacheBytes = 1 << 20
        options.rowCacheBytes = 0
        options.memtableBytes = 4 << 20
        options.totalWALBytesMax = 4 << 20
        options.compression = .none
        // They run in real time, and would decide what a read finds in memory.
        options.compactsByItself = false
        let environment = StoreEnvironment.simulatedDisk(
            OpaquePointer(simulated_disk_environment(device.disk)),
            owner: device
        )
        let opened = try RocksBackend(options: options, environment: environment)
        if let damage = opened.logDamage {
            // This disk loses what was not synced, and no more than that.
            let fault = StorageError.Fault(
                operation: "read the whole log",
                path: options.path,
                message: damage
            )
            opened.close()
            throw .corruption(fault)
        }
        backend = opened
        return opened
    }

    package func processEnded() {
        close()
        if isFailing { simulated_disk_set_capacity(device.disk, 0) }
        isFailing = false
        simulated_disk_fail_syncs(device.disk, 0)
    }

    package func powerLost(_ random: inout SimulatedRandom) {
        simulated_disk_cut_power(device.disk)
        processEnded()
        simulated_disk_restore_power(device.disk, random.chance(0.5))
    }

    /// A flipped bit hits any row: the model does this one.
    package var canBeDamaged: Bool { false }

    package func isDamaged(in range: KeyRange) -> Bool { false }

    package func clearFaults() {
        isFailing = false
        simulated_disk_set_capacity(device.disk, 0)
        simulated_disk_fail_syncs(device.disk, 0)
    }

    package func inject(_ fault: DiskFault) {
        switch fault {
        case .failedWrite:
            // Every write is an append: all fail from now on, until the restart.
            isFailing = true
            simulated_disk_set_capacity(device.disk, 1)
        case .failedSync: simulated_disk_fail_syncs(device.disk, 1)
        case .full:
            isFailing = false
            simulated_disk_set_capacity(device.disk, 1)
        case .roomy:
            isFailing = false
            simulated_disk_set_capacity(device.disk, 0)
        case .damaged: preconditionFailure("ranges of this disk cannot be damaged")
        }
    }

    package func replace() {
        close()
        seed &+= 1
        device = Device(seed: seed)
    }

    package func close() {
        backend?.close()
        backend = nil
    }
}
