internal import Catalog
internal import Coordination
internal import PeerMessages
internal import Replication
internal import Storage
internal import TokenPlacement

/// Slices that are damaged for certain are refused, and once their other replicas can give them back,
/// dropped and rebuilt.
extension Upkeep {
    // MARK: Giving up

    /// A slice is damaged for certain: it is refused, and dropped with all that lies in the same
    /// damaged file once the other replicas of all that can give it back.
    func giveUp(_ slice: SliceID, _ range: KeyRange?) {
        guard table(slice.table) != nil else { return }
        // What lies between the slice and the range is dropped with them.
        let hull = range.map { Self.hull([keys(of: slice), $0]) }
        let slices = overlapping(hull).union([slice]).sorted()
        // What was found may be gone by then, and the slices take writes again.
        guard damage.dropping.isDisjoint(with: slices) else {
            lookAgain(slice)
            return
        }
        let alone = slices.first {
            let state = health.state(of: $0)
            return others(of: $0).isEmpty && (state == nil || state == .damaged)
        }
        if let alone {
            tellOfLostCause(alone, slice)
            // The rest of such a slice can be read, and nothing brings back what is dropped.
            guard alone != slice else { return }
            refuse(slice, range)
            lookAgain(slice)
            return
        }
        guard slices.contains(where: { health.state(of: $0) != .purging }) else {
            drop(slices, range)
            return
        }
        refuse(slice, range)
        confirm(slice, slices.filter { !others(of: $0).isEmpty }, range)
    }

    private func tellOfLostCause(_ alone: SliceID, _ damaged: SliceID) {
        guard damage.lostCauses.insert(damaged).inserted else { return }
        let name = table(alone.table)?.qualifiedName ?? "a table"
        let consequence =
            alone == damaged
            ? "has no other replica: reads of what is damaged fail"
            : "shares a file with \(alone) (\(name)), which is sound and has no other replica: it "
                + "stays refused"
        environment.log(
            .critical,
            """
            \(damaged) is damaged and \(consequence), and nothing is compacted here; drop \(name), \
            create it anew and load it from a backup
            """
        )
    }

    /// Refuses reads of a damaged slice, also after a restart.
    func refuse(_ slice: SliceID, _ range: KeyRange?) {
        damage.findings[slice] = .some(range)
        guard health.state(of: slice) == nil else { return }
        environment.log(
            .error,
            """
            \(slice) is damaged: reads of it are refused until it is rebuilt, for which its other \
            replicas must be alive
            """
        )
        health.set(.damaged, slice)
        healthChanged(health)
        persist([SliceHealth.change(to: .damaged, slice)]) { _ in }
    }

    // MARK: Asking

    /// Drops slices if the other replicas are alive and can give them back: of what is damaged here,
    /// one that may read it; of what is sound and shares a file with it, all of them, as only this
    /// replica may have a write that one of them lacks.
    ///
    /// All of them are refused meanwhile: else two nodes could promise each other the same slice,
    /// and both drop it.
    private func confirm(_ slice: SliceID, _ slices: [SliceID], _ range: KeyRange?) {
        guard damage.asking.isEmpty,
            slices.allSatisfy({ areAlive(others(of: $0)) }),
            slices.allSatisfy({ health.state(of: $0) != .rebuilding })
        else {
            lookAgain(slice)
            return
        }
        damage.asking = Set(slices)
        // What is found out about them alone meanwhile must not let them go.
        damage.suspects.subtract(slices)
        let sound = slices.filter { health.state(of: $0) == nil }
        for slice in sound { health.set(.damaged, slice) }
        if !sound.isEmpty { healthChanged(health) }
        let questions = slices.map {
            (slice: $0, nodes: others(of: $0), needsAll: sound.contains($0))
        }
        ask(questions[...]) { [weak self] isHeld in
            guard let self else { return }
            damage.asking = []
            let state = health.state(of: slice)
            if isHeld, state == .damaged || state == .purging {
                drop(slices, range)
                return
            }
            for slice in sound where damage.findings[slice] == nil {
                if health.state(of: slice) == .damaged { health.set(nil, slice) }
            }
            healthChanged(health)
            lookAgain(slice)
        }
    }

