import Catalog
import ClusterLog
import Coordination
import Gossip
import NodeCore
import PeerMessages
import Replication
import Storage
import TokenPlacement

/// An event loop whose time, pool and peers a test moves; it runs on the test's own thread.
final class FakeLoop: LoopEnvironment, @unchecked Sendable {
    /// A request that waits for its answer.
    struct Sent {
        let message: PeerMessage
        let node: NodeID
        let completion: (Result<PeerAnswer, PeerFailure>) -> Void

        func reply(_ message: PeerMessage) {
            completion(.success(PeerAnswer(message: message, byteCount: 0)))
        }

        func fail(_ code: PeerFailure.Code) {
            completion(.failure(PeerFailure(code: code, text: "no")))
        }
    }

    private final class Call: ScheduledCall {
        let at: Duration
        private(set) var body: (() -> Void)?

        init(at: Duration, _ body: @escaping () -> Void) {
            self.at = at
            self.body = body
        }

        func cancel() { body = nil }

        func run() {
            let due = body
            body = nil
            due?()
        }
    }

    let store = ModelBackend()
    /// Whether the writer has no room for drops.
    var refusesDrops = false
    /// Rows that cannot be dropped, since something there is damaged.
    var failingDrop: KeyRange?
    /// Whether the loop is busy with something else: what others give it waits.
    var isHeld = false {
        didSet {
            guard !isHeld else { return }
            let waiting = held
            held = []
            for body in waiting { body() }
        }
    }
    private var held: [@Sendable () -> Void] = []
    private(set) var now = Duration.zero
    /// The requests so far, in their order.
    private(set) var sent: [Sent] = []
    private var calls: [Call] = []
    private var jobs: [() -> Void] = []

    // MARK: What the test does

    /// Lets time go by; calls that are due run in their order.
    func advance(_ time: Duration) {
        let end = now + time
        while let next = calls.filter({ $0.body != nil && $0.at <= end }).min(by: { $0.at < $1.at })
        {
            now = max(now, next.at)
            next.run()
        }
        calls.removeAll { $0.body == nil }
        now = end
    }

    /// Does what waits for a thread of the pools, and what follows from it.
    func runPools() {
        while !jobs.isEmpty { jobs.removeFirst()() }
    }

    /// The process ends at once: what waits is never done, and the store keeps what it has.
    func crash() {
        jobs = []
        calls = []
    }

    // MARK: LoopEnvironment

    var isCurrent: Bool { !isHeld }
    var wallMicros: Int64 { 1_000_000_000_000 }

    func execute(_ body: @escaping @Sendable () -> Void) {
        if isHeld { held.append(body) } else { body() }
    }

    func random() -> UInt64 { 7 }
    func log(_ severity: LogSeverity, _ text: @autoclosure () -> String) {}
    func send(_ message: PeerMessage, to node: NodeID, class trafficClass: TrafficClass) {}
    func adopt(_ state: ClusterState) {}
    func giveUp(on node: NodeID) {}

    func schedule(after delay: Duration, _ body: @escaping () -> Void) -> any ScheduledCall {
        let call = Call(at: now + delay, body)
        calls.append(call)
        return call
    }

    func request(
        _ message: PeerMessage,
        to node: NodeID,
        class trafficClass: TrafficClass,
        timeout: Duration?,
        completion: @escaping (Result<PeerAnswer, PeerFailure>) -> Void
    ) {
        sent.append(Sent(message: message, node: node, completion: completion))
    }

    func submit(_ writes: StoreWrites, completion: @escaping (StorageError?) -> Void) -> Bool {
        if refusesDrops, !writes.droppedRanges.isEmpty { return false }
        jobs.append { [store, failingDrop] in
            do throws(StorageError) {
                try store.write([writes], synced: true)
                for range in writes.droppedRanges {
                    if let failingDrop, failingDrop.overlaps(range) {
                        let fault = StorageError.Fault(operation: "drop", path: "", message: "bad")
                        throw .corruption(fault)
                    }
                    _ = try store.deleteRows(in: range, from: nil, bytesMax: .max)
                }
                completion(nil)
            } catch {
                completion(error)
            }
        }
        return true
    }

    func readFromMemory(_ key: RowKey) throws(StorageError) -> MemoryRead {
        try store.readFromMemory(key.encoded)
    }

    func readRows(
        _ keys: [RowKey],
        completion: @escaping (Result<[[UInt8]?], StorageError>) -> Void
    ) -> Bool {
        runOnPool(.reads) { store throws(StorageError) in
            try store.read(keys.map(\.encoded))
        } completion: {
            completion($0)
        }
    }

    func runOnPool<Value: Sendable>(
        _ pool: PoolClass,
        _ body: @escaping @Sendable (any StoreReading) throws(StorageError) -> Value,
        completion: @escaping (Result<Value, StorageError>) -> Void
    ) -> Bool {
        jobs.append { [store] in
            do throws(StorageError) {
                completion(.success(try body(store)))
            } catch {
                completion(.failure(error))
            }
        }
        return true
    }
}

/// Node `a` of a ring of slices that go round its owners, with one table, on a ``FakeLoop``.
struct FakeNode {
    static let a = NodeID(high: 0, low: 1)
    static let b = NodeID(high: 0, low: 2)
    static let c = NodeID(high: 0, low: 3)
    static let sliceCount = 8

    static let table = TableDefinition(
        id: TableID(1),
        uuid: NodeID(high: 0, low: 9),
        keyspace: "ks",
        name: "t",
        columns: [
            ColumnDefinition(id: ColumnID(1), name: "k", type: .blob, kind: .partitionKey),
            ColumnDefinition(id: ColumnID(2), name: "v", type: .blob, kind: .regular),
        ]
    )

