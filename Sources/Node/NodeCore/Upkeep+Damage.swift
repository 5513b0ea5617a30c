internal import Catalog
internal import Coordination
internal import PeerMessages
internal import Replication
internal import Storage
internal import TokenPlacement

/// Damage is looked for where reads or compactions met it: a slice at a time, within a rate.
extension Upkeep {
    /// How often in a row the disk must refuse to give a part of a slice for that to count as damage.
    private static let refusalsMax = 3
    /// What a drop that concerns no slice is kept under for the next start: no table has this id.
    private static let noSlice = SliceID(TableID(0), 0)

    // MARK: Suspects

    /// A read found damaged bytes near a token: the slice is looked through on its own.
    func corruptionFound(_ table: TableID, _ token: Token, _ text: String) {
        let slice = health.slice(table, token)
        guard health.state(of: slice) == nil, !damage.suspects.contains(slice),
            damage.refusals[slice] == nil, !damage.lostCauses.contains(slice)
        else { return }
        environment.log(.error, "\(slice) seems damaged: \(text)")
        suspect(slice)
    }

    func suspect(_ slice: SliceID) {
        damage.suspects.insert(slice)
        followCompaction()
        if !damage.isLookingThrough { lookThroughNext() }
    }

    /// A compaction of the life before could not read some rows: their slices are looked through.
    func suspectRows() {
        guard let range = damage.suspectRows else { return }
        let slices = overlapping(range).filter { health.state(of: $0) == nil }.sorted()
        environment.log(
            .notice,
            """
            a compaction met damage before this start: the \(slices.count) slices that it may lie in \
            are looked through, and nothing is compacted meanwhile
            """
        )
        for slice in slices { suspect(slice) }
    }

    /// A file with rows was lost before this start: its slices are as good as damaged, though what is
    /// left of them reads like a sound one.
    ///
    /// - Returns: those slices.
    func refuseLostRows() -> Set<SliceID> {
        let lost = damage.lostRows.map(overlapping).reduce(into: Set()) { $0.formUnion($1) }
            .filter { health.state(of: $0) == nil || health.state(of: $0) == .damaged }
        for slice in lost.sorted() {
            refuse(slice, nil)
            lookAgain(slice)
        }
        return lost
    }

    /// What was lost with a file is forgotten once none of its slices waits for its drop.
    private func forgetLostRows() {
        let done = damage.lostRows.filter { range in
            overlapping(range).allSatisfy { health.state(of: $0) != .damaged }
        }
        guard !done.isEmpty, view.state.slices != nil else { return }
        damage.lostRows.removeAll(where: done.contains)
        persist(done.map { LocalChange(key: LocalKeys.lostRows($0), value: nil) }) { _ in }
    }

    /// A round passed: once all suspects are cleared up, rows are compacted again.
    func damageRound() {
        damage.keep(tables: Set(view.state.tables.values.flatMap(\.values).map(\.id)))
        forgetLostRows()
        if let range = damage.suspectRows, view.state.slices != nil, damage.isQuiet, isSettled {
            damage.isLookingThrough = true
            // Rows that nobody asks for any more are compacted too.
            look(nil, DamageSearch(range))
        }
        followCompaction()
    }

    /// Whether no slice waits for what is left of it to be dropped.
    private var isSettled: Bool {
        health.slices(.damaged).isEmpty && health.slices(.purging).isEmpty
    }

    private func followCompaction() {
        let isAllowed = damage.suspectRows == nil && damage.isQuiet && isSettled
        guard isAllowed != damage.mayCompact else { return }
        damage.mayCompact = isAllowed
        compactionChanged(isAllowed)
    }

    // MARK: Looking

    private func lookThroughNext() {
        guard !isStopped, let slice = damage.suspects.min() else {
            damage.isLookingThrough = false
            return
        }
        damage.isLookingThrough = true
        look(slice, DamageSearch(keys(of: slice)))
    }

