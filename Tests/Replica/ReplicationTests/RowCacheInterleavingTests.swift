import Replication
import Storage
import Testing

/// Every order of the steps of readers, a writer and an eviction over one key.
///
/// The rule: what a reader gets is not older than what was acknowledged, or what anybody had,
/// before its lookup. After every step one more reader looks whether the cache holds something
/// too old.
@Suite struct RowCacheInterleavingTests {
    private let readers: [Actor] = [.reader(0), .reader(1)]

    @Test(arguments: [true, false])
    func `a read never goes back over a write`(isCached: Bool) {
        let story = Story(actors: readers + [.writer(.write), .eviction], isCached: isCached)
        #expect(story.violations(fault: .none).isEmpty)
        #expect(story.orderCount == 8_400)
    }

    @Test(arguments: [true, false])
    func `a read never goes back over two writes`(isCached: Bool) {
        let story = Story(actors: readers + [.writer(.twoWrites)], isCached: isCached)
        #expect(story.violations(fault: .none).isEmpty)
    }

    @Test(arguments: [true, false])
    func `a read never goes back over a write that fails`(isCached: Bool) {
        for change in [Change.failedWrite(isStored: true), .failedWrite(isStored: false)] {
            let story = Story(actors: readers + [.writer(change), .eviction], isCached: isCached)
            #expect(story.violations(fault: .none).isEmpty)
        }
    }

    @Test(arguments: [true, false])
    func `a read never finds what was removed`(isCached: Bool) {
        for change in [Change.sweep, .rangeDeletion] {
            let story = Story(actors: readers + [.writer(change), .eviction], isCached: isCached)
            #expect(story.violations(fault: .none).isEmpty)
        }
    }

    @Test(arguments: [true, false])
    func `a read never goes back behind a scan`(isCached: Bool) {
        let actors: [Actor] = [.reader(0), .scan, .writer(.write), .eviction]
        let story = Story(actors: actors, isCached: isCached)
        #expect(story.violations(fault: .none).isEmpty)
    }

    @Test func `a row that was never there is not found absent behind its first write`() {
        var story = Story(actors: readers + [.writer(.write), .eviction], isCached: true)
        story.isEmptyAtFirst = true
        #expect(story.violations(fault: .none).isEmpty)
        #expect(!story.violations(fault: .installStaleFills).isEmpty)
    }

    @Test func `stale fills are found out by every kind of change`() {
        for change in [Change.write, .twoWrites, .sweep, .rangeDeletion] {
            let story = Story(actors: [.reader(0), .writer(change)], isCached: false)
            #expect(!story.violations(fault: .installStaleFills).isEmpty)
        }
    }

    @Test func `the plainest stale fill reads as it should`() {
        let story = Story(actors: [.reader(0), .writer(.write)], isCached: false)
        #expect(
            story.violations(fault: .installStaleFills).contains {
                $0 == """
                    reader 0: miss
                    reader 0: store has 1
                    writer: begins
                    writer: stores 2
                    writer: ended, acknowledged
                    reader 0: has 1, filled
                    anybody: hits 1, but 2 was seen or acknowledged
                    """
            }
        )
    }

    @Test func `an older row left beside a refused fill is found out`() {
        let two = Story(actors: readers + [.writer(.write)], isCached: false)
        #expect(
            two.violations(fault: .keepOverreadRows).contains {
                $0 == """
                    reader 0: miss
                    reader 1: miss
                    reader 0: store has 1
                    reader 0: has 1, filled
                    writer: begins
                    writer: stores 2
                    reader 1: store has 2
                    reader 1: has 2, not filled
                    anybody: hits 1, but 2 was seen or acknowledged
                    """
            }
        )
        let scan = Story(actors: [.scan, .writer(.write)], isCached: true)
        #expect(!scan.violations(fault: .keepOverreadRows).isEmpty)
    }
}

/// What the writer does to the row, and what the outcome is.
private enum Change {
    case write, twoWrites
    case failedWrite(isStored: Bool)
    case sweep, rangeDeletion
}

