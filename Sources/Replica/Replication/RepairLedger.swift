package import Catalog
package import PeerMessages
internal import Storage
package import TokenPlacement

/// What this node knows of its slices' repairs: when the last one began, and which are dirty.
///
/// Every change comes with what makes it last; a crash between the two costs a repair too many, or
/// a sweep too few.
package struct RepairLedger: Sendable {
    private struct Repair: Hashable {
        var startedSeconds: Int64
        var replicas: RowDigest
    }

    private let settings: RepairSettings
    private var repairs: [SliceID: Repair] = [:]
    private var marks: [SliceID: [NodeID: Int64]] = [:]

    /// A ledger without entries.
    package init(settings: RepairSettings) { self.settings = settings }

    // MARK: Events

    /// Takes up a key of the node's own and its value, as they were found at the start.
    ///
    /// - Returns: whether they are an entry.
    @discardableResult
    package mutating func restore(key: [UInt8], value: [UInt8], nowSeconds: Int64) -> Bool {
        if let mark = SliceKeys.dirtyMark(key: key, value: value) {
            _ = note(mark, nowSeconds: nowSeconds)
            return true
        }
        guard let found = SliceKeys.repaired(key: key, value: value) else { return false }
        repairs[found.slice] = Repair(
            startedSeconds: found.startedSeconds,
            replicas: found.replicas
        )
        return true
    }

    /// A replica lacks writes.
    ///
    /// - Returns: what makes that last, nil if an earlier mark covers this one.
    package mutating func note(_ mark: DirtyMark, nowSeconds: Int64) -> LocalChange? {
        let slice = SliceID(mark.table, mark.slice)
        var mark = mark
        // No repair could ever be later than a mark from the far future.
        mark.sinceSeconds = min(mark.sinceSeconds, nowSeconds)
        if let since = marks[slice]?[mark.target],
            mark.sinceSeconds <= since.clampedSum(settings.markCoverSeconds)
        {
            return nil
        }
        marks[slice, default: [:]][mark.target] = mark.sinceSeconds
        return SliceKeys.put(mark)
    }

    /// All replicas of a slice took part in a repair.
    ///
    /// - Parameters:
    ///   - note: the repair.
    ///   - replicas: the slice's replicas as this node knows them.
    ///   - nowSeconds: this node's wall clock.
    /// - Returns: what makes that last; nil: the note is refused, since it comes from the future,
    ///   where a sweep would take deletions for repaired that are not.
    package mutating func note(
        _ note: RepairNote,
        replicas: [NodeID],
        nowSeconds: Int64
    ) -> [LocalChange]? {
        let latest = nowSeconds.clampedSum(settings.skewMarginSeconds)
        guard note.startedSeconds <= latest else { return nil }
        let slice = SliceID(note.table, note.slice)
        var changes: [LocalChange] = []
        for (target, since) in (marks[slice] ?? [:]).sorted(by: { $0.key < $1.key })
        where isCovered(since, by: note.startedSeconds) || !replicas.contains(target) {
            marks[slice]?[target] = nil
            changes.append(
                SliceKeys.remove(
                    DirtyMark(
                        table: note.table,
                        slice: note.slice,
                        target: target,
                        sinceSeconds: since
                    )
                )
            )
        }
        if marks[slice]?.isEmpty == true { marks[slice] = nil }
        let digest = SliceKeys.digest(of: replicas)
        if let known = repairs[slice], known.replicas == digest,
            known.startedSeconds >= note.startedSeconds, known.startedSeconds <= latest
        {
            return changes
        }
        repairs[slice] = Repair(startedSeconds: note.startedSeconds, replicas: digest)
        changes.append(
            SliceKeys.putRepaired(slice, startedSeconds: note.startedSeconds, replicas: digest)
        )
        return changes
    }

    /// A replica keeps a mark that this node, which is none, has kept for it.
    ///
    /// - Returns: what forgets it here; nil if a later mark has taken its place.
    package mutating func handedOver(_ mark: DirtyMark) -> LocalChange? {
        let slice = SliceID(mark.table, mark.slice)
        guard marks[slice]?[mark.target] == mark.sinceSeconds else { return nil }
        marks[slice]?[mark.target] = nil
        if marks[slice]?.isEmpty == true { marks[slice] = nil }
        return SliceKeys.remove(mark)
    }

    /// A slice's rows here were lost: what was repaired is so no more.
    package mutating func forgetRepair(of slice: SliceID) -> LocalChange? {
        guard repairs.removeValue(forKey: slice) != nil else { return nil }
        return SliceKeys.removeRepaired(slice)
    }

    /// Forgets all tables but some: the others were dropped.
    package mutating func keep(tables: Set<TableID>) -> [LocalChange] {
        var changes: [LocalChange] = []
        for slice in repairs.keys.sorted() where !tables.contains(slice.table) {
            repairs[slice] = nil
            changes.append(SliceKeys.removeRepaired(slice))
        }
        for slice in marks.keys.sorted() where !tables.contains(slice.table) {
            changes.append(contentsOf: dirtyMarks(of: slice).map(SliceKeys.remove))
            marks[slice] = nil
        }
        return changes
    }

    // MARK: Queries

    /// When the last repair began that these replicas all took part in; nil: none did.
    package func repairedSeconds(_ slice: SliceID, replicas: [NodeID]) -> Int64? {
        guard let repair = repairs[slice], repair.replicas == SliceKeys.digest(of: replicas) else {
            return nil
        }
        return repair.startedSeconds
    }

    /// The marks of a slice, sorted by target.
    package func dirtyMarks(of slice: SliceID) -> [DirtyMark] {
        (marks[slice] ?? [:]).sorted { $0.key < $1.key }.map { target, since in
            DirtyMark(
                table: slice.table,
                slice: slice.slice,
                target: target,
                sinceSeconds: since
            )
        }
    }

    /// Whether a slice has marks.
    package func isDirty(_ slice: SliceID) -> Bool { marks[slice] != nil }

    /// The dirty slices, sorted.
    package var dirtySlices: [SliceID] { marks.keys.sorted() }

    /// Whether a repair that begins at a second finds all that a mark stands for.
    package func isCovered(_ sinceSeconds: Int64, by startedSeconds: Int64) -> Bool {
        startedSeconds
            > sinceSeconds.clampedSum(settings.markCoverSeconds)
            .clampedSum(settings.skewMarginSeconds)
    }
}

extension Int64 {
    /// The sum, or the nearest number that there is.
    func clampedSum(_ other: Int64) -> Int64 {
        let (sum, isOver) = addingReportingOverflow(other)
        return isOver ? (other > 0 ? .max : .min) : sum
    }

    /// The difference, or the nearest number that there is.
    func clampedDifference(_ other: Int64) -> Int64 {
        let (difference, isOver) = subtractingReportingOverflow(other)
        return isOver ? (other > 0 ? .min : .max) : difference
    }
}
