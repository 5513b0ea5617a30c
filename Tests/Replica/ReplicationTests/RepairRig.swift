import Catalog
import PeerMessages
import Replication
import Storage
import Testing
import TokenPlacement

/// The replicas around a repair machine, and the messages that are on their way.
struct RepairRig {
    typealias Action = RepairMachine.Action

    /// What a machine must not do.
    enum Violation: Hashable {
        case twoRequests, twoWrites, actionBehindEnd, emptyBatch, batchTooLarge, pageTooLarge
        case wrongTokens, notedTooEarly, buffersTooMuch, stalled
    }

    /// What a node says to a request.
    enum Reply: Hashable {
        case digests([RangeDigest])
        case page(ScanPage)
        case written, noted, resumed
    }

    /// A request; with a reply once its node has done it.
    struct Open {
        let action: Action
        var reply: Reply?
    }

    static let gcGraceSeconds: Int32 = 1_000
    static let nowSeconds: Int64 = 10_000
    /// A slice of a ring of 16.
    static let slice = SliceID(testTable, 11)
    static let tokens = SliceID.tokens(ofSlice: 11, sliceCount: 16)

    let node: NodeID
    let task: RepairTask
    let settings: RepairSettings
    private(set) var machine: RepairMachine
    var replicas: [NodeID: ReplicaModel]
    var now = Duration.zero
    private(set) var open: [Open] = []
    /// Everything that the machine asked for.
    private(set) var history: [Action] = []
    /// The notes that nodes keep.
    private(set) var notes: [NodeID: [RepairNote]] = [:]
    private(set) var outcome: RepairOutcome?
    private(set) var violations: Set<Violation> = []

    init(
        _ replicas: [ReplicaModel],
        node coordinator: Int = 1,
        mode: RepairTask.Mode = .repair,
        settings: RepairSettings = RepairSettings(),
        bandwidth: TokenBucket? = nil
    ) {
        var models: [NodeID: ReplicaModel] = [:]
        for (number, replica) in replicas.enumerated() {
            models[numbered(number + 1)] = replica
        }
        self.init(models, node: numbered(coordinator), mode, settings, bandwidth)
    }

    init(
        _ replicas: [NodeID: ReplicaModel],
        node: NodeID,
        _ mode: RepairTask.Mode = .repair,
        _ settings: RepairSettings = RepairSettings(),
        _ bandwidth: TokenBucket? = nil
    ) {
        self.replicas = replicas
        self.node = node
        self.settings = settings
        task = RepairTask(
            slice: Self.slice,
            tokens: Self.tokens,
            replicas: replicas.keys.sorted(),
            gcGraceSeconds: Self.gcGraceSeconds,
            mode: mode
        )
        machine = RepairMachine(
            node: node,
            task: task,
            settings: settings,
            bandwidth: bandwidth ?? TokenBucket(bytesPerSecond: settings.bytesPerSecond)
        )
    }

    /// The same replicas before another repair.
    func again(node coordinator: NodeID? = nil, mode: RepairTask.Mode? = nil) -> RepairRig {
        RepairRig(replicas, node: coordinator ?? node, mode ?? task.mode, settings)
    }

    // MARK: Events

    mutating func start() {
        feed { $0.start(nowSeconds: Self.nowSeconds, now: $1, actions: &$2) }
    }

    mutating func feed(
        _ event: (inout RepairMachine, Duration, inout [Action]) -> Void
    ) {
        var actions: [Action] = []
        event(&machine, now, &actions)
        if outcome != nil, !actions.isEmpty { violations.insert(.actionBehindEnd) }
        for action in actions { take(action) }
        let rowBytes = 200
        let bound = settings.pageBytesMax + 2 * settings.writeBytesMax + 3 * rowBytes
        if machine.bufferedBytes > replicas.count * bound { violations.insert(.buffersTooMuch) }
    }

    /// Has a node do what it was asked, or lets the time pass; the answer is on its way then.
    mutating func execute(_ index: Int) throws {
        if case .wait(let until) = open[index].action { now = max(now, until) }
        open[index].reply = try reply(to: open[index].action)
    }

    /// Gives the machine an answer.
    mutating func deliver(_ index: Int) {
        let request = open.remove(at: index)
        if let reply = request.reply, let node = request.action.node {
            deliver(reply, from: node)
        } else {
            deliver(.resumed, from: node)
        }
    }

    mutating func deliver(_ reply: Reply, from node: NodeID) {
        switch reply {
        case .digests(let digests):
            feed { $0.digestsReceived(from: node, digests, now: $1, actions: &$2) }
        case .page(let page): feed { $0.pageReceived(from: node, page, now: $1, actions: &$2) }
        case .written: feed { $0.written(by: node, now: $1, actions: &$2) }
        case .noted: feed { $0.noted(by: node, now: $1, actions: &$2) }
        case .resumed: feed { $0.resumed(now: $1, actions: &$2) }
        }
    }

    /// Says that a node did not answer a request.
    mutating func fail(_ index: Int) {
        let request = open.remove(at: index)
        if let node = request.action.node { fail(node) }
    }

    mutating func fail(_ node: NodeID) { feed { $0.failed(at: node, now: $1, actions: &$2) } }

    /// Lets every node answer, first come first served, those that are down with a failure.
    mutating func run(down: Set<NodeID> = []) throws {
        if history.isEmpty { start() }
        var steps = 0
        while !open.isEmpty {
            try step(down: down)
            steps += 1
            precondition(steps < 100_000, "the repair comes to no end")
        }
        if outcome == nil { violations.insert(.stalled) }
    }

    /// Does the oldest open request and answers it.
    mutating func step(down: Set<NodeID> = []) throws {
        if let node = open[0].action.node, down.contains(node) {
            fail(0)
        } else {
            if open[0].reply == nil { try execute(0) }
            deliver(0)
        }
    }

