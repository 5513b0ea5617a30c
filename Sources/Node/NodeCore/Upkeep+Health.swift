internal import Catalog
internal import Coordination
internal import Replication
internal import Storage
internal import TokenPlacement

/// Slices that this node's disk lost: they are marked, purged, and rebuilt from their replicas.
extension Upkeep {
    // MARK: Restoring

    /// Takes up the states that were found on disk, and marks everything if the disk was lost.
    ///
    /// Called with each new view, before any loop gets it.
    func healthFollows(_ view: ClusterView) {
        if health.sliceCount != view.sliceCount {
            var restored = SliceHealth(sliceCount: view.sliceCount)
            for state in records.states { restored.restore(key: state.key, value: state.value) }
            health = restored
            healthChanged(health)
            for slice in health.slices(.purging) { suspect(slice) }
        }
        if mustRebuildAll { markLostDisk(view) }
        let tables = Set(view.state.tables.values.flatMap(\.values).map(\.id))
        let changes = health.keep(tables: tables)
        if !changes.isEmpty {
            healthChanged(health)
            persist(changes) { _ in }
        }
    }

    /// The disk was lost: all slices of the tables that there are by now must be rebuilt.
    ///
    /// A table that is made later has no rows that were lost.
    private func markLostDisk(_ view: ClusterView) {
        guard view.state.slices != nil, !faults.contains(.wipedNodeAnswers) else { return }
        mustRebuildAll = false
        var changes = [LocalChange(key: LocalKeys.lostDisk, value: nil)]
        for table in view.state.tables.values.flatMap(\.values).sorted(by: { $0.id < $1.id }) {
            guard let replicated = replicated(table) else { continue }
            for slice in 0..<replicated.sliceCount {
                let replicas = replicated.replicas(ofSlice: slice)
                guard replicas.contains(node), replicas.count > 1 else { continue }
                let id = SliceID(table.id, slice)
                if let change = health.set(.rebuilding, id) { changes.append(change) }
                if let change = ledger.forgetRepair(of: id) { changes.append(change) }
            }
        }
        healthChanged(health)
        environment.log(
            .notice,
            "\(health.slices(.rebuilding).count) slices are rebuilt from their replicas: this node's disk was lost"
        )
        persist(changes) { _ in }
    }

    // MARK: Damage

    /// A read found damaged bytes near a token: the slice is looked through on its own.
    func corruptionFound(_ table: TableID, _ token: Token, _ text: String) {
        let slice = health.slice(table, token)
        guard health.state(of: slice) == nil, !suspects.contains(slice) else { return }
        environment.log(.error, "\(slice) seems damaged: \(text)")
        suspect(slice)
    }

    private func suspect(_ slice: SliceID) {
        suspects.insert(slice)
        if suspects.count == 1 { lookThroughNext() }
    }

    /// What is known of a slice after looking through it.
    private enum Finding: Sendable {
        case sound
        /// Damaged, as is whatever lies in the range, if the store knows one.
        case damaged(KeyRange?)
    }

    private func lookThroughNext() {
        guard !isStopped, let slice = suspects.min() else { return }
        let range = keys(of: slice)
        let isTaken = environment.runOnPool(.background) { store throws(StorageError) in
            try Self.look(through: range, in: store)
        } completion: { [weak self] (result: Result<Finding, StorageError>) in
            guard let self else { return }
            suspects.remove(slice)
            switch result {
            case .success(.damaged(let range)): giveUp(slice, range)
            // What a crash left half purged is purged to its end.
            case .success(.sound) where health.state(of: slice) == .purging:
                purge([slice], keys(of: slice))
            case .success(.sound), .failure: break
            }
            lookThroughNext()
        }
        guard !isTaken else { return }
        _ = environment.schedule(after: settings.interval) { [weak self] in
            self?.lookThroughNext()
        }
    }

