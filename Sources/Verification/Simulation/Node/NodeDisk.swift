package import Storage

/// Something that a disk does wrong.
package enum DiskFault: Hashable, Sendable {
    /// The next write fails.
    case failedWrite
    /// The next sync fails.
    case failedSync
    /// No room is left.
    case full
    /// There is room again.
    case roomy
}

/// The disk of a simulated node and the store on it: it outlives the node's crashes.
package protocol NodeDisk: AnyObject {
    /// Opens the store, as a starting node does.
    func open() throws(StorageError) -> any StoreBackend
    /// The process ends: what was written stays.
    func processEnded()
    /// The power goes: what was not synced may go with it.
    func powerLost(_ random: inout SimulatedRandom)
    /// The store failed in a process that has ended since: what its program does then is done, without
    /// anything being told to anybody.
    func storeFailed(_ failure: StorageError)
    /// The store's own upkeep happens, if it has any: memtables are written to files, and files are
    /// compacted if they may be.
    func tidyUp(mayCompact: Bool)
    /// Whether the store waits for a start to get rid of damage.
    var needsStart: Bool { get }
    /// Whether rows of a range cannot be read now: what was dropped is not damaged any more.
    func isDamaged(in range: KeyRange) -> Bool
    /// Makes the disk do something wrong, where it can.
    func inject(_ fault: DiskFault)
    /// Damages what holds rows of a range: their checksums differ, or the disk refuses to give them.
    ///
    /// - Returns: whether there is anything that could be damaged.
    func damage(_ range: KeyRange, isUnreadable: Bool) -> Bool
    /// Takes back what was to go wrong and did not yet; what is damaged stays so.
    func clearFaults()
    /// An empty disk takes its place.
    func replace()
    /// Ends its use for good.
    func close()
}

/// The model store of `Storage`: fast, and what most runs use.
package final class ModelDisk: NodeDisk {
    private let model: ModelBackend
    private let diskReadEvery: Int

    /// An empty disk; every n-th read needs it (0: memory has all).
    package init(path: String, diskReadEvery: Int) {
        model = ModelBackend(path: path)
        self.diskReadEvery = diskReadEvery
    }

    package func open() throws(StorageError) -> any StoreBackend {
        model.needDisk(everyNthRead: diskReadEvery)
        return model
    }

    package func processEnded() { model.crash(keeping: model.unsyncedGroups) }

    package func powerLost(_ random: inout SimulatedRandom) {
        let kept = random.chance(0.5) ? 0 : random.number(in: 0...model.unsyncedGroups)
        model.crash(keeping: kept)
    }

    package func storeFailed(_ failure: StorageError) {}

    package func tidyUp(mayCompact: Bool) {}

    package var needsStart: Bool { false }

    package func isDamaged(in range: KeyRange) -> Bool {
        // It fails for damage alone, also where there are no rows.
        (try? model.scan(range, rowsMax: .max, bytesMax: .max)) == nil
    }

    package func clearFaults() { model.clearFaults() }

    package func inject(_ fault: DiskFault) {
        switch fault {
        case .failedWrite: model.inject(.write)
        case .failedSync: model.inject(.sync)
        case .full: model.setFull(true)
        case .roomy: model.setFull(false)
        }
    }

    package func damage(_ range: KeyRange, isUnreadable: Bool) -> Bool {
        model.damage(range, isUnreadable: isUnreadable)
        return true
    }

    package func replace() { model.wipe() }

    package func close() {}
}