/// Who takes steps.
private enum Actor {
    /// Looks up, reads the store, fills and uses what it read.
    case reader(Int)
    /// Reads the store, tells the cache and uses what it read.
    case scan
    /// Begins, changes the store, ends.
    case writer(Change)
    /// Evicts everything.
    case eviction

    var stepCount: Int {
        switch self {
        case .reader: 3
        case .scan: 2
        case .writer(.twoWrites): 6
        case .writer: 3
        case .eviction: 1
        }
    }
}

/// Some actors over one key.
private struct Story {
    let actors: [Actor]
    /// Whether the row is cached at first.
    let isCached: Bool
    /// Whether there is no row at first.
    var isEmptyAtFirst = false

    init(actors: [Actor], isCached: Bool) {
        self.actors = actors
        self.isCached = isCached
    }

    /// In how many orders the steps can be taken.
    var orderCount: Int {
        var count = 0
        forEachOrder { _ in count += 1 }
        return count
    }

    /// The transcripts of the orders in which somebody went back in time, up to that point.
    func violations(fault: RowCache.Fault) -> [String] {
        var found: [String] = []
        forEachOrder { order in
            guard Run.take(order, of: self, fault: fault, isTold: false).isBroken else { return }
            // Only what goes wrong is worth the strings.
            let run = Run.take(order, of: self, fault: fault, isTold: true)
            found.append(run.transcript.joined(separator: "\n"))
        }
        return found
    }

    private func forEachOrder(_ body: ([Int]) -> Void) {
        var order: [Int] = []
        var left = actors.map(\.stepCount)
        func extend() {
            var isComplete = true
            for actor in left.indices where left[actor] > 0 {
                isComplete = false
                // The readers do the same: it is always the first of them that begins.
                if case .reader(1) = actors[actor], left[0] == 3 { continue }
                left[actor] -= 1
                order.append(actor)
                extend()
                order.removeLast()
                left[actor] += 1
            }
            if isComplete { body(order) }
        }
        extend()
    }
}

/// One order of steps as it is taken.
private final class Run {
    private(set) var transcript: [String] = []
    private(set) var isBroken = false

    /// The rows of all versions.
    private static let rows = (0...3).map { versionRow($0) }
    private static let key = cacheKey([1, 0, 2])
    private static let encodedKey = key.encoded
    private static let writes = rows.map { [batch([(key, $0)])] }

    private let story: Story
    private let isTold: Bool
    private let cache: RowCache
    private var store: [UInt8]?
    private var stepsTaken: [Int]
    /// The greatest version that anybody had or that was acknowledged.
    private var floor = 1
    private var tickets: [Int: RowCache.Ticket] = [:]
    private var floorsAtLookup: [Int: Int] = [:]
    private var rowsRead: [Int: [UInt8]?] = [:]

    private init(story: Story, fault: RowCache.Fault, isTold: Bool) {
        self.story = story
        self.isTold = isTold
        cache = RowCache(bytesMax: 1 << 20, stripeCount: 1, fault: fault)
        store = story.isEmptyAtFirst ? nil : Self.rows[1]
        stepsTaken = story.actors.map { _ in 0 }
        if story.isCached { cache.put(Self.key, store) }
        if story.isEmptyAtFirst { floor = 0 }
    }

    /// Takes steps in an order until somebody went back in time.
    static func take(
        _ order: [Int],
        of story: Story,
        fault: RowCache.Fault,
        isTold: Bool
    ) -> Run {
        let run = Run(story: story, fault: fault, isTold: isTold)
        for actor in order where !run.isBroken { run.step(actor) }
        return run
    }

    private func step(_ index: Int) {
        let step = stepsTaken[index]
        stepsTaken[index] += 1
        switch story.actors[index] {
        case .reader(let name): read(index, step, "reader \(name)")
        case .scan: scan(index, step)
        case .writer(let change): write(change, step)
        case .eviction:
            cache.resize(bytesMax: 0)
            cache.resize(bytesMax: 1 << 20)
            note("all rows are evicted")
        }
        if !isBroken { probe() }
    }

