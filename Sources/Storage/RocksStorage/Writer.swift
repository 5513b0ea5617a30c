internal import CRocksDB
internal import Foundation
internal import Glibc
internal import Synchronization

/// The one thread that writes: takes what waits in the queue, commits it as a group, answers.
///
/// After the first failed write or sync nothing is written any more and everybody hears that
/// first cause: what a failed fsync left on the disk is unknown, and the kernel may report a
/// second one as successful though the pages are gone.
///
/// `@unchecked Sendable`: what is not constant is touched on the writer thread only, but for
/// `firstFailure` (a mutex) and `thread` (set before the thread's creator shares this object).
final class Writer: @unchecked Sendable {
    let queue: WriteQueue

    private let database: RocksDatabase
    private let syncMode: RocksOptions.SyncMode
    private let acknowledgement: StoreEnvironment.Acknowledgement
    private let groupBytesMax: Int
    private let queueBytesMax: Int
    private let firstFailure = Mutex<StorageError?>(nil)
    private var thread = pthread_t()

    // On the writer thread only.
    private let batch: OpaquePointer
    private var drops: [PrefixDrop] = []
    private var hasUnsynced = false
    private var syncDeadline: Duration = .zero

    init(
        database: RocksDatabase,
        options: RocksOptions,
        acknowledgement: StoreEnvironment.Acknowledgement
    ) {
        self.database = database
        self.acknowledgement = acknowledgement
        syncMode = options.syncMode
        groupBytesMax = options.commitGroupBytesMax
        queueBytesMax = options.writerQueueBytesMax
        queue = WriteQueue(
            bytesMax: options.writerQueueBytesMax,
            batchesMax: options.writerQueueBatchesMax
        )
        batch = rocksdb_writebatch_create()
    }

    deinit {
        rocksdb_writebatch_destroy(batch)
    }

    /// Why nothing is written any more, or nil.
    var failure: StorageError? { firstFailure.withLock { $0 } }

    /// Whether this is the writer thread.
    var isCurrentThread: Bool { pthread_equal(thread, pthread_self()) != 0 }