    /// Asks the nodes of one slice after the other whether they may read it.
    private func ask(
        _ questions: ArraySlice<(slice: SliceID, nodes: [NodeID], needsAll: Bool)>,
        _ completion: @escaping (Bool) -> Void
    ) {
        guard !isStopped, let question = questions.first else {
            completion(!isStopped)
            return
        }
        ask(question.slice, question.nodes[...], needsAll: question.needsAll) {
            [weak self] isHeld in
            guard let self, isHeld else {
                completion(false)
                return
            }
            ask(questions.dropFirst(), completion)
        }
    }

    /// Asks one node after the other, until it is clear whether enough of them may read a slice.
    private func ask(
        _ slice: SliceID,
        _ nodes: ArraySlice<NodeID>,
        needsAll: Bool,
        _ completion: @escaping (Bool) -> Void
    ) {
        guard let peer = nodes.first else {
            completion(needsAll)
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
            let mayRead = if case .success(.page) = result.map(\.message) { true } else { false }
            if mayRead == needsAll {
                self?.ask(slice, nodes.dropFirst(), needsAll: needsAll, completion)
            } else {
                completion(mayRead)
            }
        }
    }

    // MARK: Dropping

    private func drop(_ slices: [SliceID], _ range: KeyRange?) {
        environment.log(
            .error,
            """
            \(slices.count) slices are damaged, \(slices[0]) among them: they are dropped and \
            rebuilt from their replicas
            """
        )
        damage.suspects.subtract(slices)
        for slice in slices { health.set(.purging, slice) }
        // Also of those that were only refused while others were asked, of which the disk knows
        // nothing.
        let changes =
            slices.map { SliceHealth.change(to: .purging, $0) }
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

    /// Drops what is left of slices; then they take writes again, and wait for their rows.
    ///
    /// Nothing is dropped once one of them takes writes again, or while another drop is under way that
    /// may let them: what came meanwhile would go with it.
    func purge(_ slices: [SliceID], _ range: KeyRange) {
        let waiting = slices.filter { health.state(of: $0) == .purging }
        guard waiting.count == slices.count, damage.dropping.isDisjoint(with: slices) else {
            for slice in waiting { lookAgain(slice) }
            return
        }
        damage.dropping.formUnion(slices)
        var writes = StoreWrites()
        writes.drop(range: faults.dropped(range, of: slices[0].table))
        let isTaken = environment.submit(writes) { [weak self] error in
            guard let self else { return }
            if let error { purgeFailed(slices, range, error) } else { purged(slices) }
        }
        if !isTaken { purgeAgain(slices, range) }
    }

    private func purged(_ slices: [SliceID]) {
        let waiting = slices.filter { health.state(of: $0) == .purging }
        let changes =
            waiting.map { SliceHealth.change(to: .rebuilding, $0) }
            // As one with them: what they take from now on is not to be cut out.
            + cuts(of: slices).map { LocalChange(key: LocalKeys.cut($0), value: nil) }
        persist(changes) { [weak self] isWritten in
            guard let self else { return }
            damage.dropping.subtract(slices)
            guard isWritten else { return }
            for cut in cuts(of: slices) { damage.cuts[cut] = nil }
            for slice in slices { damage.findings[slice] = nil }
            for slice in waiting where health.state(of: slice) == .purging {
                health.set(.rebuilding, slice)
            }
            healthChanged(health)
        }
    }

    /// A drop met a damaged file that RocksDB does not let go while the store is open.
    private func purgeFailed(_ slices: [SliceID], _ range: KeyRange, _ error: StorageError) {
        if case .corruption = error, let first = slices.min(), damage.cuts[first] == nil {
            damage.cuts[first] = range
            environment.log(
                .critical,
                """
                a damaged file cannot be removed while this node runs: start it again, and it is; \
                until then \(slices.count) slices, \(first) among them, take no reads and writes here: \
                \(error)
                """
            )
            let value = LocalKeys.value(of: range)
            persist([LocalChange(key: LocalKeys.cut(first), value: value)]) { _ in }
        }
        purgeAgain(slices, range)
    }

    /// The drops that are kept for the next start and touch some slices.
    private func cuts(of slices: [SliceID]) -> [SliceID] {
        damage.cuts.filter { cut, range in
            slices.contains { $0 == cut || keys(of: $0).overlaps(range) }
        }.keys.sorted()
    }

    private func purgeAgain(_ slices: [SliceID], _ range: KeyRange) {
        damage.dropping.subtract(slices)
        _ = environment.schedule(after: settings.interval) { [weak self] in
            self?.purge(slices, range)
        }
    }
}
