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
    /// The rows of a range cannot be read any more: their checksums differ, or the disk refuses to
    /// give them.
    case damaged(KeyRange, isUnreadable: Bool)
}

/// The disk of a simulated node and the store on it: it outlives the node's crashes.
package protocol NodeDisk: AnyObject {
    /// Opens the store, as a starting node does.
    func open() throws(StorageError) -> any StoreBackend
    /// The process ends: what was written stays.
    func processEnded()
    /// The power goes: what was not synced may go with it.
    func powerLost(_ random: inout SimulatedRandom)
    /// Whether ranges of it can be damaged.
    var canBeDamaged: Bool { get }
    /// Whether rows of a range cannot be read now: what was dropped is not damaged any more.
    func isDamaged(in range: KeyRange) -> Bool
    /// Makes the disk do something wrong, where it can.
    func inject(_ fault: DiskFault)
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

    package var canBeDamaged: Bool { true }

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
        case .damaged(let range, let isUnreadable):
            model.damage(range, isUnreadable: isUnreadable)
        }
    }

    package func replace() { model.wipe() }

    package func close() {}
}
