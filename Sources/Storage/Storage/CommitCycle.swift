/// The writer without its thread: commits what waits as groups, syncs what was promised, answers.
///
/// Each piece of work is four calls: `begin` (the observer hears what will change), `perform` (the
/// backend writes), `end` (the observer hears that it did), `takeAnswers` (for the sinks). A store's
/// writer thread makes them in a row, the simulator as separate events, so that reads and crashes
/// fall in between. A round begins with `take`: its group, then at most one piece of a chore (a
/// sweep or a drop), then a sync if one is due; `begin` says when the round is over.
///
/// After the first failed write or sync nothing is written any more and everybody hears that first
/// cause: what a failed fsync left on the disk is unknown, and the kernel may report a second one
/// as successful though the pages are gone.
package struct CommitCycle: Sendable {
    /// When the writer acknowledges relative to the sync that it promised.
    package enum Acknowledgement: Hashable, Sendable {
        /// As promised.
        case afterSync
        /// A planted fault: too early. A test proves that losing power then is noticed.
        case beforeSync
    }

    /// How the writer works.
    package struct Settings: Hashable, Sendable {
        /// Bytes of one group; a single larger batch is a group of its own.
        ///
        /// Also the bytes of keys that one piece of a drop removes.
        package var groupBytesMax: Int
        /// Whether batches are synced as they say.
        ///
        /// If not, only those that touch the node's own keys are synced before their answers, and
        /// the rest with the period.
        package var syncsAsPromised: Bool
        /// The longest that what was written unsynced stays so, once the writer gets to it.
        package var syncPeriod: Duration
        /// A planted fault, in tests only.
        package var acknowledgement = Acknowledgement.afterSync

        /// Settings of a writer as it should be.
        package init(groupBytesMax: Int, syncsAsPromised: Bool, syncPeriod: Duration) {
            self.groupBytesMax = groupBytesMax
            self.syncsAsPromised = syncsAsPromised
            self.syncPeriod = syncPeriod
        }
    }

    /// What one sink hears.
    package struct Answer: Sendable {
        /// Who hears it.
        package let sink: any CommitSink
        /// The outcomes of its batches, in their order of submission.
        package var outcomes: [CommitOutcome]

        /// Tells the sink.
        package func deliver() { sink.committed(outcomes) }
    }

    private enum Work {
        case group([CommitRequest], batches: [StoreWrites])
        case chore(CommitChore.Piece)
        case sync
    }

    private enum State {
        /// -> begun.
        case idle
        /// -> performed.
        case begun(Work)
        /// -> idle. The error is that of the work, which need not be fatal.
        case performed(Work, StorageError?)
    }

    /// How this writer works.
    package let settings: Settings
    /// The store that it writes.
    package let backend: any StoreBackend
    /// Why nothing is written any more, or nil.
    package private(set) var failure: StorageError?

    private let observer: (any WriteObserver)?
    private var state = State.idle
    private var group: [CommitRequest] = []
    private var chores: [CommitChore] = []
    private var mayAdvanceChore = false
    private var isFinishing = false
    private var hasUnsynced = false
    private var syncDeadline = Duration.zero
    private var answers: [Answer] = []

    /// A writer that has written nothing yet.
    package init(
        settings: Settings,
        backend: any StoreBackend,
        observer: (any WriteObserver)? = nil
    ) {
        self.settings = settings
        self.backend = backend
        self.observer = observer
    }

    /// When there is work even if nothing is submitted: at once where a chore waits, at the next
    /// sync, never (nil).
    package var deadline: Duration? {
        if !chores.isEmpty { return .zero }
        return hasUnsynced && failure == nil ? syncDeadline : nil
    }

    // MARK: - The steps

    /// Begins a round with what was taken from the queue, which may be nothing.
    package mutating func take(_ requests: [CommitRequest]) {
        precondition(group.isEmpty, "the group before was not committed")
        group = requests
        mayAdvanceChore = true
    }

    /// Leaves no chore and no sync to later rounds: nothing will be submitted any more.
    package mutating func finish() {
        isFinishing = true
    }

    /// Begins the next piece of work of this round; false if there is none.
    package mutating func begin(now: Duration) -> Bool {
        guard case .idle = state else { preconditionFailure("work is under way: \(state)") }
        if !group.isEmpty {
            let batches =
                failure == nil
                ? group.filter { $0.refusal == nil && $0.writes.hasPuts }.map(\.writes) : []
            state = .begun(.group(group, batches: batches))
            group = []
            if !batches.isEmpty { observer?.writesWillBegin(batches) }
            return true
        }
        if let chore = chores.first, mayAdvanceChore || isFinishing {
            mayAdvanceChore = false
            let piece = chore.nextPiece
            state = .begun(.chore(piece))
            guard failure == nil else { return true }
            switch piece {
            case .sweep(let sweeps): observer?.rowsWillBeReplaced(sweeps.map(\.key))
            case .delete(let range, let position):
                observer?.rowsWillBeDeleted(in: range.rest(from: position))
            }
            return true
        }
        if hasUnsynced, failure == nil, isFinishing || now >= syncDeadline {
            state = .begun(.sync)
            return true
        }
        return false
    }

    /// Calls the backend, which may take its time.
    package mutating func perform(now: Duration) {
        guard case .begun(let work) = state else { preconditionFailure("nothing begun: \(state)") }
        var failed: StorageError?
        if failure == nil {
            do throws(StorageError) {
                switch work {
                case .group(_, let batches): try write(batches, now)
                case .chore: try advanceChore(now)
                case .sync: try sync()
                }
            } catch {
                failed = error
            }
        }
        state = .performed(work, failed)
    }

    /// Ends the piece of work: what is known now is seen, and may be answered.
    package mutating func end() {
        guard case .performed(let work, let error) = state else {
            preconditionFailure("nothing performed: \(state)")
        }
        state = .idle
        switch work {
        case .group(let requests, let batches):
            if !batches.isEmpty { observer?.writesDidEnd(batches, failed: error != nil) }
            answer(requests)
        case .chore(let piece): endChore(piece, error)
        case .sync: break
        }
    }

    /// The answers of what ended, to be delivered in their order.
    package mutating func takeAnswers() -> [Answer] {
        defer { answers = [] }
        return answers
    }

    // MARK: - Groups

    private mutating func write(
        _ batches: [StoreWrites],
        _ now: Duration
    ) throws(StorageError) {
        guard !batches.isEmpty else { return }
        let isPromised = batches.contains { $0.touchesLocal || mustSync($0) }
        let synced = isPromised && settings.acknowledgement == .afterSync
        do throws(StorageError) {
            try backend.write(batches, synced: synced)
        } catch {
            throw fatal(error)
        }
        noteWritten(synced: synced, now)
    }

    private func mustSync(_ writes: StoreWrites) -> Bool {
        settings.syncsAsPromised && writes.durability == .synced
    }

    private mutating func answer(_ requests: [CommitRequest]) {
        for request in requests {
            let error = request.refusal ?? failure
            if error == nil, request.writes.hasChores {
                chores.append(CommitChore(request))
            } else {
                answer(request, error)
            }
        }
    }

    private mutating func answer(_ request: CommitRequest, _ error: StorageError?) {
        let outcome = CommitOutcome(ticket: request.ticket, error: error)
        // Sinks are as few as event loops: a scan from the latest is cheaper than hashing.
        if let index = answers.lastIndex(where: { $0.sink === request.sink }) {
            answers[index].outcomes.append(outcome)
        } else {
            answers.append(Answer(sink: request.sink, outcomes: [outcome]))
        }
    }

    // MARK: - Sync

    private mutating func noteWritten(synced: Bool, _ now: Duration) {
        if synced {
            hasUnsynced = false
            return
        }
        if settings.acknowledgement == .beforeSync {
            // The fault is to answer first, not to leave the sync out.
            syncDeadline = .zero
        } else if !hasUnsynced {
            syncDeadline = now + settings.syncPeriod
        }
        hasUnsynced = true
    }

    private mutating func sync() throws(StorageError) {
        hasUnsynced = false
        do throws(StorageError) {
            try backend.sync()
        } catch {
            throw fatal(error)
        }
    }

    private mutating func fatal(_ error: StorageError) -> StorageError {
        precondition(failure == nil, "written after \(String(describing: failure))")
        failure = error
        return error
    }

    // MARK: - Chores

    /// One piece of the first chore, and the sync of all its pieces behind the last one.
    private mutating func advanceChore(_ now: Duration) throws(StorageError) {
        let isSynced =
            mustSync(chores[0].request.writes) && settings.acknowledgement == .afterSync
        switch chores[0].nextPiece {
        case .sweep(let sweeps):
            let swept = try Self.sweep(sweeps, backend)
            chores[0].sweepsDone(sweeps.count)
            let isLast = chores[0].isDone
            if !swept.isEmpty {
                do throws(StorageError) {
                    try backend.replace(swept, synced: isLast && isSynced)
                } catch {
                    throw fatal(error)
                }
                noteWritten(synced: isLast && isSynced, now)
            }
        case .delete(let range, let position):
            let next: [UInt8]?
            do throws(StorageError) {
                next = try backend.deleteRows(
                    in: range,
                    from: position,
                    bytesMax: settings.groupBytesMax
                )
            } catch {
                // What cannot be read was not written; the store as a whole is sound.
                if case .corruption = error { throw error }
                throw fatal(error)
            }
            chores[0].deleted(upTo: next)
            noteWritten(synced: false, now)
        }
        if chores[0].isDone, isSynced, hasUnsynced { try sync() }
    }

    private mutating func endChore(_ piece: CommitChore.Piece, _ error: StorageError?) {
        if error != nil || failure == nil {
            switch piece {
            case .sweep(let sweeps):
                observer?.rowsReplaced(sweeps.map(\.key), failed: error != nil)
            case .delete(let range, let position):
                observer?.rowsDeleted(in: range.rest(from: position), failed: error != nil)
            }
        }
        let error = error ?? failure
        if error != nil || chores[0].isDone { answer(chores.removeFirst().request, error) }
    }

    /// The rows that a sweep changes, read as they are now.
    private static func sweep(
        _ sweeps: ArraySlice<StoreWrites.Sweep>,
        _ backend: any StoreBackend
    ) throws(StorageError) -> [(key: [UInt8], row: [UInt8]?)] {
        var swept: [(key: [UInt8], row: [UInt8]?)] = []
        for (sweep, row) in zip(sweeps, try backend.read(sweeps.map(\.key))) {
            guard let row else { continue }
            let outcome = try? RowSweep.sweep(
                row,
                nowSeconds: sweep.nowSeconds,
                purgeBeforeSeconds: sweep.purgeBeforeSeconds
            )
            switch outcome {
            case .rewritten(let bytes): swept.append((sweep.key, bytes))
            case .removed: swept.append((sweep.key, nil))
            // A row that cannot be decoded is for the one who reads it to report.
            case .unchanged, nil: break
            }
        }
        return swept
    }
}
