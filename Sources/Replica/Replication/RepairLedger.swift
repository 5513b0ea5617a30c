package import Catalog
package import PeerMessages
internal import Storage
package import TokenPlacement

/// What this node knows of its slices' repairs: when the last one began, and which are dirty.
///
/// Every change comes with what makes it last; a crash between the two costs a repair too many, or
/// a sweep too few. A dirty mark is different, since others forget what it stands for: it counts as
/// kept only once its write is known to be done.
package struct RepairLedger: Sendable {
    private struct Repair: Hashable {
        var startedSeconds: Int64
        var replicas: RowDigest
    }

    private struct Mark: Hashable {
        /// What is known of its write.
        enum Write: Hashable {
            /// Exits: to done, else to refused.
            case underWay
            /// Exits: to under way, with the next mark that it covers or the next round.
            case refused
            case done
        }

        var sinceSeconds: Int64
        var number: UInt64
        var write: Write
    }

    private let settings: RepairSettings
    private var repairs: [SliceID: Repair] = [:]
    private var marks: [SliceID: [NodeID: Mark]] = [:]
    private var nextNumber: UInt64 = 0

    /// A ledger without entries.
    package init(settings: RepairSettings) { self.settings = settings }

    // MARK: Events

    /// Takes up a key of the node's own and its value, as they were found at the start.
    ///
    /// - Returns: whether they are an entry.
    @discardableResult
    package mutating func restore(key: [UInt8], value: [UInt8]) -> Bool {
        if let mark = SliceKeys.dirtyMark(key: key, value: value) {
            _ = put(mark, .done)
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
    /// - Returns: what is to be written, and then told to ``persisted(_:)`` or
    ///   ``persistFailed(_:)``; nil if a mark that covers this one is on disk.
    package mutating func note(_ mark: DirtyMark, nowSeconds: Int64) -> PendingMark? {
        var mark = mark
        // No repair could ever be later than a mark from the far future.
        mark.sinceSeconds = min(mark.sinceSeconds, nowSeconds)
        if let known = marks[SliceID(mark.table, mark.slice)]?[mark.target] {
            if isFuture(known, nowSeconds) {
                mark.sinceSeconds = nowSeconds
            } else if mark.sinceSeconds
                <= known.sinceSeconds.clampedSum(settings.markCoverSeconds)
            {
                return known.write == .done ? nil : rewrite(known, of: mark)
            }
        }
        return put(mark, .underWay)
    }

    /// Marks are on disk.
    package mutating func persisted(_ pending: [PendingMark]) {
        for pending in pending { settle(pending, .done) }
    }

    /// Marks could not be written, or it is not known whether they were.
    ///
    /// They still count for repair, and are given out again by ``note(_:nowSeconds:)`` and
    /// ``settle(nowSeconds:)``.
    package mutating func persistFailed(_ pending: [PendingMark]) {
        for pending in pending { settle(pending, .refused) }
    }

    /// Time passed: gives out marks whose write failed, and those from the far future, which a
    /// clock made that was ahead and which count from now on.
    ///
    /// - Returns: what is to be written, sorted, not all of it at once.
    package mutating func settle(nowSeconds: Int64) -> [PendingMark] {
        var found: [(slice: SliceID, target: NodeID)] = []
        for (slice, targets) in marks {
            for (target, mark) in targets
            where mark.write == .refused || isFuture(mark, nowSeconds) {
                found.append((slice, target))
            }
        }
        found.sort { ($0.slice, $0.target) < ($1.slice, $1.target) }
        return found.prefix(settings.marksMax).compactMap { slice, target in
            guard let known = marks[slice]?[target] else { return nil }
            let mark = DirtyMark(
                table: slice.table,
                slice: slice.slice,
                target: target,
                sinceSeconds: min(known.sinceSeconds, nowSeconds)
            )
            return isFuture(known, nowSeconds) ? put(mark, .underWay) : rewrite(known, of: mark)
        }
    }

    private func isFuture(_ mark: Mark, _ nowSeconds: Int64) -> Bool {
        mark.sinceSeconds > nowSeconds.clampedSum(settings.skewMarginSeconds)
    }

    /// Puts a mark in the place of the one that its slice and target have.
    private mutating func put(_ mark: DirtyMark, _ write: Mark.Write) -> PendingMark {
        nextNumber += 1
        marks[SliceID(mark.table, mark.slice), default: [:]][mark.target] = Mark(
            sinceSeconds: mark.sinceSeconds,
            number: nextNumber,
            write: write
        )
        return PendingMark(mark: mark, number: nextNumber)
    }

    /// Gives a mark out once more that is not known to be on disk.
    private mutating func rewrite(_ known: Mark, of mark: DirtyMark) -> PendingMark {
        var mark = mark
        mark.sinceSeconds = known.sinceSeconds
        marks[SliceID(mark.table, mark.slice)]?[mark.target]?.write = .underWay
        return PendingMark(mark: mark, number: known.number)
    }

    private mutating func settle(_ pending: PendingMark, _ write: Mark.Write) {
        let slice = SliceID(pending.mark.table, pending.mark.slice)
        // Meanwhile it may have been repaired, or another one have taken its place.
        guard let known = marks[slice]?[pending.mark.target], known.number == pending.number,
            known.write != .done
        else { return }
        marks[slice]?[pending.mark.target]?.write = write
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
        for (target, mark) in (marks[slice] ?? [:]).sorted(by: { $0.key < $1.key })
        where isCovered(mark.sinceSeconds, by: note.startedSeconds) || !replicas.contains(target) {
            marks[slice]?[target] = nil
            changes.append(
                SliceKeys.remove(
                    DirtyMark(
                        table: note.table,
                        slice: note.slice,
                        target: target,
                        sinceSeconds: mark.sinceSeconds
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
        guard marks[slice]?[mark.target]?.sinceSeconds == mark.sinceSeconds else { return nil }
        marks[slice]?[mark.target] = nil
        if marks[slice]?.isEmpty == true { marks[slice] = nil }
        return SliceKeys.remove(mark)
    }

    /// A slice's rows here were lost: what was repaired is so no more.
    package mutating func forgetRepair(of slice: SliceID) -> LocalChange? {
        guard repairs.removeValue(forKey: slice) != nil else { return nil }
        return SliceKeys.removeRepaired(slice)
    }

    /// Forgets all tables but some, and those that may come to be known: the others were dropped.
    ///
    /// - Parameters:
    ///   - tables: those that there are.
    ///   - next: the least id of those that are not known yet.
    /// - Returns: what makes that last.
    package mutating func keep(tables: Set<TableID>, from next: TableID) -> [LocalChange] {
        func isGone(_ slice: SliceID) -> Bool {
            slice.table < next && !tables.contains(slice.table)
        }
        var changes: [LocalChange] = []
        for slice in repairs.keys.sorted() where isGone(slice) {
            repairs[slice] = nil
            changes.append(SliceKeys.removeRepaired(slice))
        }
        for slice in marks.keys.sorted() where isGone(slice) {
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
        (marks[slice] ?? [:]).sorted { $0.key < $1.key }.map { target, mark in
            DirtyMark(
                table: slice.table,
                slice: slice.slice,
                target: target,
                sinceSeconds: mark.sinceSeconds
            )
        }
    }

    /// Whether a slice has marks.
    package func isDirty(_ slice: SliceID) -> Bool { marks[slice] != nil }

    /// The dirty slices, sorted.
    package var dirtySlices: [SliceID] { marks.keys.sorted() }

    /// Whether a repair that begins at a second finds all that a mark stands for.
    ///
    /// Who gives a mark lets it stand for what is lacking up to a cover period later; who keeps it
    /// lets it stand for another mark that was given up to a cover period later than that.
    package func isCovered(_ sinceSeconds: Int64, by startedSeconds: Int64) -> Bool {
        startedSeconds
            > sinceSeconds.clampedSum(settings.markCoverSeconds)
            .clampedSum(settings.markCoverSeconds)
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
