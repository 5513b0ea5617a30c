internal import Catalog
internal import Coordination
internal import Storage

/// Faults that the simulator plants to prove that its checkers see them; never set otherwise.
package struct PlantedFaults: OptionSet, Sendable {
    /// The bits.
    package let rawValue: UInt32

    /// The faults with the given bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A read at any level asks one replica only.
    package static let readAtOneReplica = PlantedFaults(rawValue: 1)
    /// A hint is deleted before its target acknowledged it.
    package static let droppedHint = PlantedFaults(rawValue: 2)
    /// The sweeper purges before grace period and repair.
    package static let earlyPurge = PlantedFaults(rawValue: 4)
    /// Replicas that were found stale are not repaired.
    package static let skippedReadRepair = PlantedFaults(rawValue: 8)
    /// A node that lost its disk answers reads at once.
    package static let wipedNodeAnswers = PlantedFaults(rawValue: 16)
    /// The sweeper purges what no repair has brought to all replicas.
    package static let unrepairedPurge = PlantedFaults(rawValue: 32)
    /// The rows of a read are answered in the wrong order.
    package static let reversedRows = PlantedFaults(rawValue: 64)
    /// A write that timed out is said to have been refused.
    package static let refusedTimeout = PlantedFaults(rawValue: 128)
    /// A coordinator judges expiry by a clock that is an hour behind.
    package static let lateClock = PlantedFaults(rawValue: 256)
    /// A repair counts rows as written that it did not write.
    package static let unwrittenRepair = PlantedFaults(rawValue: 512)
    /// Logged batches whose coordinator died are dropped.
    package static let droppedBatch = PlantedFaults(rawValue: 1024)
    /// A score at any level asks one replica only.
    package static let scoreAtOneReplica = PlantedFaults(rawValue: 2048)
    /// A page of a scan has its first row twice.
    package static let repeatedRow = PlantedFaults(rawValue: 4096)
    /// Hints that were handed over are kept.
    package static let keptHint = PlantedFaults(rawValue: 8192)
    /// A read waits for its replicas without end.
    package static let endlessRead = PlantedFaults(rawValue: 1 << 14)
    /// A node that comes back is not held alive again.
    package static let unnoticedReturn = PlantedFaults(rawValue: 1 << 15)
    /// The room of requests that are over is never given back.
    package static let heldRoom = PlantedFaults(rawValue: 1 << 16)
    /// Entries of the cluster log with odd epochs are not written.
    package static let skippedEpochs = PlantedFaults(rawValue: 1 << 17)
    /// All rows of a table are dropped where some of its slices are damaged.
    package static let widePurge = PlantedFaults(rawValue: 1 << 18)
    /// Replicas take writes of older epochs, to tables that are gone.
    package static let staleEpochWrite = PlantedFaults(rawValue: 1 << 19)

    /// What a write that failed says.
    func reported(_ error: CoordinationError) -> CoordinationError {
        guard contains(.refusedTimeout), case .writeTimeout = error else { return error }
        return .overloaded("nothing was done")
    }

    /// What a page of a scan has.
    func reported(_ page: ScanMachine.Page) -> ScanMachine.Page {
        guard contains(.repeatedRow), let first = page.rows.first else { return page }
        return ScanMachine.Page(rows: [first] + page.rows, position: page.position)
    }

    /// What is dropped of a table where a range of it is damaged.
    func dropped(_ range: KeyRange, of table: TableID) -> KeyRange {
        contains(.widePurge) ? RowKey.tableRange(table) : range
    }
}
