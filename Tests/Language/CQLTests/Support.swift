import CQL
import CQLSyntax
import Catalog
import ClusterLog
import PeerMessages
import Storage
import Testing
import TokenPlacement

/// A cluster of one node with a schema, built by the statements that users send.
struct World {
    var state = ClusterState()
    var keyspace: String?
    let virtualTables = VirtualTables([systemLocal, schemaTables])

    /// One node in datacenter1, without keyspaces.
    init() {
        let id = NodeID(high: 1, low: 1)
        apply(
            .found(
                Founding(
                    clusterID: NodeID(high: 7, low: 7),
                    name: "test",
                    sliceCount: 16,
                    expectedNodeCount: 1,
                    node: NodeRecord(
                        id: id,
                        address: "127.0.0.1",
                        nativePort: 9042,
                        internodePort: 7000,
                        location: Location(datacenter: "datacenter1", rack: "rack1")
                    )
                )
            )
        )
    }

    /// The schema of design.md, a table of all types, one with a composite key, and two models.
    static func movies() throws -> World {
        var world = World()
        for cql in [
            "CREATE KEYSPACE ml WITH replication = {'class': 'NetworkTopologyStrategy', "
                + "'datacenter1': 3}",
            "CREATE TABLE ml.movies (movie_id int PRIMARY KEY, title text, "
                + "genres vector<float, 20>, popularity float, embedding vector<float, 64>)",
            "CREATE TABLE ml.users (user_id int PRIMARY KEY, embedding vector<float, 64>, "
                + "mean_rating float)",
            "CREATE TABLE ml.types (k text PRIMARY KEY, a ascii, t text, bl blob, bo boolean, "
                + "ti tinyint, si smallint, i int, bi bigint, f float, d double, u uuid, "
                + "tu timeuuid, ts timestamp, ip inet, v vector<float, 3>)",
            "CREATE TABLE ml.pairs (a int, b text, v float, w float, PRIMARY KEY ((a, b))) "
                + "WITH default_time_to_live = 100",
        ] {
            try world.run(cql)
        }
        world.push("ranker", ranker)
        world.push("ranker", ranker, hash: 2)
        world.push("plain", plain)
        return world
    }

    mutating func apply(_ change: ClusterChange) {
        let entry = LogEntry(
            epoch: state.epoch.next,
            ballot: Ballot(round: 1, node: NodeID(high: 1, low: 1)),
            change: change
        )
        #expect(throws: Never.self) { try state.apply(entry) }
    }

    mutating func run(_ cql: String) throws {
        guard case .schema(let plan) = try self.plan(cql).action else { throw Unexpected(cql: cql) }
        apply(plan.change)
    }

    mutating func push(_ name: String, _ signature: ModelSignature, hash: UInt8 = 1) {
        guard let hash = ModelHash(Array(repeating: hash, count: 32)) else { return }
        apply(
            .pushModel(
                ModelPush(
                    name: ModelName(keyspace: "ml", name: name),
                    signature: signature,
                    hash: hash,
                    byteCount: 100
                )
            )
        )
    }

    func plan(_ cql: String) throws(CQLError) -> Plan {
        try Planner.plan(
            cql: cql,
            state: state,
            keyspace: keyspace,
            virtualTables: virtualTables
        )
    }

    func select(_ cql: String) throws -> SelectPlan {
        guard case .select(let plan) = try plan(cql).action else { throw Unexpected(cql: cql) }
        return plan
    }

    func system(_ cql: String) throws -> SystemSelectPlan {
        guard case .selectSystem(let plan) = try plan(cql).action else {
            throw Unexpected(cql: cql)
        }
        return plan
    }

    func write(_ cql: String) throws -> WritePlan {
        guard case .write(let plan) = try plan(cql).action else { throw Unexpected(cql: cql) }
        return plan
    }

    func batch(_ cql: String) throws -> BatchPlan {
        guard case .batch(let plan) = try plan(cql).action else { throw Unexpected(cql: cql) }
        return plan
    }

