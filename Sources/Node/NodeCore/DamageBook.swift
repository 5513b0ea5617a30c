internal import Catalog
internal import Replication
internal import Storage
internal import TokenPlacement

/// What a node knows of damage on its disk, beside the states of its slices.
struct DamageBook {
    /// The slices that seem damaged: they are looked through one after the other.
    var suspects: Set<SliceID> = []
    /// Whether one is looked through now, or what a compaction could not read.
    var isLookingThrough = false
    /// How often in a row the disk refused to give a part of a slice.
    var refusals: [SliceID: Int] = [:]
    /// How often in a row the disk refused to give a part of what a compaction could not read.
    var restRefusals = 0
    /// What was found in slices that are damaged for certain: the range of the damaged file, if it is
    /// known.
    var findings: [SliceID: KeyRange?] = [:]
    /// The slices of which the other replicas are asked whether they hold them; none: nobody is asked.
    var asking: Set<SliceID> = []
    /// The slices whose rows are being dropped.
    var dropping: Set<SliceID> = []
    /// The slices that are damaged and have no other replica.
    var lostCauses: Set<SliceID> = []
    /// The drops that a damaged file stands in the way of until the next start, by their first slice.
    var cuts: [SliceID: KeyRange] = [:]
    /// The ranges whose rows were lost with a file that is gone: nothing shows it there.
    var lostRows: [KeyRange] = []
    /// The rows that a compaction could not read, until they are looked through.
    var suspectRows: KeyRange?
    /// Whether rows may be compacted.
    ///
    /// A compaction that meets damage stops all writes: a store is opened without compactions.
    var mayCompact = false
    /// Bounds what looking through reads.
    var bandwidth: TokenBucket

    /// What a node's disk says at the start.
    init(_ records: UpkeepRecords, bytesPerSecond: Int) {
        suspectRows = records.suspectRows
        lostRows = records.lostRows
        for cut in records.cuts { cuts[cut.slice] = cut.range }
        bandwidth = .paced(bytesPerSecond: bytesPerSecond)
    }

    /// Whether no slice is being looked through, or waits for that or for its drop.
    var isQuiet: Bool {
        suspects.isEmpty && !isLookingThrough && refusals.isEmpty && findings.isEmpty
            && asking.isEmpty && dropping.isEmpty && lostCauses.isEmpty
    }

    /// Forgets slices of tables that are gone.
    mutating func keep(tables: Set<TableID>) {
        suspects = suspects.filter { tables.contains($0.table) }
        refusals = refusals.filter { tables.contains($0.key.table) }
        findings = findings.filter { tables.contains($0.key.table) }
        lostCauses = lostCauses.filter { tables.contains($0.table) }
    }
}
