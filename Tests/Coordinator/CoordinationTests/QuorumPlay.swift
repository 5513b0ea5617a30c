import Catalog
import Coordination
import PeerMessages
import Storage
import TokenPlacement

/// Reads and writes at QUORUM over an unreliable network of five replicas, from one seed.
///
/// The machines are driven as a node drives them; messages are dropped, doubled, delayed and
/// answered by failures, and what clients see is compared with what they may see.
struct QuorumPlay {
    /// What is broken on purpose, to prove that the checks see it.
    enum Mutant {
        case none
        /// Read repairs are acknowledged, and never sent.
        case skippedRepair
        /// A write at QUORUM is acknowledged by its first replica.
        case earlyAcknowledgement
        /// A read at QUORUM is answered by one replica.
        case oneReplicaRead
        /// Hints are said to be stored, and never are.
        case droppedHint
    }

    /// How replicas come to hold the same in the end.
    enum Ending {
        /// Everything is read at ALL without faults; hints are of no use.
        case readAtAll
        /// All hints are delivered.
        case hints
    }

    /// What a client must never see.
    enum Violation: Hashable {
        case lostWrite, wentBack, invented, notOnQuorum, answeredTwice, unfinished, diverged
    }

    private enum Message {
        case write([Int])
        case read(Int, [ReadMachine.Part])
        case repair(Int, [ReadMachine.Repair])
    }

    private enum Reply {
        case acknowledged(NodeID)
        case writeFailed(NodeID, PeerFailure)
        case rows(Int, [ReadGroupReply])
        case repaired(Int)
        case failed(Int, PeerFailure)
    }

    private enum Event {
        case start
        case request(to: NodeID, Message)
        case reply(Reply)
        case hintStored(for: NodeID)
        case speculate
        case timeOut
    }

    private struct Timed {
        let time: Int
        let order: Int
        let operation: Int
        let event: Event
    }

    /// A column of a key, which has a history of its own.
    private struct Place: Hashable {
        let key: Int
        let column: UInt32
    }

    private enum Machine {
        case write(WriteMachine)
        case read(ReadMachine)
    }

    private struct Operation {
        let keys: [Int]
        let operands: [[UInt8]]
        let timestamp: Int64
        let consistency: ConsistencyLevel
        var machine: Machine?
        var groups: [KeyGroup] = []
        var outcomes = 0
        var acknowledgedBefore: [Place: Int64] = [:]
        var returnedBefore: [Place: Int64] = [:]
    }

    private static let table = TableID(1)
    private static let columns: [UInt32] = [2, 3]
    private static let keyCount = 4

    private let mutant: Mutant
    private var random: SplitMix
    private let view: ClusterView
    private let partitions: [PartitionRef]
    private var stores: [NodeID: MemoryStore] = [:]
    private var events: [Timed] = []
    private var eventCount = 0
    private var operations: [Operation] = []
    private var now = 0
    private var lossRate: Double
    private var doublingRate: Double
    private var failureRate: Double
    private var deadRate: Double

    private var hints: [(node: NodeID, operation: Int, mutations: [Int])] = []
    /// What became of a write at a node: a message that comes twice is treated alike.
    private var refusals: [Int: [NodeID: PeerFailure.Code?]] = [:]

    private var written: [Place: [Int64: [UInt8]?]] = [:]
    private var acknowledged: [Place: Int64] = [:]
    private var returned: [Place: Int64] = [:]

    /// What was seen that must not be.
    private(set) var violations: Set<Violation> = []
    /// How many reads were answered, and for how many of them replicas had to be repaired.
    private(set) var answers = 0
    private(set) var repairs = 0
    /// How many writes were acknowledged.
    private(set) var acknowledgedWrites = 0
    /// How many hints were delivered, and for how many groups of keys a spare was asked.
    private(set) var deliveredHints = 0
    private(set) var speculations = 0

    init(seed: UInt64, mutant: Mutant = .none) {
        self.mutant = mutant
        random = SplitMix(state: seed)
        view = Fixture.view(nodes: 5, .simple(factor: 3))
        partitions = (0..<Self.keyCount).map { PartitionRef(key: [UInt8($0)]) }
        for number in 1...UInt64(5) { stores[Fixture.id(number)] = MemoryStore() }
        lossRate = Double.random(in: 0...0.4, using: &random)
        doublingRate = Double.random(in: 0...0.3, using: &random)
        failureRate = Double.random(in: 0...0.2, using: &random)
        deadRate = Double.random(in: 0...0.3, using: &random)
    }

