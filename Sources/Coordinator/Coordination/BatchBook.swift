package import TokenPlacement

/// Bounds of the log of batches that a node keeps for others.
package struct BatchLogSettings: Hashable, Sendable {
    /// The most bytes of batches; what would be more is refused before anything is done.
    package var bytesMax = 256 << 20
    /// The most batches, since each takes memory too.
    package var entriesMax = 1 << 16
    /// After which a coordinator that did not say that a batch is done is held to be dead.
    package var orphanedAfter = Duration.seconds(4)
    /// The most batches that are written at once.
    package var underWayMax = 16
    /// The bytes of batches that are written at once, behind which no more are begun.
    package var underWayBytesMax = 32 << 20
    /// The pause behind a first try that did not reach all replicas; each further one doubles it.
    package var pauseMin = Duration.seconds(2)
    /// The longest pause.
    package var pauseMax = Duration.seconds(60)

    /// The defaults.
    package init() {}
}

/// Counts the logged batches on this node's disk, refuses those that would be too many, and says
/// which are due to be written by this node.
///
/// Numbers follow the disk: they are counted up before an entry is written and down once it is
/// removed, and counted anew by a scan at the start. That no search of the disk is needed to find
/// what is due keeps unfinished batches from hiding those behind them.
package struct BatchBook: Sendable {
    private struct Entry {
        var bytes: Int
        /// Nil while it is on its way to the disk, where a search for it would be in vain.
        var dueMicros: Int64?
        var failures = 0
        var isUnderWay = false
    }

    private let settings: BatchLogSettings
    private var entries: [NodeID: Entry] = [:]
    /// What all entries take on disk, about.
    package private(set) var bytes = 0
    private var underWayCount = 0
    private var underWayBytes = 0
    /// Those that were due when all were looked through, the longest due first.
    private var waiting: ArraySlice<NodeID> = []

    /// A book without entries.
    package init(settings: BatchLogSettings) { self.settings = settings }

    // MARK: Events

    /// Takes up an entry that was found on disk at the start, whatever the bounds are now.
    package mutating func restore(_ id: NodeID, bytes valueBytes: Int, nowMicros: Int64) {
        stored(id, bytes: valueBytes, nowMicros: nowMicros)
    }

    /// Whether an entry is on the disk already: who stored it asks again, as it heard no answer.
    package func isStored(_ id: NodeID) -> Bool { entries[id]?.dueMicros != nil }

    /// Decides about a new entry of so many bytes.
    ///
    /// - Returns: whether it may be written.
    package mutating func admit(_ id: NodeID, bytes valueBytes: Int) -> Bool {
        guard entries[id] == nil, entries.count < settings.entriesMax,
            bytes + Self.cost(valueBytes) <= settings.bytesMax
        else { return false }
        add(id, valueBytes)
        return true
    }

    /// An entry that was admitted is on the disk.
    ///
    /// A removal may have overtaken it on its way and been counted already, so that it is taken up
    /// anew: if it is gone after all, a search finds that out.
    package mutating func stored(_ id: NodeID, bytes valueBytes: Int, nowMicros: Int64) {
        if entries[id] == nil { add(id, valueBytes) }
        entries[id]?.dueMicros = nowMicros + settings.orphanedAfter.wholeMicros
    }

    /// An entry is gone from the disk, or was never written.
    package mutating func removed(_ id: NodeID) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        bytes -= entry.bytes
        if entry.isUnderWay { end(entry) }
    }

    /// Takes the entries that are to be written now, those that have waited longest first, as many
    /// as may be under way; each is reported as `removed` or `failed` later.
    package mutating func takeDue(nowMicros: Int64) -> [NodeID] {
        guard hasRoom else { return [] }
        if waiting.isEmpty { lookThrough(nowMicros) }
        var taken: [NodeID] = []
        while hasRoom, let id = waiting.popFirst() {
            guard let entry = entries[id], isDue(entry, nowMicros) else { continue }
            entries[id]?.isUnderWay = true
            underWayCount += 1
            underWayBytes += entry.bytes
            taken.append(id)
        }
        return taken
    }

    /// An entry that was taken is not written everywhere: it waits before it is due again.
    package mutating func failed(_ id: NodeID, nowMicros: Int64) {
        guard var entry = entries[id], entry.isUnderWay else { return }
        end(entry)
        entry.isUnderWay = false
        let pause = min(settings.pauseMax, settings.pauseMin * (1 << min(entry.failures, 20)))
        entry.failures += 1
        entry.dueMicros = nowMicros + pause.wholeMicros
        entries[id] = entry
    }

    // MARK: Queries

    /// The number of entries.
    package var count: Int { entries.count }

    /// What an entry takes on disk: value, key and a little.
    package static func cost(_ valueBytes: Int) -> Int { valueBytes + 64 }

    // MARK: Helpers

    private var hasRoom: Bool {
        underWayCount < settings.underWayMax
            && (underWayCount == 0 || underWayBytes < settings.underWayBytesMax)
    }

    private func isDue(_ entry: Entry, _ nowMicros: Int64) -> Bool {
        guard !entry.isUnderWay, let due = entry.dueMicros else { return false }
        return due <= nowMicros
    }

    private mutating func lookThrough(_ nowMicros: Int64) {
        var due: [(micros: Int64, id: NodeID)] = []
        for (id, entry) in entries where isDue(entry, nowMicros) {
            due.append((entry.dueMicros ?? 0, id))
        }
        due.sort { ($0.micros, $0.id) < ($1.micros, $1.id) }
        waiting = due.map(\.id)[...]
    }

    private mutating func add(_ id: NodeID, _ valueBytes: Int) {
        let cost = Self.cost(valueBytes)
        entries[id] = Entry(bytes: cost)
        bytes += cost
    }

    private mutating func end(_ entry: Entry) {
        underWayCount -= 1
        underWayBytes -= entry.bytes
    }
}

extension Duration {
    /// The duration in whole microseconds.
    fileprivate var wholeMicros: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}