    /// Looks through a slice, or else all that a compaction could not read, page by page.
    private func look(_ slice: SliceID?, _ search: DamageSearch) {
        guard !isStopped else { return }
        let pause = damage.bandwidth.ready(now: environment.now) - environment.now
        guard pause <= .zero else {
            lookOn(slice, search, after: pause)
            return
        }
        typealias Step = (search: DamageSearch, finding: DamageSearch.Finding?)
        let isTaken = environment.runOnPool(.background) { store throws(StorageError) -> Step in
            var search = search
            let finding = try search.step(in: store)
            return (search, finding)
        } completion: { [weak self] (result: Result<Step, StorageError>) in
            guard let self else { return }
            let step = try? result.get()
            if let next = step?.search {
                damage.bandwidth.take(next.bytesRead - search.bytesRead, now: environment.now)
                if step?.finding == nil {
                    look(slice, next)
                    return
                }
            }
            if let slice {
                damage.suspects.remove(slice)
                looked(slice, step?.finding)
            } else {
                lookedThroughRest(step?.finding)
            }
            lookThroughNext()
        }
        if !isTaken { lookOn(slice, search, after: settings.interval) }
    }

    private func lookOn(_ slice: SliceID?, _ search: DamageSearch, after pause: Duration) {
        _ = environment.schedule(after: max(.milliseconds(1), pause)) { [weak self] in
            self?.look(slice, search)
        }
    }

    /// A slice was looked through, or could not be: nil.
    private func looked(_ slice: SliceID, _ finding: DamageSearch.Finding?) {
        // Others are being asked for it, and it goes with its neighbours or stays with them.
        guard !damage.asking.contains(slice) else {
            damage.refusals[slice] = nil
            return
        }
        guard health.state(of: slice) != .rebuilding else {
            // It went with another slice; what is damaged now is found by whoever reads it then.
            damage.refusals[slice] = nil
            return
        }
        switch finding {
        case .damaged(let range):
            damage.refusals[slice] = nil
            damageMet(lookingThrough: slice, range)
        case .refused(let range):
            let count = damage.refusals[slice, default: 0] + 1
            damage.refusals[slice] = count < Self.refusalsMax ? count : nil
            if count < Self.refusalsMax {
                lookAgain(slice)
            } else {
                damageMet(lookingThrough: slice, range)
            }
        case .sound:
            damage.refusals[slice] = nil
            switch health.state(of: slice) {
            // What a crash left half purged is purged to its end.
            case .purging: purge([slice], keys(of: slice))
            case .damaged: pardon(slice)
            case .rebuilding, nil: break
            }
        case nil: if health.state(of: slice) != nil { lookAgain(slice) }
        }
    }

    /// A damaged file was met while a slice was looked through.
    ///
    /// A scan begins in every file that reaches behind its first key, so that it may have met one that
    /// holds nothing of the slice. That one goes with those that it does hold rows of.
    private func damageMet(lookingThrough slice: SliceID, _ range: KeyRange?) {
        guard let range, !range.overlaps(keys(of: slice)) else {
            giveUp(slice, range)
            return
        }
        if !giveUpOwners(of: range), damage.suspectRows == nil {
            damage.suspectRows = range
            let value = LocalKeys.value(of: range)
            persist([LocalChange(key: LocalKeys.suspectRows, value: value)]) { _ in }
        }
        if health.state(of: slice) != nil { lookAgain(slice) }
    }

    /// Gives up the slices that a damaged file holds rows of, unless they are already.
    ///
    /// - Returns: whether there are any.
    private func giveUpOwners(of range: KeyRange) -> Bool {
        let owners = overlapping(range)
        if let owner = owners.filter({ health.state(of: $0) == nil }).min() { giveUp(owner, range) }
        return !owners.isEmpty
    }

    /// What a compaction could not read was looked through once all its slices are sound.
    private func lookedThroughRest(_ finding: DamageSearch.Finding?) {
        if case .refused? = finding {
            damage.restRefusals += 1
            // Looked through again with the next round.
            guard damage.restRefusals >= Self.refusalsMax else { return }
        }
        damage.restRefusals = 0
        switch finding {
        case .sound:
            damage.suspectRows = nil
            damage.cuts[Self.noSlice] = nil
            environment.log(.notice, "no damage is left in what a compaction could not read")
            persist([
                LocalChange(key: LocalKeys.suspectRows, value: nil),
                LocalChange(key: LocalKeys.cut(Self.noSlice), value: nil),
            ]) { [weak self] _ in
                self?.followCompaction()
            }
        case .damaged(let range), .refused(let range):
            let range = range ?? damage.suspectRows ?? .all
            // What shares a file with rows that nobody asks for any more goes with them; what is being
            // rebuilt comes first.
            if !giveUpOwners(of: range) { dropUnasked(range) }
        case nil: break
        }
    }

