internal import Catalog
internal import Coordination
internal import PeerMessages
internal import Replication
internal import Storage
internal import TokenPlacement

/// Slices in which damage was found: they are looked through, refused, and once their other
/// replicas are there, dropped and rebuilt from them.
extension Upkeep {
    // MARK: Looking

    /// A read found damaged bytes near a token: the slice is looked through on its own.
    func corruptionFound(_ table: TableID, _ token: Token, _ text: String) {
        let slice = health.slice(table, token)
        guard health.state(of: slice) == nil, !suspects.contains(slice), !lostCauses.contains(slice)
        else { return }
        environment.log(.error, "\(slice) seems damaged: \(text)")
        suspect(slice)
    }

    func suspect(_ slice: SliceID) {
        suspects.insert(slice)
        if !isLookingThrough { lookThroughNext() }
    }

    private func lookThroughNext() {
        guard !isStopped, let slice = suspects.min() else {
            isLookingThrough = false
            return
        }
        isLookingThrough = true
        lookOn(slice, DamageSearch(keys(of: slice)))
    }

    /// Looks through a slice, page by page.
    private func lookOn(_ slice: SliceID, _ search: DamageSearch) {
        guard !isStopped else { return }
        typealias Step = (search: DamageSearch, finding: DamageSearch.Finding?)
        let isTaken = environment.runOnPool(.background) { store throws(StorageError) -> Step in
            var search = search
            let finding = try search.step(in: store)
            return (search, finding)
        } completion: { [weak self] (result: Result<Step, StorageError>) in
            guard let self else { return }
            if case .success((let search, nil)) = result {
                lookOn(slice, search)
                return
            }
            suspects.remove(slice)
            switch result {
            case .success(let step): found(step.finding, slice)
            case .failure: if health.state(of: slice) != nil { lookAgain(slice) }
            }
            lookThroughNext()
        }
        guard !isTaken else { return }
        _ = environment.schedule(after: settings.interval) { [weak self] in
            self?.lookOn(slice, search)
        }
    }

    private func found(_ finding: DamageSearch.Finding?, _ slice: SliceID) {
        switch finding {
        case .damaged(let range): giveUp(slice, range)
        case .sound, nil:
            switch health.state(of: slice) {
            // What a crash left half purged is purged to its end.
            case .purging: purge([slice], keys(of: slice))
            case .damaged: pardon(slice)
            case .rebuilding, nil: break
            }
        }
    }