    private static func look(
        through range: KeyRange,
        in store: any StoreReading
    ) throws(StorageError) -> Finding {
        var rest = range
        do throws(StorageError) {
            while true {
                let page = try store.scan(rest, rowsMax: 1000, bytesMax: 1 << 20)
                guard !page.isComplete, let last = page.entries.last else { return .sound }
                rest.lower = last.key + [0]
            }
        } catch {
            if case .corruption = error { return .damaged(store.damagedRange(error)) }
            throw error
        }
    }

    /// A slice is damaged for certain: it is dropped with all that lies in the same damaged file,
    /// and rebuilt, if others have it too.
    private func giveUp(_ slice: SliceID, _ range: KeyRange?) {
        let slices = overlapping(range).union([slice])
        for slice in slices.sorted() {
            guard let table = table(slice.table), let replicated = replicated(table) else { return }
            guard replicated.replicas(ofSlice: slice.slice).count > 1 else {
                environment.log(
                    .critical,
                    """
                    \(slice) (\(table.qualifiedName)) is damaged and has no other replica: reads \
                    of it fail; restore it from a backup, or drop the table
                    """
                )
                return
            }
        }
        environment.log(
            .error,
            """
            \(slices.count) slices are damaged, \(slice) among them: they are dropped and rebuilt \
            from their replicas
            """
        )
        let ordered = slices.sorted()
        let changes =
            ordered.compactMap { health.set(.purging, $0) }
            + ordered.compactMap { ledger.forgetRepair(of: $0) }
        healthChanged(health)
        let hull = Self.hull(ordered.map(keys) + (range.map { [$0] } ?? []))
        persist(changes) { [weak self] isWritten in
            // Else they stay as they are marked, and the store has failed.
            if isWritten { self?.purge(ordered, hull) }
        }
    }

    /// The least range that holds all of some.
    private static func hull(_ ranges: [KeyRange]) -> KeyRange {
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

    /// The slices of which this node is a replica and that a range of keys touches.
    private func overlapping(_ range: KeyRange?) -> Set<SliceID> {
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

    private func keys(of slice: SliceID) -> KeyRange {
        let tokens = SliceID.tokens(ofSlice: slice.slice, sliceCount: health.sliceCount)
        return RowKey.sliceRange(table: slice.table, tokens: tokens)
    }

    private func table(_ id: TableID) -> TableDefinition? {
        view.state.tables.values.lazy.flatMap(\.values).first { $0.id == id }
    }

    /// Drops what is left of slices; then they take writes again, and wait for their rows.
    private func purge(_ slices: [SliceID], _ range: KeyRange) {
        var writes = StoreWrites()
        writes.drop(range: range)
        replica.submit(writes) { [weak self] result in
            guard let self else { return }
            guard case .success = result else {
                if case .failure(let failure) = result {
                    environment.log(.error, "damaged slices cannot be dropped yet: \(failure)")
                }
                _ = environment.schedule(after: settings.interval) { [weak self] in
                    self?.purge(slices, range)
                }
                return
            }
            persist(slices.map { SliceHealth.change(to: .rebuilding, $0) }) {
                [weak self] isWritten in
                guard let self, isWritten else { return }
                for slice in slices { health.set(.rebuilding, slice) }
                healthChanged(health)
            }
        }
    }

    /// All other replicas have given their rows of a slice; `completion` is called once that is on
    /// disk, or could not be written.
    func rebuilt(_ slice: SliceID, completion: @escaping () -> Void) {
        guard health.state(of: slice) == .rebuilding else {
            completion()
            return
        }
        persist([SliceHealth.change(to: nil, slice)]) { [weak self] isWritten in
            // Meanwhile it may have turned out to be damaged again.
            if let self, isWritten, health.state(of: slice) == .rebuilding {
                health.set(nil, slice)
                healthChanged(health)
                if health.isWell { environment.log(.notice, "all slices can be read again") }
            }
            completion()
        }
    }

    /// Makes changes of the node's own keys last.
    func persist(_ changes: [LocalChange], _ completion: @escaping (Bool) -> Void) {
        var writes = StoreWrites()
        for change in changes { writes.apply(change) }
        replica.submit(writes) { result in
            if case .success = result { completion(true) } else { completion(false) }
        }
    }
}