    /// Answers with something else than a node would say.
    mutating func deliver(_ index: Int, _ reply: Reply) {
        open[index].reply = reply
        deliver(index)
    }

    // MARK: Queries

    /// The replicas' rows as repair sees them.
    func canonical(_ node: NodeID) throws -> [PartitionRef: [UInt8]] {
        try canonical(replicas[node] ?? ReplicaModel())
    }

    func canonical(_ replica: ReplicaModel) throws -> [PartitionRef: [UInt8]] {
        try replica.canonical(nowSeconds: Self.nowSeconds, gcGraceSeconds: Self.gcGraceSeconds)
    }

    /// The partitions in which replicas differ, and how many versions are not the merged one.
    func differences() throws -> (partitions: Set<PartitionRef>, versions: Int) {
        let merged = try canonical(ReplicaModel.merged(replicas.values))
        let all = Set(replicas.values.flatMap(\.rows.keys))
        var found: Set<PartitionRef> = []
        var versions = 0
        for replica in replicas.values {
            let rows = try canonical(replica)
            for partition in all where rows[partition] != merged[partition] {
                found.insert(partition)
                versions += 1
            }
        }
        return (found, versions)
    }

    // MARK: Steps

    private mutating func take(_ action: Action) {
        history.append(action)
        switch action {
        case .requestDigests(let node, let request):
            openRequest(action, node)
            if !request.ranges.allSatisfy(Self.tokens.contains) { violations.insert(.wrongTokens) }
        case .requestPage(let node, let request):
            openRequest(action, node)
            if !Self.tokens.contains(request.tokens) { violations.insert(.wrongTokens) }
            if request.rowsMax > settings.pageRowsMax || request.bytesMax > settings.pageBytesMax {
                violations.insert(.pageTooLarge)
            }
        case .sendNote(let node, _): openRequest(action, node)
        case .write(let node, let mutations):
            if open.contains(where: { $0.action.isWrite && $0.action.node == node }) {
                violations.insert(.twoWrites)
            }
            if mutations.isEmpty { violations.insert(.emptyBatch) }
            if mutations.count > max(1, settings.writeRowsMax) { violations.insert(.batchTooLarge) }
            open.append(Open(action: action))
        case .wait: open.append(Open(action: action))
        case .noteHere(let note):
            let others = task.replicas.filter { $0 != node }
            if !others.allSatisfy({ notes[$0]?.last == note }) { violations.insert(.notedTooEarly) }
            notes[node, default: []].append(note)
        case .finish(let outcome):
            if self.outcome != nil { violations.insert(.actionBehindEnd) }
            self.outcome = outcome
        }
    }

    private mutating func openRequest(_ action: Action, _ node: NodeID) {
        if open.contains(where: { $0.action.isRequest && $0.action.node == node }) {
            violations.insert(.twoRequests)
        }
        open.append(Open(action: action))
    }

    private mutating func reply(to action: Action) throws -> Reply {
        switch action {
        case .requestDigests(let node, let request):
            .digests(
                try #require(replicas[node])
                    .digests(request, gcGraceSeconds: Self.gcGraceSeconds)
            )
        case .requestPage(let node, let request):
            .page(try #require(replicas[node]).page(request))
        case .write(let node, let mutations):
            try write(mutations, to: node)
        case .sendNote(let node, let note): keep(note, at: node)
        case .wait, .noteHere, .finish: .resumed
        }
    }

    private mutating func write(_ mutations: [Mutation], to node: NodeID) throws -> Reply {
        _ = try #require(replicas[node])
        replicas[node]?.write(mutations)
        return .written
    }

    private mutating func keep(_ note: RepairNote, at node: NodeID) -> Reply {
        notes[node, default: []].append(note)
        return .noted
    }
}

/// Node numbers, where a rig's own `node` hides them.
private func numbered(_ number: Int) -> NodeID { nodes(number...number)[0] }

extension ClosedRange<Token> {
    /// Whether it holds all of another range.
    func contains(_ other: ClosedRange<Token>) -> Bool {
        contains(other.lowerBound) && contains(other.upperBound)
    }
}

extension RepairMachine.Action {
    /// The node that is asked; nil if none is.
    var node: NodeID? {
        switch self {
        case .requestDigests(let node, _), .requestPage(let node, _), .write(let node, _),
            .sendNote(let node, _):
            node
        case .wait, .noteHere, .finish: nil
        }
    }

    var isRequest: Bool {
        switch self {
        case .requestDigests, .requestPage, .sendNote: true
        case .write, .wait, .noteHere, .finish: false
        }
    }

    var isDigestRequest: Bool { if case .requestDigests = self { true } else { false } }
    var isPageRequest: Bool { if case .requestPage = self { true } else { false } }
    var isWrite: Bool { if case .write = self { true } else { false } }
    var isNote: Bool { if case .sendNote = self { true } else { false } }
    var isWait: Bool { if case .wait = self { true } else { false } }
}

/// A partition of the rigs' slice, by its distance from the slice's beginning.
func repaired(_ offset: Int, _ name: String = "r") -> PartitionRef {
    partition(RepairRig.tokens.lowerBound.value + Int64(offset), name)
}

/// A partition of the rigs' slice, one of so many that are spread over it.
func spread(_ index: Int, of count: Int) -> PartitionRef {
    let span = RepairRig.tokens.upperBound.value &- RepairRig.tokens.lowerBound.value
    return repaired(Int(span) / count * index)
}

/// So many rows that are spread over the rigs' slice.
func spreadRows(_ count: Int) -> ReplicaModel {
    var replica = ReplicaModel()
    for index in 0..<count { replica.rows[spread(index, of: count)] = versionRow(1) }
    return replica
}