    private func note(_ text: @autoclosure () -> String) {
        if isTold { transcript.append(text()) }
    }

    /// A row's version; where rows are removed, that of no row is the last.
    private func number(_ row: [UInt8]?) -> Int {
        guard let row else { return story.isEmptyAtFirst ? 0 : 2 }
        guard let index = Self.rows.firstIndex(of: row) else {
            preconditionFailure("a row that nobody wrote: \(row)")
        }
        return index
    }

    private func read(_ index: Int, _ step: Int, _ name: String) {
        switch step {
        case 0:
            floorsAtLookup[index] = floor
            switch cache.lookup(Self.key) {
            case .found(let row): use(row, index, "\(name): hits \(number(row))")
            case .absent: use(nil, index, "\(name): hits \(number(nil))")
            case .miss(let ticket):
                tickets[index] = ticket
                note("\(name): miss")
            }
        case 1 where tickets[index] != nil:
            rowsRead[index] = .some(store)
            note("\(name): store has \(number(store))")
        default:
            guard let ticket = tickets[index], let row = rowsRead[index] else { return }
            let isFilled = cache.fill(ticket, Self.key, row: row)
            let outcome = isFilled ? "filled" : "not filled"
            use(row, index, "\(name): has \(number(row)), \(outcome)")
        }
    }

    private func scan(_ index: Int, _ step: Int) {
        guard step == 1, let row = rowsRead[index] else {
            floorsAtLookup[index] = floor
            rowsRead[index] = .some(store)
            note("scan: store has \(number(store))")
            return
        }
        cache.rowsReadAround()
        use(row, index, "scan: has \(number(row))")
    }

    private func write(_ change: Change, _ step: Int) {
        let version = 2 + step / 3
        let writes = Self.writes[version]
        let range = KeyRange(lower: [0, 0, 0, 7], upper: [0, 0, 0, 8])
        switch (change, step % 3) {
        case (.write, 0), (.twoWrites, 0), (.failedWrite, 0): cache.writesWillBegin(writes)
        case (.sweep, 0): cache.rowsWillBeReplaced([Self.encodedKey])
        case (.rangeDeletion, 0): cache.rowsWillBeDeleted(in: range)
        case (.write, 1), (.twoWrites, 1), (.failedWrite(isStored: true), 1):
            store = RowMerge.merge((store.map { [$0] } ?? []) + [Self.rows[version]])
        case (.failedWrite, 1): break
        case (.sweep, 1), (.rangeDeletion, 1): store = nil
        case (.write, _), (.twoWrites, _): cache.writesDidEnd(writes, failed: false)
        case (.failedWrite, _): cache.writesDidEnd(writes, failed: true)
        case (.sweep, _): cache.rowsReplaced([Self.encodedKey], failed: false)
        case (.rangeDeletion, _): cache.rowsDeleted(in: range, failed: false)
        }
        guard step % 3 == 2 else {
            note("writer: \(step % 3 == 0 ? "begins" : "stores \(version)")")
            return
        }
        if case .failedWrite = change {
            note("writer: ended, failed")
        } else {
            floor = max(floor, version)
            note("writer: ended, acknowledged")
        }
    }

    private func use(_ row: [UInt8]?, _ index: Int, _ text: @autoclosure () -> String) {
        let number = number(row)
        let least = floorsAtLookup[index] ?? floor
        let complaint = number < least ? ", but \(least) was seen or acknowledged" : ""
        note(text() + complaint)
        isBroken = number < least
        floor = max(floor, number)
    }

    private func probe() {
        let row: [UInt8]?
        switch cache.lookup(Self.key) {
        case .found(let found): row = found
        case .absent: row = nil
        case .miss: return
        }
        let number = number(row)
        if number < floor {
            note("anybody: hits \(number), but \(floor) was seen or acknowledged")
            isBroken = true
        }
        floor = max(floor, number)
    }
}