    /// A statement's write at timestamp 1,000 and second 50, decoded.
    func row(_ cql: String, _ values: [MarkerValue] = []) throws -> Row {
        let mutation = try write(cql).bind(values, defaultTimestampMicros: 1000, nowSeconds: 50)
        return try Row(decoding: mutation.operand)
    }

    /// The id of a column of a table in ml.
    func id(_ column: String, of table: String) -> ColumnID {
        state.table("ml", table)?.column(column)?.id ?? ColumnID(0)
    }
}

struct Unexpected: Error {
    let cql: String
}

let ranker = ModelSignature(
    parameters: [
        ModelParameter(name: "user_vec", type: .floatVector(width: 64), input: "user_vec"),
        ModelParameter(name: "movie_vec", type: .floatVector(width: 64), input: "movie_vec"),
        ModelParameter(name: "genres", type: .floatVector(width: 20), input: "genres"),
        ModelParameter(
            name: "popularity",
            type: .float,
            defaultValue: [0.5],
            input: "popularity"
        ),
    ],
    inputs: [],
    output: "score"
)

let plain = ModelSignature(
    parameters: [
        ModelParameter(name: "popularity", type: .float, input: "x"),
        ModelParameter(name: "age", type: .int, input: "y"),
    ],
    inputs: [],
    output: "score"
)

private func virtual(
    _ keyspace: String,
    _ name: String,
    _ columns: [(String, CQLType, ColumnKind, Int)]
) -> TableDefinition {
    TableDefinition(
        id: TableID(0),
        uuid: NodeID(high: 0, low: 0),
        keyspace: keyspace,
        name: name,
        columns: columns.enumerated().map { index, column in
            ColumnDefinition(
                id: ColumnID(UInt32(index)),
                name: column.0,
                type: column.1,
                kind: column.2,
                position: column.3
            )
        }
    )
}

let systemLocal = virtual(
    "system",
    "local",
    [
        ("key", .text, .partitionKey, 0), ("cluster_name", .text, .regular, 0),
        ("host_id", .uuid, .regular, 0), ("tokens", .set(.text), .regular, 0),
    ]
)

let schemaTables = virtual(
    "system_schema",
    "tables",
    [
        ("keyspace_name", .text, .partitionKey, 0), ("table_name", .text, .clustering, 0),
        ("comment", .text, .regular, 0),
    ]
)

/// The error of a closure that must refuse.
func refusal<Value>(_ body: () throws -> Value) -> CQLError? {
    do {
        _ = try body()
        return nil
    } catch let error as CQLError {
        return error
    } catch {
        Issue.record("\(error)")
        return nil
    }
}

/// Expects an error of a kind (its case's name) whose text has all of the words.
func expectRefusal(
    _ error: CQLError?,
    _ kind: String,
    _ words: [String],
    _ context: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard let error else {
        Issue.record("accepted: \(context)", sourceLocation: sourceLocation)
        return
    }
    let name =
        switch error {
        case .syntax: "syntax"
        case .invalid: "invalid"
        case .alreadyExists: "alreadyExists"
        case .configuration: "configuration"
        }
    #expect(name == kind, "\(context): \(error)", sourceLocation: sourceLocation)
    for word in words where !error.description.contains(word) {
        Issue.record("\(context): '\(word)' is not in: \(error)", sourceLocation: sourceLocation)
    }
}

func int(_ number: Int32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

func bigint(_ number: Int64) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

func float(_ number: Float) -> [UInt8] { int(Int32(bitPattern: number.bitPattern)) }

func floats(_ count: Int) -> [UInt8] { (0..<count).flatMap { float(Float($0)) } }

func list(_ elements: [[UInt8]]) -> [UInt8] { CollectionCoding.encode(elements) }

func utf8(_ text: String) -> [UInt8] { Array(text.utf8) }

/// A generator whose sequence a seed fixes (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