    let loop = FakeLoop()
    let replica: LoopReplica
    let coordinator: LoopCoordinator
    private let logic: NodeLogic

    init(owners: [NodeID], factor: Int) throws {
        logic = try Self.logic(loop, entries: [], records: UpkeepRecords())
        var state = ClusterState()
        state.expectedNodeCount = 3
        for (place, id) in [Self.a, Self.b, Self.c].enumerated() {
            state.nodes[id] = Self.record(id, place: place)
        }
        let round = (0..<Self.sliceCount).map { owners[$0 % owners.count] }
        state.slices = SliceMap(owners: round)
        state.keyspaces["ks"] = KeyspaceDefinition(
            name: "ks",
            replication: .simple(factor: factor)
        )
        state.tables["ks"] = ["t": Self.table]
        state.schemaVersion = NodeID(high: 1, low: 1)
        let parts = logic.loops[0].value
        (replica, coordinator) = (parts.replica, parts.coordinator)
        replica.state = state
        replica.health = SliceHealth(sliceCount: Self.sliceCount)
        coordinator.view = ClusterView(
            node: Self.a,
            state: state,
            alive: [Self.a, Self.b, Self.c]
        )
    }

    var table: TableDefinition { Self.table }

    /// What the cluster knows of a node, each in a rack of its own.
    static func record(_ id: NodeID, place: Int) -> NodeRecord {
        NodeRecord(
            id: id,
            address: "127.0.0.\(place + 1)",
            nativePort: 9042,
            internodePort: 7000,
            location: Location(datacenter: "dc1", rack: "rack\(place)")
        )
    }

    /// The logic of node `a` on a loop, or several, not started.
    static func logic(
        _ loops: FakeLoop...,
        entries: [LogEntry],
        records: UpkeepRecords,
        settings: NodeSettings = NodeSettings()
    ) throws -> NodeLogic {
        try NodeLogic(
            node: a,
            incarnation: Incarnation(clamping: 1),
            environments: loops,
            entries: entries,
            records: records,
            settings: settings,
            scorer: { _ in NoScorer() },
            models: { _ in NoModels() },
            hooks: NodeLogic.Hooks()
        )
    }

    /// The log of two nodes, of which `a` decides, with the table in slices that go round them.
    static func entries(factor: Int) throws -> [LogEntry] {
        let nodes = [a, b].enumerated().map { record($1, place: $0) }
        let changes: [ClusterChange] = [
            .found(
                Founding(
                    clusterID: NodeID(high: 7, low: 7),
                    name: "test",
                    sliceCount: sliceCount,
                    expectedNodeCount: 2,
                    node: nodes[0]
                )
            ),
            .registerNode(nodes[1]),
            .assignOwners(
                SliceMap(owners: (0..<sliceCount).map { [a, b][$0 % 2] })
            ),
            .createKeyspace(
                KeyspaceDefinition(name: "ks", replication: .simple(factor: factor))
            ),
            .createTable(table),
        ]
        var state = ClusterState()
        return try changes.map { change in
            let entry = LogEntry(
                epoch: state.epoch.next,
                ballot: Ballot(round: 1, node: a),
                change: change
            )
            try state.apply(entry)
            return entry
        }
    }

    /// The tokens of a slice.
    static func tokens(_ slice: Int) -> ClosedRange<Token> {
        SliceID.tokens(ofSlice: slice, sliceCount: sliceCount)
    }

    /// So many partitions of one slice, in the order of their tokens.
    static func partitions(_ count: Int, in slice: Int) -> [PartitionRef] {
        var found: [PartitionRef] = []
        var number: UInt16 = 0
        while found.count < count {
            number += 1
            let partition = PartitionRef(key: [UInt8(number >> 8), UInt8(number & 0xFF)])
            if tokens(slice).contains(partition.token) { found.append(partition) }
        }
        return found.sorted { $0.token < $1.token }
    }

    /// A row with a value of so many bytes.
    static func row(_ byteCount: Int) -> [UInt8] {
        var builder = RowBuilder(timestamp: WriteTimestamp(1))
        builder.insertMarker()
        builder.set(ColumnID(2), to: [UInt8](repeating: 7, count: byteCount))
        return builder.encoded()
    }

    /// Puts rows into the node's own store.
    func store(_ rows: [(PartitionRef, [UInt8])]) throws { try loop.store.put(rows) }
}

extension ModelBackend {
    /// Puts rows of the table of a ``FakeNode``, merged into what there is.
    func put(_ rows: [(PartitionRef, [UInt8])]) throws {
        var writes = StoreWrites()
        for (partition, row) in rows {
            let key = RowKey(
                table: FakeNode.table.id,
                token: partition.token,
                partitionKey: partition.key
            )
            writes.merge(row, into: key.encoded)
        }
        try write([writes], synced: true)
    }
}

/// Scores nothing.
final class NoScorer: RowScorer {
    func score(
        _ rows: [[UInt8]?],
        _ request: ScoreRequest,
        _ table: TableDefinition,
        _ model: ModelDefinition,
        completion: @escaping (Result<ScoreReply, PeerFailure>) -> Void
    ) {
        completion(.failure(PeerFailure(code: .modelNotReady, text: "no models here")))
    }
}

/// Has no models.
final class NoModels: ModelService {
    func answer(
        _ message: PeerMessage,
        from peer: NodeID,
        reply: @escaping (PeerMessage) -> Void
    ) {
        reply(.failed(PeerFailure(code: .modelNotReady, text: "no models here")))
    }
}