    /// Plays the operations, then what the ending says.
    mutating func run(operationCount: Int, ending: Ending = .readAtAll) throws {
        var timestamps = (1...Int64(operationCount)).map { $0 * 10 }
        timestamps.shuffle(using: &random)
        for timestamp in timestamps {
            let isWrite = Bool.random(using: &random)
            let count = Int.random(in: 1...3, using: &random)
            let keys = Array((0..<Self.keyCount).shuffled(using: &random).prefix(count))
            let operands = isWrite ? keys.map { operand(of: $0, at: timestamp) } : []
            add(keys, operands, timestamp, at: Int.random(in: 0..<2000, using: &random))
        }
        try playToTheEnd()
        (lossRate, doublingRate, failureRate) = (0, 0, 0)
        switch ending {
        case .readAtAll:
            add(Array(0..<Self.keyCount), [], 0, .all, at: now)
            try playToTheEnd()
        case .hints: deliverHints()
        }
        if operations.contains(where: { $0.outcomes == 0 }) { violations.insert(.unfinished) }
        for operation in operations {
            guard case .write(let machine)? = operation.machine else { continue }
            if !machine.isComplete { violations.insert(.unfinished) }
        }
        checkConvergence()
    }

    // MARK: Operations

    private mutating func operand(of key: Int, at timestamp: Int64) -> [UInt8] {
        var builder = RowBuilder(timestamp: WriteTimestamp(timestamp))
        func value(_ column: UInt32) -> [UInt8] {
            [UInt8(key), UInt8(column)] + withUnsafeBytes(of: timestamp) { Array($0) }
        }
        let columns: [UInt32]
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            builder.deleteRow(deletionSeconds: Fixture.nowSeconds)
            for column in Self.columns {
                written[Place(key: key, column: column), default: [:]][timestamp] = .some(nil)
            }
            return builder.encoded()
        case 1: columns = [2]
        case 2: columns = [3]
        default:
            builder.insertMarker()
            columns = Self.columns
        }
        for column in columns {
            builder.set(ColumnID(column), to: value(column))
            written[Place(key: key, column: column), default: [:]][timestamp] = value(column)
        }
        return builder.encoded()
    }

    private mutating func add(
        _ keys: [Int],
        _ operands: [[UInt8]],
        _ timestamp: Int64,
        _ consistency: ConsistencyLevel = .quorum,
        at time: Int
    ) {
        let index = operations.count
        operations.append(
            Operation(
                keys: keys,
                operands: operands,
                timestamp: timestamp,
                consistency: consistency
            )
        )
        schedule(.start, of: index, at: time)
    }

    private mutating func schedule(_ event: Event, of operation: Int, at time: Int) {
        events.append(Timed(time: time, order: eventCount, operation: operation, event: event))
        eventCount += 1
    }

    private mutating func playToTheEnd() throws {
        while let next = events.indices.min(by: {
            (events[$0].time, events[$0].order) < (events[$1].time, events[$1].order)
        }) {
            let timed = events.remove(at: next)
            now = timed.time
            try handle(timed.event, of: timed.operation)
        }
    }

    private mutating func handle(_ event: Event, of index: Int) throws {
        switch event {
        case .start: try start(index)
        case .request(let node, let message): try receive(message, at: node, of: index)
        case .reply(let reply): try feed(reply, to: index)
        case .hintStored(let node):
            try step(index, { $0.hintEnded(for: node, .stored, actions: &$1) }, { _, _ in })
        case .speculate: try step(index, { _, _ in }, { $0.speculate(&$1) })
        case .timeOut:
            try step(index, { $0.timedOut(&$1) }, { $0.timedOut(&$1) })
            switch operations[index].machine {
            case .write(let machine) where machine.isFinished: break
            case .read(let machine) where machine.isFinished: break
            default: violations.insert(.unfinished)
            }
        }
    }

    /// The cluster as gossip sees it at the moment: now and then a living node is held dead.
    private mutating func seenView() -> ClusterView {
        var seen = view
        if happens(deadRate) { seen.alive.remove(Fixture.id(.random(in: 2...5, using: &random))) }
        return seen
    }

    private mutating func deliverHints() {
        for (node, index, mutations) in hints {
            let operation = operations[index]
            let writes = mutations.map {
                (key: storageKey(operation.keys[$0]), operand: operation.operands[$0])
            }
            stores[node]?.apply(writes)
        }
        deliveredHints = hints.count
    }

    private mutating func start(_ index: Int) throws {
        let operation = operations[index]
        let view = operation.consistency == .all ? view : seenView()
        let refs = operation.keys.map { partitions[$0] }
        operations[index].acknowledgedBefore = acknowledged
        operations[index].returnedBefore = returned
        if operation.operands.isEmpty {
            let level = mutant == .oneReplicaRead ? .one : operation.consistency
            let groups = try view.group(refs, keyspace: "ks", consistency: level)
            operations[index].groups = groups
            schedule(.speculate, of: index, at: now + Int.random(in: 1...150, using: &random))
            operations[index].machine = .read(
                ReadMachine(
                    keyCount: refs.count,
                    groups: groups,
                    consistency: level,
                    nowSeconds: Fixture.nowSeconds,
                    gcGraceSeconds: Fixture.gcGraceSeconds
                )
            )
        } else {
            let level = mutant == .earlyAcknowledgement ? .one : operation.consistency
            operations[index].machine = .write(
                try WriteMachine(
                    partitions: refs,
                    keyspaces: refs.map { _ in "ks" },
                    view: view,
                    consistency: level,
                    type: .simple
                )
            )
        }
        schedule(.timeOut, of: index, at: now + 300)
        try step(index, { $0.start(&$1) }, { $0.start(&$1) })
    }

    /// Feeds one event to the operation's machine and does what it asks for.
    private mutating func step(
        _ index: Int,
        _ write: (inout WriteMachine, inout [WriteMachine.Action]) -> Void,
        _ read: (inout ReadMachine, inout [ReadMachine.Action]) -> Void
    ) throws {
        switch operations[index].machine {
        case .write(var machine):
            var actions: [WriteMachine.Action] = []
            write(&machine, &actions)
            operations[index].machine = .write(machine)
            for action in actions {
                switch action {
                case .write(let node, let mutations): send(.write(mutations), to: node, of: index)
                case .hint(let node, let mutations, _):
                    if mutant != .droppedHint { hints.append((node, index, mutations)) }
                    schedule(.hintStored(for: node), of: index, at: delay())
                case .succeed:
                    end(index)
                    writeAcknowledged(operations[index])
                case .fail: end(index)
                }
            }
        case .read(var machine):
            var actions: [ReadMachine.Action] = []
            read(&machine, &actions)
            operations[index].machine = .read(machine)
            for action in actions {
                switch action {
                case .read(let request, let node, let parts):
                    send(.read(request, parts), to: node, of: index)
                case .repair(let request, let node, let rows):
                    if mutant == .skippedRepair {
                        schedule(.reply(.repaired(request)), of: index, at: now + 1)
                    } else {
                        send(.repair(request, rows), to: node, of: index)
                    }
                case .answer(let rows):
                    end(index)
                    if machine.repairedGroupCount > 0 { repairs += 1 }
                    speculations += machine.speculatedGroupCount
                    try answered(operations[index], rows)
                case .fail: end(index)
                }
            }
        case nil: return
        }
    }

    private mutating func end(_ index: Int) {
        operations[index].outcomes += 1
        if operations[index].outcomes > 1 { violations.insert(.answeredTwice) }
    }

    // MARK: Network

    private mutating func happens(_ rate: Double) -> Bool {
        Double.random(in: 0..<1, using: &random) < rate
    }

    private mutating func delay() -> Int { now + Int.random(in: 1...60, using: &random) }

    private mutating func send(_ message: Message, to node: NodeID, of index: Int) {
        if happens(lossRate) {
            // Half of the losses are noticed: the connection was lost.
            if Bool.random(using: &random) {
                let failure = failed(message, at: node, Fixture.failure(.disconnected))
                schedule(.reply(failure), of: index, at: delay())
            }
            return
        }
        schedule(.request(to: node, message), of: index, at: delay())
        if happens(doublingRate) { schedule(.request(to: node, message), of: index, at: delay()) }
    }

    private mutating func respond(_ reply: Reply, of index: Int) {
        if happens(lossRate) { return }
        schedule(.reply(reply), of: index, at: delay())
        if happens(doublingRate) { schedule(.reply(reply), of: index, at: delay()) }
    }

    private func failed(_ message: Message, at node: NodeID, _ failure: PeerFailure) -> Reply {
        switch message {
        case .write: .writeFailed(node, failure)
        case .read(let request, _), .repair(let request, _): .failed(request, failure)
        }
    }

    private mutating func failure(
        of message: Message,
        at node: NodeID,
        _ index: Int
    ) -> PeerFailure.Code? {
        if case .write = message, let decided = refusals[index]?[node] { return decided }
        let codes = [PeerFailure.Code.failed, .overloaded, .unknownTable, .unreadable]
        let code = happens(failureRate) ? codes.randomElement(using: &random) : nil
        if case .write = message { refusals[index, default: [:]][node] = .some(code) }
        return code
    }

    private func storageKey(_ key: Int) -> [UInt8] {
        RowKey(table: Self.table, token: partitions[key].token, partitionKey: partitions[key].key)
            .encoded
    }

    private mutating func receive(_ message: Message, at node: NodeID, of index: Int) throws {
        if let code = failure(of: message, at: node, index) {
            respond(failed(message, at: node, Fixture.failure(code)), of: index)
            return
        }
        let operation = operations[index]
        switch message {
        case .write(let mutations):
            let writes = mutations.map {
                (key: storageKey(operation.keys[$0]), operand: operation.operands[$0])
            }
            stores[node]?.apply(writes)
            respond(.acknowledged(node), of: index)
        case .repair(let request, let rows):
            let writes = rows.map {
                (key: storageKey(operation.keys[$0.key]), operand: $0.operand)
            }
            stores[node]?.apply(writes)
            respond(.repaired(request), of: index)
        case .read(let request, let parts):
            let replies = try parts.map { part in
                try Fixture.reply(
                    operation.groups[part.group].keys.map {
                        stores[node]?.read(storageKey(operation.keys[$0]))
                    },
                    part.mode
                )
            }
            respond(.rows(request, replies), of: index)
        }
    }

    private mutating func feed(_ reply: Reply, to index: Int) throws {
        switch reply {
        case .acknowledged(let node):
            try step(index, { $0.acknowledged(by: node, actions: &$1) }, { _, _ in })
        case .writeFailed(let node, let failure):
            try step(index, { $0.failed(at: node, failure, actions: &$1) }, { _, _ in })
        case .rows(let request, let replies):
            try step(
                index,
                { _, _ in },
                { $0.rowsReceived(request: request, replies: replies, actions: &$1) }
            )
        case .repaired(let request):
            try step(index, { _, _ in }, { $0.repairAcknowledged(request: request, actions: &$1) })
        case .failed(let request, let failure):
            try step(
                index,
                { _, _ in },
                { $0.requestFailed(request: request, failure, actions: &$1) }
            )
        }
    }

    // MARK: What clients see

    private mutating func writeAcknowledged(_ operation: Operation) {
        acknowledgedWrites += 1
        for key in operation.keys {
            for column in Self.columns {
                let place = Place(key: key, column: column)
                guard written[place]?[operation.timestamp] != nil else { continue }
                acknowledged[place] = max(acknowledged[place] ?? 0, operation.timestamp)
            }
        }
    }

    private mutating func answered(_ operation: Operation, _ rows: [[UInt8]?]) throws {
        answers += 1
        for (place, key) in operation.keys.enumerated() {
            let row = rows[place]
            for column in Self.columns {
                let place = Place(key: key, column: column)
                let seen = try observe(row, place)
                if seen < operation.acknowledgedBefore[place] ?? 0 { violations.insert(.lostWrite) }
                if seen < operation.returnedBefore[place] ?? 0 { violations.insert(.wentBack) }
                returned[place] = max(returned[place] ?? 0, seen)
            }
            guard let row else { continue }
            let holders = stores.values.count { store in
                guard let stored = store.read(storageKey(key)) else { return false }
                return RowMerge.merge([stored, row]) == stored
            }
            if holders < 2 { violations.insert(.notOnQuorum) }
        }
    }

    /// The timestamp of what a row says of a column: 0 for nothing.
    private mutating func observe(_ row: [UInt8]?, _ place: Place) throws -> Int64 {
        guard let row else { return 0 }
        let decoded = try Row(decoding: row)
        let deleted = decoded.deletion?.timestamp.microseconds ?? 0
        if deleted > 0, written[place]?[deleted] != .some(nil) { violations.insert(.invented) }
        guard let cell = decoded.cells.first(where: { $0.column.value == place.column }) else {
            return deleted
        }
        guard case .live(let value) = cell.content,
            written[place]?[cell.timestamp.microseconds] == value
        else {
            violations.insert(.invented)
            return deleted
        }
        return max(deleted, cell.timestamp.microseconds)
    }

    private mutating func checkConvergence() {
        for key in 0..<Self.keyCount {
            let replicas = (try? view.placement(of: "ks").replicas(of: partitions[key].token)) ?? []
            let rows = Set(replicas.map { stores[$0]?.read(storageKey(key)) })
            if rows.count != 1 { violations.insert(.diverged) }
        }
    }
}
