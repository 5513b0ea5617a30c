import Catalog
import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

/// The disk, the wire and the other nodes around a dispatcher of hints.
struct HintRig {
    typealias Action = HintDispatcher.Action

    var dispatcher: HintDispatcher
    /// The hints on disk.
    var hints: [[UInt8]: [UInt8]] = [:]
    var now = Duration.zero
    var wallMicros: Int64 = 1_700_000_000_000_000
    /// What the dispatcher asked for and nobody did yet.
    private(set) var actions: [Action] = []
    /// The keys of the mutations that nodes acknowledged, in their order.
    private(set) var delivered: [NodeID: [[UInt8]]] = [:]
    /// The marks that were written.
    private(set) var marks: [DirtyMark] = []
    private var sequence: UInt32 = 0

    init(
        _ settings: HintSettings = HintSettings(),
        tables: Set<TableID> = [testTable],
        removesEarly: Bool = false
    ) {
        dispatcher = HintDispatcher(settings: settings, removesEarly: removesEarly)
        dispatcher.tablesChanged(tables, next: TableID(100))
    }

    // MARK: Events

    /// Puts a hint on disk; the dispatcher does not hear of it.
    @discardableResult
    mutating func put(
        _ key: Int,
        for target: Int,
        slice: Int = 1,
        table: TableID = testTable,
        ageMicros: Int64 = 0,
        value: [UInt8]? = nil
    ) -> [UInt8] {
        let hint = HintKey(
            target: node(target),
            slice: slice,
            createdMicros: wallMicros - ageMicros,
            sequence: sequence
        ).encoded
        sequence += 1
        hints[hint] = value ?? mutation(key, table: table).encoded
        return hint
    }

    mutating func stored(_ target: Int) {
        dispatcher.hintStored(for: node(target), now: now, actions: &actions)
    }

    mutating func alive(_ target: Int, _ isAlive: Bool = true) {
        dispatcher.aliveChanged(node(target), isAlive: isAlive, now: now, actions: &actions)
    }

    mutating func advance(_ time: Duration) {
        now += time
        wallMicros += time.components.seconds * 1_000_000
        wallMicros += time.components.attoseconds / 1_000_000_000_000
        dispatcher.resumed(now: now, actions: &actions)
    }

    // MARK: Answers

    /// The actions that are open, which counts as looked at.
    mutating func take() -> [Action] {
        defer { actions = [] }
        return actions
    }

    /// The action that is open, if it is the only one.
    mutating func takeOnly() throws -> Action {
        let open = take()
        return try #require(open.only, "open: \(open)")
    }

    /// Takes one of the open actions out.
    mutating func take(at index: Int) -> Action { actions.remove(at: index) }

    /// Does what was asked.
    mutating func perform(_ action: Action) {
        switch action {
        case .read(let target, let range, let rowsMax, let bytesMax):
            dispatcher.pageRead(
                target,
                page(range, rowsMax: rowsMax, bytesMax: bytesMax),
                now: now,
                steadyMicros: wallMicros,
                nowSeconds: wallMicros / 1_000_000,
                actions: &actions
            )
        case .send(let target, let mutations, _):
            delivered[target, default: []] += mutations.map(\.partition.key)
            dispatcher.acknowledged(by: target, now: now, actions: &actions)
        case .remove(let target, let removals, let marks):
            for removal in removals { hints[removal.key] = nil }
            self.marks += marks
            dispatcher.removed(at: target, succeeded: true, now: now, actions: &actions)
        }
    }

    /// Does nothing and says so.
    mutating func fail(_ action: Action, _ code: PeerFailure.Code = .disconnected) {
        switch action {
        case .read(let target, _, _, _):
            dispatcher.readFailed(target, now: now, actions: &actions)
        case .send(let target, _, _):
            dispatcher.failed(
                at: target,
                code,
                now: now,
                nowSeconds: wallMicros / 1_000_000,
                actions: &actions
            )
        case .remove(let target, _, _):
            dispatcher.removed(at: target, succeeded: false, now: now, actions: &actions)
        }
    }

    /// Does everything that is asked, until nothing is.
    mutating func run() {
        var steps = 0
        while !actions.isEmpty {
            perform(actions.removeFirst())
            steps += 1
            precondition(steps < 10_000, "the dispatcher comes to no end")
        }
    }

    /// Does everything and lets time pass until nothing is left for the living.
    mutating func drain() {
        for _ in 0..<10_000 {
            run()
            if dispatcher.isDrained { return }
            guard let wake = dispatcher.nextWake(now: now) else { return }
            advance(max(.milliseconds(1), wake - now))
        }
        preconditionFailure("the dispatcher comes to no end")
    }

    func page(
        _ range: KeyRange,
        rowsMax: Int,
        bytesMax: Int
    ) -> [(key: [UInt8], value: [UInt8])] {
        var found: [(key: [UInt8], value: [UInt8])] = []
        var bytes = 0
        for key in hints.keys.filter({ range.contains($0) }).sorted(by: { $0.precedes($1) }) {
            guard found.count < rowsMax, bytes < bytesMax, let value = hints[key] else { break }
            found.append((key, value))
            bytes += key.count + value.count
        }
        return found
    }
}

extension HintDispatcher.Action {
    /// The node that it is about.
    var target: NodeID {
        switch self {
        case .read(let target, _, _, _), .send(let target, _, _), .remove(let target, _, _): target
        }
    }

    /// The keys of what is sent; nil if nothing is.
    var sentKeys: [[UInt8]]? {
        if case .send(_, let mutations, _) = self { mutations.map(\.partition.key) } else { nil }
    }

    /// The keys of hints that are removed; nil if none are.
    var removedKeys: [[UInt8]]? {
        if case .remove(_, let removals, _) = self { removals.map(\.key) } else { nil }
    }

    /// The range that is read; nil if none is.
    var range: KeyRange? {
        if case .read(_, let range, _, _) = self { range } else { nil }
    }
}

/// The partition keys of some mutations (`mutation(_:)`).
func partitionKeys(_ numbers: some Sequence<Int>) -> [[UInt8]] {
    numbers.map { mutation($0).partition.key }
}
