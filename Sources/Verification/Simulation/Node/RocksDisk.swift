internal import CSimulatedDisk
internal import NodeCore
internal import RocksStorage
package import Storage

/// RocksDB on a file system in memory that forgets what was not synced: slow, and the truth.
package final class RocksDisk: NodeDisk {
    /// The C object, freed with the last store that uses it.
    private final class Device {
        let disk: OpaquePointer
        /// What lies beside the store.
        let markers = MarkersInMemory()

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
    private var random: SimulatedRandom
    private var device: Device
    private var backend: RocksBackend?
    private var isFailing = false
    private var isFull = false
    private var failsSync = false
    /// The files that have damage, by name.
    private var damaged: Set<String> = []
    /// What lay in files that could not be opened any more.
    private var lost: [KeyRange] = []

    /// An empty disk; the seed decides how much of an unsynced tail survives, and where files are damaged.
    package init(path: String, seed: UInt64) {
        self.path = path
        self.seed = seed
        random = SimulatedRandom(seed: seed)
        device = Device(seed: seed)
    }

    private var options: RocksOptions {
        var options = RocksOptions(path: "/\(path)")
        options.blockCacheBytes = 1 << 20
        options.rowCacheBytes = 0
        options.memtableBytes = 4 << 20
        options.totalWALBytesMax = 4 << 20
        options.compression = .none
        // They run in real time, and would decide what a read finds in memory: see `tidyUp`.
        options.compactsByItself = false
        return options
    }

    private var environment: StoreEnvironment {
        .simulatedDisk(
            OpaquePointer(simulated_disk_environment(device.disk)),
            owner: device,
            markers: device.markers
        )
    }

    // MARK: Lives

    package func open() throws(StorageError) -> any StoreBackend {
        do throws(StorageError) {
            return try openAsNode()
        } catch {
            close()
            throw error
        }
    }

    /// Opens the store with all that a starting node does about damage.
    private func openAsNode() throws(StorageError) -> any StoreBackend {
        var store = try openStore()
        let cuts = try UpkeepRecords.cuts(in: store)
        if !cuts.isEmpty {
            close()
            for cut in cuts {
                _ = try RocksStore.removeUnreadableFiles(
                    inside: cut.range,
                    options: options,
                    merging: .rows,
                    environment: environment
                )
            }
            store = try openStore()
        }
        var writes = StoreWrites()
        for case .rows(let range) in store.lostFiles {
            writes.putLocal([], for: LocalKeys.lostRows(range))
            lost.append(range)
        }
        if !writes.localPuts.isEmpty { try store.write([writes], synced: true) }
        try store.forgetLostFiles()
        return store
    }

    private func openStore() throws(StorageError) -> RocksBackend {
        let opened = try RocksBackend(options: options, environment: environment)
        backend = opened
        if let damage = opened.logDamage {
            // This disk loses of its log what was not synced, and no more than that.
            throw .corruption(
                StorageError.Fault(
                    operation: "read the whole log",
                    path: options.path,
                    message: damage
                )
            )
        }
        return opened
    }

    package func processEnded() {
        close()
        if isFailing { simulated_disk_set_capacity(device.disk, 0) }
        isFailing = false
        failsSync = false
        simulated_disk_fail_syncs(device.disk, 0)
    }

    package func powerLost(_ random: inout SimulatedRandom) {
        simulated_disk_cut_power(device.disk)
        processEnded()
        simulated_disk_restore_power(device.disk, random.chance(0.5))
    }

    package func storeFailed(_ failure: StorageError) {
        guard let fault = failure.asDamage?.fault, fault.message.contains(".sst") else { return }
        // What fails here is not remembered: the next compaction meets it again.
        try? RocksStore.amend(options: options, merging: .rows, environment: environment) { store in
            guard let range = store.damagedRange(failure) else { return nil }
            var writes = StoreWrites()
            writes.putLocal(LocalKeys.value(of: range), for: LocalKeys.suspectRows)
            return writes
        }
    }

    package func replace() {
        close()
        seed &+= 1
        device = Device(seed: seed)
        damaged = []
        lost = []
    }

    package func close() {
        backend?.close()
        backend = nil
    }

    // MARK: Files

    package func tidyUp(mayCompact: Bool) {
        // Its own threads would meet these, at times of their own.
        guard let backend, !isFailing, !isFull, !failsSync else { return }
        if mayCompact {
            backend.compact()
        } else {
            try? backend.flush()
        }
    }

    package var needsStart: Bool {
        guard let backend else { return false }
        return (try? UpkeepRecords.cuts(in: backend).isEmpty) == false
    }

    package func isDamaged(in range: KeyRange) -> Bool {
        guard let backend else { return false }
        return lost.contains { $0.overlaps(range) }
            || backend.files(overlapping: range).contains { damaged.contains($0.name) }
    }

    /// Damages one file that holds rows of a range, if there is any.
    package func damage(_ range: KeyRange, isUnreadable: Bool) -> Bool {
        guard let backend, let file = backend.files(overlapping: range).first else { return false }
        damaged.insert(file.name)
        let size = simulated_disk_file_size(device.disk, file.name)
        // Rows, or what stands at the end of the file, without which it cannot be opened.
        let hitsEnd = random.chance(0.3)
        if isUnreadable {
            let end = hitsEnd ? size : UInt64(random.number(in: 1...Int(size / 2)))
            _ = simulated_disk_fail_reads(device.disk, file.name, end)
        } else {
            let first = hitsEnd ? Int(size) - 60 : 0
            let offset = random.number(in: first...Int(size) - 1)
            _ = simulated_disk_flip_bits(device.disk, file.name, UInt64(offset))
        }
        backend.forgetBlocks(capacity: options.blockCacheBytes)
        return true
    }

    // MARK: Faults

    package func clearFaults() {
        isFailing = false
        isFull = false
        failsSync = false
        simulated_disk_set_capacity(device.disk, 0)
        simulated_disk_fail_syncs(device.disk, 0)
    }

    package func inject(_ fault: DiskFault) {
        switch fault {
        case .failedWrite:
            // Every write is an append: all fail from now on, until the restart.
            isFailing = true
            simulated_disk_set_capacity(device.disk, 1)
        case .failedSync:
            failsSync = true
            simulated_disk_fail_syncs(device.disk, 1)
        case .full:
            isFailing = false
            isFull = true
            simulated_disk_set_capacity(device.disk, 1)
        case .roomy:
            isFailing = false
            isFull = false
            simulated_disk_set_capacity(device.disk, 0)
        }
    }
}