    /// Starts the thread.
    func start() throws(StorageError) {
        let code = pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument else { return nil }
                let writer = Unmanaged<Writer>.fromOpaque(argument).takeRetainedValue()
                Thread.current.name = "martlet-writer"
                writer.run()
                return nil
            },
            Unmanaged.passRetained(self).toOpaque()
        )
        guard code == 0 else {
            Unmanaged.passUnretained(self).release()
            throw database.error("pthread_create: \(code)", "start the writer thread")
        }
    }

    /// Offers a batch; see ``RocksStore/submit(_:ticket:sink:)``.
    func submit(
        _ writes: StoreWrites,
        ticket: UInt64,
        sink: any CommitSink,
        waitForRoom: Bool
    ) -> WriteQueue.Offer {
        let refusal = writes.problem(bytesMax: queueBytesMax).map { problem in
            StorageError.invalid(
                StorageError.Fault(
                    operation: "accept writes",
                    path: database.path,
                    message: problem
                )
            )
        }
        let entry = WriteQueue.Entry(writes: writes, ticket: ticket, sink: sink, refusal: refusal)
        return queue.offer(entry, waitForRoom: waitForRoom)
    }

    /// Commits what still waits, then ends the thread.
    func finish() {
        queue.close()
        pthread_join(thread, nil)
    }

    private func run() {
        while true {
            let deadline: Duration? =
                if !drops.isEmpty { .zero } else if hasUnsynced { syncDeadline } else { nil }
            switch queue.take(groupBytesMax: groupBytesMax, deadline: deadline) {
            case .group(let group):
                if !group.isEmpty { commit(group) }
                if !drops.isEmpty { advanceDrop() }
                if hasUnsynced, Monitor.now >= syncDeadline { syncLog() }
            case .finished:
                while !drops.isEmpty { advanceDrop() }
                if hasUnsynced { syncLog() }
                return
            }
        }
    }

    // MARK: - One group

    private func commit(_ group: [WriteQueue.Entry]) {
        rocksdb_writebatch_clear(batch)
        for entry in group where entry.refusal == nil { append(entry.writes) }
        let early = acknowledgement == .beforeSync
        if failure == nil, rocksdb_writebatch_count(batch) > 0 {
            // The node's own keys hold the cluster log: what they promise to other nodes must not
            // be lost with a period.
            let isOwn = group.contains {
                !$0.writes.localPuts.isEmpty || !$0.writes.localDeletes.isEmpty
            }
            write(synced: (syncMode == .beforeAcknowledgement || isOwn) && !early)
        }
        answer(group)
        if early, failure == nil { syncLog() }
    }

    private func append(_ writes: StoreWrites) {
        for (key, operand) in writes.merges {
            Self.withBytes(key, operand) {
                rocksdb_writebatch_merge_cf(batch, database.rows, $0, $1, $2, $3)
            }
        }
        for (key, value) in writes.localPuts {
            Self.withBytes(key, value) {
                rocksdb_writebatch_put_cf(batch, database.local, $0, $1, $2, $3)
            }
        }
        for key in writes.localDeletes {
            Self.withBytes(key, []) { pointer, count, _, _ in
                rocksdb_writebatch_delete_cf(batch, database.local, pointer, count)
            }
        }
    }

    /// Writes the batch; a failure is remembered, not thrown.
    private func write(synced: Bool) {
        let options = synced ? database.writeSynced : database.writeUnsynced
        do throws(StorageError) {
            try database.call("commit writes") {
                rocksdb_write(database.handle, options, batch, $0)
            }
            if !synced { noteUnsynced() }
        } catch {
            fail(error)
        }
    }

    private func noteUnsynced() {
        guard !hasUnsynced else { return }
        hasUnsynced = true
        if case .periodic(let period) = syncMode { syncDeadline = Monitor.now + period }
    }

    private func syncLog() {
        hasUnsynced = false
        guard failure == nil else { return }
        do throws(StorageError) {
            try database.call("sync the log") { rocksdb_flush_wal(database.handle, 1, $0) }
        } catch {
            fail(error)
        }
    }

    private func fail(_ error: StorageError) {
        firstFailure.withLock { first in
            if first == nil { first = error }
        }
    }

    /// Tells each sink once about its batches; those with drops hear when the rows are gone.
    private func answer(_ group: [WriteQueue.Entry]) {
        let failure = failure
        var sinks: [any CommitSink] = []
        var outcomes: [[CommitOutcome]] = []
        for entry in group {
            let error = entry.refusal ?? failure
            if error == nil, !entry.writes.droppedPrefixes.isEmpty {
                drops.append(PrefixDrop(entry))
                continue
            }
            let outcome = CommitOutcome(ticket: entry.ticket, error: error)
            // Sinks are as few as event loops: a scan from the latest is cheaper than hashing.
            if let index = sinks.lastIndex(where: { $0 === entry.sink }) {
                outcomes[index].append(outcome)
            } else {
                sinks.append(entry.sink)
                outcomes.append([outcome])
            }
        }
        for (sink, outcomes) in zip(sinks, outcomes) { sink.committed(outcomes) }
    }

    // MARK: - Dropped prefixes

    /// Removes the next rows of the first drop that waits, and answers it when none is left.
    private func advanceDrop() {
        if failure == nil {
            rocksdb_writebatch_clear(batch)
            let isDone: Bool
            do throws(StorageError) {
                isDone = try drops[0].appendDeletes(
                    to: batch,
                    database: database,
                    bytesMax: groupBytesMax
                )
            } catch {
                fail(error)
                isDone = true
            }
            if failure == nil, rocksdb_writebatch_count(batch) > 0 {
                write(synced: syncMode == .beforeAcknowledgement)
            }
            guard isDone || failure != nil else { return }
        }
        let entry = drops.removeFirst().entry
        entry.sink.committed([CommitOutcome(ticket: entry.ticket, error: failure)])
    }

    private static func withBytes(
        _ key: [UInt8],
        _ value: [UInt8],
        _ body: (UnsafePointer<CChar>?, Int, UnsafePointer<CChar>?, Int) -> Void
    ) {
        key.withUnsafeBytes { key in
            value.withUnsafeBytes { value in
                body(
                    key.baseAddress?.assumingMemoryBound(to: CChar.self),
                    key.count,
                    value.baseAddress?.assumingMemoryBound(to: CChar.self),
                    value.count
                )
            }
        }
    }
}
