import Storage
import Synchronization

/// What happened, in order, as lines.
final class Journal: Sendable {
    private let lines = Mutex<[String]>([])

    func note(_ line: String) { lines.withLock { $0.append(line) } }

    /// The lines since the last call.
    func take() -> [String] {
        lines.withLock { lines in
            defer { lines = [] }
            return lines
        }
    }
}

/// A model store that writes down what the writer calls.
final class JournalingBackend: StoreBackend {
    let model: ModelBackend
    let journal: Journal

    init(_ journal: Journal, model: ModelBackend = ModelBackend()) {
        self.journal = journal
        self.model = model
    }

    func write(_ batches: [StoreWrites], synced: Bool) throws(StorageError) {
        var keys: [[UInt8]] = []
        for batch in batches {
            for put in batch.merges { keys.append(put.key) }
            for put in batch.localPuts { keys.append(put.key) }
            for put in batch.hintPuts { keys.append(put.key) }
            keys.append(contentsOf: batch.localDeletes)
            keys.append(contentsOf: batch.hintDeletes)
        }
        journal.note("write \(keys.map(text).joined(separator: " "))\(synced ? ", synced" : "")")
        try model.write(batches, synced: synced)
    }

    func sync() throws(StorageError) {
        journal.note("sync")
        try model.sync()
    }

    func replace(
        _ rows: [(key: [UInt8], row: [UInt8]?)],
        synced: Bool
    ) throws(StorageError) {
        let parts = rows.map { ($0.row == nil ? "-" : "") + text($0.key) }
        journal.note(
            "replace \(parts.joined(separator: " "))\(synced ? ", synced" : "")"
        )
        try model.replace(rows, synced: synced)
    }

    func deleteRows(
        in range: KeyRange,
        from position: [UInt8]?,
        bytesMax: Int
    ) throws(StorageError) -> [UInt8]? {
        let next = try model.deleteRows(in: range, from: position, bytesMax: bytesMax)
        journal.note("delete from \(text(position ?? range.lower)) to \(next.map(text) ?? "end")")
        return next
    }

    func readFromMemory(_ key: [UInt8]) throws(StorageError) -> MemoryRead {
        try model.readFromMemory(key)
    }

    func read(_ keys: [[UInt8]]) throws(StorageError) -> [[UInt8]?] { try model.read(keys) }

    func scan(
        _ range: KeyRange,
        rowsMax: Int,
        bytesMax: Int
    ) throws(StorageError) -> StoreScan {
        try model.scan(range, rowsMax: rowsMax, bytesMax: bytesMax)
    }

    func readLocal(_ key: [UInt8]) throws(StorageError) -> [UInt8]? { try model.readLocal(key) }

    func scanLocal(
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        try model.scanLocal(range, limit: limit, bytesMax: bytesMax)
    }

    func scanHints(
        _ range: KeyRange,
        limit: Int,
        bytesMax: Int
    ) throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
        try model.scanHints(range, limit: limit, bytesMax: bytesMax)
    }
}

/// Writes down what a cache would hear.
final class JournalingObserver: WriteObserver {
    let journal: Journal

    init(_ journal: Journal) { self.journal = journal }

    func writesWillBegin(_ batches: [StoreWrites]) { journal.note("begin \(batches.count)") }
    func writesDidEnd(_ batches: [StoreWrites], failed: Bool) {
        journal.note("end \(batches.count)\(failed ? ", failed" : "")")
    }
    func rowsWillBeReplaced(_ keys: [[UInt8]]) {
        journal.note("will replace \(keys.map(text).joined(separator: " "))")
    }
    func rowsReplaced(_ keys: [[UInt8]], failed: Bool) {
        journal.note(
            "replaced \(keys.map(text).joined(separator: " "))\(failed ? ", failed" : "")"
        )
    }
    func rowsWillBeDeleted(in range: KeyRange) {
        journal.note("will delete from \(text(range.lower))")
    }
    func rowsDeleted(in range: KeyRange, failed: Bool) {
        journal.note("deleted from \(text(range.lower))\(failed ? ", failed" : "")")
    }
}

/// Writes down the outcomes that it hears.
final class JournalingSink: CommitSink {
    let name: String
    let journal: Journal

    init(_ name: String, _ journal: Journal) {
        self.name = name
        self.journal = journal
    }

    func committed(_ outcomes: [CommitOutcome]) {
        let parts = outcomes.map { outcome in
            outcome.error.map { "\(outcome.ticket): \($0.name)" } ?? "\(outcome.ticket)"
        }
        journal.note("\(name) hears \(parts.joined(separator: " "))")
    }
}

/// A writer on one thread, with a clock that the test moves.
struct CommitPlay {
    let journal = Journal()
    let backend: JournalingBackend
    let sink: JournalingSink
    var queue: CommitQueue
    var cycle: CommitCycle
    var now = Duration.zero
    private var ticket: UInt64 = 0

    init(
        syncsAsPromised: Bool = true,
        groupBytesMax: Int = 1 << 20,
        acknowledgement: CommitCycle.Acknowledgement = .afterSync,
        observes: Bool = false,
        model: ModelBackend = ModelBackend()
    ) {
        var settings = CommitCycle.Settings(
            groupBytesMax: groupBytesMax,
            syncsAsPromised: syncsAsPromised,
            syncPeriod: .milliseconds(100)
        )
        settings.acknowledgement = acknowledgement
        backend = JournalingBackend(journal, model: model)
        sink = JournalingSink("loop", journal)
        queue = CommitQueue(
            path: "model",
            bounds: CommitQueue.Bounds(bytesMax: 1 << 20, batchesMax: 1000)
        )
        cycle = CommitCycle(
            settings: settings,
            backend: backend,
            observer: observes ? JournalingObserver(journal) : nil
        )
    }

    /// Puts a batch into the queue; tickets count from 1.
    mutating func submit(
        to sink: JournalingSink? = nil,
        _ durability: StoreWrites.Durability = .synced,
        _ build: (inout StoreWrites) -> Void
    ) {
        ticket += 1
        var writes = StoreWrites()
        writes.durability = durability
        build(&writes)
        let request = queue.request(writes, ticket: ticket, sink: sink ?? self.sink)
        precondition(queue.offer(request), "the play's queue is large enough")
    }

    /// One round as the writer thread makes it; gives what happened.
    mutating func round() -> [String] {
        cycle.take(queue.takeGroup(bytesMax: cycle.settings.groupBytesMax))
        while cycle.begin(now: now) { step() }
        return journal.take()
    }

    /// Begins the next piece of work.
    mutating func begin() -> Bool { cycle.begin(now: now) }

    /// The rest of a piece of work that has begun.
    mutating func step() {
        cycle.perform(now: now)
        cycle.end()
        for answer in cycle.takeAnswers() { answer.deliver() }
    }
}

extension StorageError {
    var name: String {
        switch self {
        case .corruption: "corruption"
        case .ioFailure: "ioFailure"
        case .noSpace: "noSpace"
        case .locked: "locked"
        case .invalid: "invalid"
        case .closed: "closed"
        }
    }
}

/// The text of bytes.
func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// The bytes of a text.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