    /// Drops damaged rows that are none of a slice that this node holds: those of tables that are gone.
    private func dropUnasked(_ range: KeyRange) {
        var writes = StoreWrites()
        writes.drop(range: range)
        _ = environment.submit(writes) { [weak self] error in
            guard let self, case .corruption? = error else { return }
            guard damage.cuts[Self.noSlice] == nil else { return }
            damage.cuts[Self.noSlice] = range
            let value = LocalKeys.value(of: range)
            persist([LocalChange(key: LocalKeys.cut(Self.noSlice), value: value)]) { _ in }
            environment.log(
                .critical,
                "a damaged file of a dropped table cannot be removed while this node runs: start it again"
            )
        }
    }

    /// Takes up a slice again after a while: what was found in it still stands, or it is looked
    /// through once more.
    func lookAgain(_ slice: SliceID) {
        let seconds = Duration.seconds(settings.repair.rebuildRetrySeconds)
        let pause = max(settings.interval, seconds).jittered(environment.random())
        _ = environment.schedule(after: pause) { [weak self] in
            guard let self, !isStopped else { return }
            switch health.state(of: slice) {
            case .damaged where !areAlive(others(of: slice)): lookAgain(slice)
            case .damaged:
                if let finding = damage.findings[slice] {
                    giveUp(slice, finding)
                } else {
                    suspect(slice)
                }
            case .purging: suspect(slice)
            case nil where damage.refusals[slice] != nil: suspect(slice)
            case .rebuilding, nil: damage.refusals[slice] = nil
            }
        }
    }

    /// Nothing is wrong with a slice (any more).
    private func pardon(_ slice: SliceID) {
        persist([SliceHealth.change(to: nil, slice)]) { [weak self] isWritten in
            guard let self, isWritten, health.state(of: slice) == .damaged else { return }
            health.set(nil, slice)
            healthChanged(health)
        }
    }

    // MARK: Places

    func areAlive(_ nodes: [NodeID]) -> Bool { nodes.allSatisfy(view.alive.contains) }

    /// The slices of which this node is a replica and that a range of keys touches.
    func overlapping(_ range: KeyRange?) -> Set<SliceID> {
        guard let range else { return [] }
        var slices: Set<SliceID> = []
        for table in view.state.tables.values.flatMap(\.values) {
            guard let replicated = replicated(table) else { continue }
            for slice in 0..<health.sliceCount
            where replicated.replicas(ofSlice: slice).contains(node) {
                let keys = keys(of: SliceID(table.id, slice))
                let endsBefore =
                    keys.upper.map { !range.lower.lexicographicallyPrecedes($0) } ?? false
                let beginsBehind =
                    range.upper.map { !keys.lower.lexicographicallyPrecedes($0) } ?? false
                if !endsBefore, !beginsBehind { slices.insert(SliceID(table.id, slice)) }
            }
        }
        return slices
    }

    func keys(of slice: SliceID) -> KeyRange {
        let tokens = SliceID.tokens(ofSlice: slice.slice, sliceCount: health.sliceCount)
        return RowKey.sliceRange(table: slice.table, tokens: tokens)
    }

    /// The least range that holds all of some.
    static func hull(_ ranges: [KeyRange]) -> KeyRange {
        var hull = ranges[0]
        for range in ranges.dropFirst() {
            if range.lower.lexicographicallyPrecedes(hull.lower) { hull.lower = range.lower }
            if let upper = hull.upper {
                hull.upper = range.upper.map {
                    upper.lexicographicallyPrecedes($0) ? $0 : upper
                }
            }
        }
        return hull
    }
}
