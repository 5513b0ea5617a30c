package import Storage

/// One node's data on disk: rows that are merged, and the node's own small values.
///
/// Reads run on the caller's thread. Writes go through one writer thread, which commits what
/// waits as one group and syncs it before it acknowledges (or periodically, by option).
///
/// `@unchecked Sendable`: `backend` is thread-safe for readers by itself; every use of it by a reader is
/// inside `gate`, by the writer before `finish` returns, and `close` closes it after both.
package final class RocksStore: @unchecked Sendable {
    /// The steps of closing.
    private enum Phase {
        /// -> closing.
        case open
        /// -> closed.
        case closing
        case closed
    }

    /// The options that the store was opened with.
    package let options: RocksOptions

    let backend: RocksBackend
    let gate = ReadGate()
    let writer: Writer
    private let phaseMonitor = Monitor()
    private var phase = Phase.open

    /// Opens the store in `options.path`, and makes it if there is none.
    ///
    /// - Parameters:
    ///   - options: where and how; validated here.
    ///   - merging: how pieces of a row become one.
    ///   - environment: the disk; tests pass a simulated one.
    ///   - observer: hears on the writer thread what it does to rows, a cache of them.
    /// - Throws: ``StorageError/invalid(_:)`` for options out of bounds,
    ///   ``StorageError/locked(_:)`` if the folder is in use, or what the disk says.
    package init(
        options: RocksOptions,
        merging: RowMerging = .rows,
        environment: StoreEnvironment = .realDisk,
        observer: (any WriteObserver)? = nil
    ) throws(StorageError) {
        self.options = options
        backend = try RocksBackend(options: options, merging: merging, environment: environment)
        writer = Writer(
            backend: backend,
            options: options,
            acknowledgement: environment.acknowledgement,
            observer: observer
        )
        do throws(StorageError) {
            try writer.start()
        } catch {
            // `deinit` runs now, and must find nothing left to close.
            phase = .closed
            backend.close()
            throw error
        }
    }

    deinit {
        close()
    }

    // MARK: - Writes

    /// Hands a batch to the writer without waiting.
    ///
    /// `sink` hears the outcome, with `ticket`, once the batch is as durable as the sync mode
    /// promises, or failed. A closed or failed store and a batch over the limits are outcomes too.
    ///
    /// - Returns: false if the queue is full: nothing was or will be done; answer OVERLOADED.
    package func submit(_ writes: StoreWrites, ticket: UInt64, sink: any CommitSink) -> Bool {
        submit(writes, ticket: ticket, sink: sink, waitForRoom: false)
    }

    /// Writes a batch and waits until it is durable: for start-up, tools and tests.
    ///
    /// Never to be called on an event loop, nor in a ``CommitSink``.
    ///
    /// - Throws: why the batch is not known to be written.
    package func commit(_ writes: StoreWrites) throws(StorageError) {
        precondition(!writer.isCurrentThread, "commit on the writer thread would wait for itself")
        let sink = WaitingSink()
        _ = submit(writes, ticket: 0, sink: sink, waitForRoom: true)
        if let error = sink.waitForOutcome().error { throw error }
    }

    /// What was wrong with the write-ahead log when the store was opened, see
    /// ``RocksBackend/logDamage``.
    package var logDamage: String? { backend.logDamage }

    /// What lay in table files that had to be taken out, see ``RocksBackend/lostFiles``.
    package var lostFiles: [LostFile] { backend.lostFiles }

    /// What lost files mean is written down: the next start need not hear of it.
    package func forgetLostFiles() throws(StorageError) { try backend.forgetLostFiles() }

    /// What damage to the log means is written down: the next start need not hear of it.
    package func forgetLogDamage() throws(StorageError) { try backend.forgetLogDamage() }

    /// Why the store takes no more writes, or nil: fatal for the node, which must say so.
    package var failure: StorageError? { writer.failure }

    private func submit(
        _ writes: StoreWrites,
        ticket: UInt64,
        sink: any CommitSink,
        waitForRoom: Bool
    ) -> Bool {
        switch writer.queue.offer(
            writes,
            ticket: ticket,
            sink: sink,
            waitForRoom: waitForRoom
        ) {
        case .accepted: return true
        case .full: return false
        case .closed:
            sink.committed([CommitOutcome(ticket: ticket, error: .closed(path: options.path))])
            return true
        }
    }

    var database: RocksDatabase { backend.database }

    // MARK: - Closing

    /// Commits what waits, waits for readers, then closes the database; harmless if repeated.
    ///
    /// Returns once the store is closed, also where another thread began it.
    package func close() {
        let isMine = phaseMonitor.withLock {
            if phase == .open {
                phase = .closing
                return true
            }
            while phase != .closed { phaseMonitor.wait() }
            return false
        }
        guard isMine else { return }
        precondition(!writer.isCurrentThread, "close on the writer thread would wait for itself")
        writer.finish()
        gate.close()
        backend.close()
        phaseMonitor.withLock {
            phase = .closed
            phaseMonitor.broadcast()
        }
    }
}

/// Waits on the submitter's thread for one outcome.
private final class WaitingSink: CommitSink, @unchecked Sendable {
    // `@unchecked Sendable`: the outcome is touched inside the monitor only.
    private let monitor = Monitor()
    private var outcome: CommitOutcome?

    func committed(_ outcomes: [CommitOutcome]) {
        monitor.withLock {
            outcome = outcomes.first
            monitor.broadcast()
        }
    }

    func waitForOutcome() -> CommitOutcome {
        monitor.withLock {
            while true {
                if let outcome { return outcome }
                monitor.wait()
            }
        }
    }
}