    /// Looks through a slice again after a while, or once its other replicas are alive.
    private func lookAgain(_ slice: SliceID) {
        let pause = Duration.seconds(settings.repair.rebuildRetrySeconds)
        _ = environment.schedule(after: max(settings.interval, pause)) { [weak self] in
            guard let self, !isStopped else { return }
            switch health.state(of: slice) {
            case .damaged where !areAlive(others(of: slice)): lookAgain(slice)
            case .damaged, .purging: suspect(slice)
            case .rebuilding, nil: break
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

    // MARK: Giving up

    /// A slice is damaged for certain: it is refused, and dropped with all that lies in the same
    /// damaged file once the other replicas of all that can give it back.
    private func giveUp(_ slice: SliceID, _ range: KeyRange?) {
        guard table(slice.table) != nil else { return }
        // What lies between the slice and the range is dropped with them.
        let hull = range.map { Self.hull([keys(of: slice), $0]) }
        let slices = overlapping(hull).union([slice]).sorted()
        let alone = slices.first { others(of: $0).isEmpty && health.state(of: $0) == nil }
        if let alone {
            tellOfLostCause(alone)
            // The rest of such a slice can be read, and nothing brings back what is dropped.
            guard alone != slice else { return }
            refuse(slice)
            lookAgain(slice)
            return
        }
        guard slices.contains(where: { health.state(of: $0) != .purging }) else {
            drop(slices, range)
            return
        }
        refuse(slice)
        confirm(slices.filter { !others(of: $0).isEmpty }[...]) { [weak self] isHeld in
            guard let self else { return }
            let state = health.state(of: slice)
            guard state == .damaged || state == .purging else { return }
            if isHeld { drop(slices, range) } else { lookAgain(slice) }
        }
    }

    private func tellOfLostCause(_ slice: SliceID) {
        guard lostCauses.insert(slice).inserted else { return }
        environment.log(
            .critical,
            """
            \(slice) (\(table(slice.table)?.qualifiedName ?? "a table")) is damaged and has no \
            other replica: reads of it fail; drop the table, create it anew and load it from a \
            backup
            """
        )
    }

    /// Refuses reads of a damaged slice, also after a restart.
    private func refuse(_ slice: SliceID) {
        guard health.state(of: slice) == nil, let change = health.set(.damaged, slice) else {
            return
        }
        healthChanged(health)
        environment.log(
            .error,
            """
            \(slice) is damaged: reads of it are refused until it is rebuilt, for which its other \
            replicas must be alive
            """
        )
        persist([change]) { _ in }
    }

    /// Asks whether the other replicas of slices are alive, and one of each may read it: what they
    /// lost too is not dropped here.
    private func confirm(
        _ slices: ArraySlice<SliceID>,
        _ completion: @escaping (Bool) -> Void
    ) {
        guard let slice = slices.first else {
            completion(true)
            return
        }
        let others = others(of: slice)
        guard !isStopped, !others.isEmpty, areAlive(others) else {
            completion(false)
            return
        }
        confirm(slice, others[...]) { [weak self] isHeld in
            guard let self, isHeld else {
                completion(false)
                return
            }
            confirm(slices.dropFirst(), completion)
        }
    }

    /// Asks one node after the other whether it may read a slice.
    private func confirm(
        _ slice: SliceID,
        _ nodes: ArraySlice<NodeID>,
        _ completion: @escaping (Bool) -> Void
    ) {
        guard let peer = nodes.first else {
            completion(false)
            return
        }
        let request = ScanRequest(
            table: slice.table,
            nowSeconds: wallSeconds,
            tokens: SliceID.tokens(ofSlice: slice.slice, sliceCount: health.sliceCount),
            after: nil,
            rowsMax: 1,
            bytesMax: 1
        )
        environment.request(
            .scan(request),
            to: peer,
            class: .bulk,
            timeout: settings.requestTimeout
        ) { [weak self] result in
            if case .success(.page) = result.map(\.message) {
                completion(true)
            } else {
                self?.confirm(slice, nodes.dropFirst(), completion)
            }
        }
    }

    func areAlive(_ nodes: [NodeID]) -> Bool { nodes.allSatisfy(view.alive.contains) }

    // MARK: Dropping

    private func drop(_ slices: [SliceID], _ range: KeyRange?) {
        environment.log(
            .error,
            """
            \(slices.count) slices are damaged, \(slices[0]) among them: they are dropped and \
            rebuilt from their replicas
            """
        )
        let changes =
            slices.compactMap { health.set(.purging, $0) }
            + slices.compactMap { ledger.forgetRepair(of: $0) }
        healthChanged(health)
        // Else one that is under way would call what is dropped now rebuilt.
        abandonRepair(of: slices)
        let hull = Self.hull(slices.map(keys) + (range.map { [$0] } ?? []))
        persist(changes) { [weak self] isWritten in
            // Else they stay as they are marked, and the store has failed.
            if isWritten { self?.purge(slices, hull) }
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

    /// Drops what is left of slices; then they take writes again, and wait for their rows.
    ///
    /// Nothing is dropped once one of them takes writes again, or while another drop is under way that
    /// may let them: what came meanwhile would go with it.
    private func purge(_ slices: [SliceID], _ range: KeyRange) {
        let waiting = slices.filter { health.state(of: $0) == .purging }
        guard waiting.count == slices.count, dropping.isDisjoint(with: slices) else {
            for slice in waiting { lookAgain(slice) }
            return
        }
        dropping.formUnion(slices)
        var writes = StoreWrites()
        writes.drop(range: range)
        replica.submit(writes) { [weak self] result in
            guard let self else { return }
            guard case .success = result else {
                dropping.subtract(slices)
                if case .failure(let failure) = result {
                    environment.log(.error, "damaged slices cannot be dropped yet: \(failure)")
                }
                _ = environment.schedule(after: settings.interval) { [weak self] in
                    self?.purge(slices, range)
                }
                return
            }
            let dropped = slices
            let slices = slices.filter { health.state(of: $0) == .purging }
            persist(slices.map { SliceHealth.change(to: .rebuilding, $0) }) {
                [weak self] isWritten in
                guard let self else { return }
                dropping.subtract(dropped)
                guard isWritten else { return }
                for slice in slices where health.state(of: slice) == .purging {
                    health.set(.rebuilding, slice)
                }
                healthChanged(health)
            }
        }
    }
}
