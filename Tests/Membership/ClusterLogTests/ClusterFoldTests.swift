import Catalog
import ClusterLog
import Testing
import TokenPlacement

/// What entries do to the state, and which are refused.
@Suite struct ClusterFoldTests {
    private let founded: ClusterState
    private let withKeyspace: ClusterState

    init() throws {
        founded = try Fixture.state([.found(Fixture.founding(expected: 2))])
        withKeyspace = try founded.after(.createKeyspace(Fixture.keyspace("ml")))
    }

    /// The text of an `invalid` refusal.
    private func reason(_ change: ClusterChange, in state: ClusterState) -> String {
        guard case .invalid(let why)? = state.refusal(of: change) else { return "not refused" }
        return why
    }

    // MARK: Founding and nodes

    @Test func `founding sets what the cluster is`() {
        #expect(founded.clusterID == NodeID(high: 1, low: 2))
        #expect(founded.name == "Test")
        #expect(founded.founder == Fixture.id(1))
        #expect(founded.nodes == [Fixture.id(1): Fixture.node(1)])
        #expect((founded.expectedNodeCount, founded.sliceCount) == (2, 16))
        #expect(founded.epoch == Epoch(1))
        #expect(founded.slices == nil)
        #expect(founded.schemaVersion != NodeID(high: 0, low: 0))
    }

    @Test(arguments: [0, -1, 3, 1000, 1 << 21, Int.min])
    func `the slices must be a power of two within the limit`(count: Int) {
        let text = reason(.found(Fixture.founding(slices: count)), in: ClusterState())
        #expect(text.contains("power of two up to 1048576") && text.contains("\(count)"))
    }

    @Test(arguments: [0, -1, 1001])
    func `the expected nodes must be within the limit`(count: Int) {
        let founding = Fixture.founding(expected: count, slices: 2048)
        let text = reason(.found(founding), in: ClusterState())
        #expect(text == "expected_nodes must be 1 to 1000, it is \(count)")
    }

    @Test func `every expected node needs a slice`() throws {
        let text = reason(.found(Fixture.founding(expected: 5, slices: 4)), in: ClusterState())
        #expect(text.contains("slice_count is 4 and expected_nodes 5"))
        _ = try Fixture.state([.found(Fixture.founding(expected: 4, slices: 4))])
    }

    @Test func `only the first entry founds, and it must`() {
        #expect(reason(.found(Fixture.founding()), in: founded) == "the cluster is founded already")
        for change in Fixture.history.dropFirst() {
            let text = reason(change, in: ClusterState())
            #expect(text == "the first entry must found the cluster")
        }
    }

    @Test func `an entry follows the one before it and no other`() throws {
        let ballot = Ballot(round: 1, node: Fixture.id(1))
        for epoch in [0, 1, 3, 4, UInt64.max] as [UInt64] {
            var state = founded
            #expect(
                throws: ClusterChangeError.invalid("entry \(epoch) cannot follow epoch 1")
            ) {
                try state.apply(
                    LogEntry(
                        epoch: Epoch(epoch),
                        ballot: ballot,
                        change: .registerNode(Fixture.node(2))
                    )
                )
            }
            #expect(state == founded)
        }
    }

    @Test func `a node registers, and comes back with new addresses`() throws {
        var state = try founded.after(.registerNode(Fixture.node(2)))
        #expect(state.nodes[Fixture.id(2)] == Fixture.node(2))
        var moved = Fixture.node(2)
        moved.address = "127.0.0.22"
        moved.nativePort = 19042
        state = try state.after(.registerNode(moved))
        #expect(state.nodes[Fixture.id(2)] == moved)
        #expect(state.nodes.count == 2)
        #expect(state.schemaVersion == founded.schemaVersion)
    }

    @Test func `an address between nodes belongs to one node`() throws {
        var thief = Fixture.node(2)
        thief.address = "127.0.0.1"
        let text = reason(.registerNode(thief), in: founded)
        #expect(text.contains("127.0.0.1:7000 belongs to node \(Fixture.id(1))"))
        thief.internodePort = 7001
        _ = try founded.after(.registerNode(thief))
    }

    @Test func `an owner keeps its place`() throws {
        var state = try founded.after(.registerNode(Fixture.node(2)))
        var moved = Fixture.node(2)
        moved.location.rack = "elsewhere"
        _ = try state.after(.registerNode(moved))
        state = try state.after(
            .assignOwners(SliceMap(owners: (0..<16).map { Fixture.id(1 + $0 % 2) }))
        )
        #expect(reason(.registerNode(moved), in: state).contains("rack rack2"))
        moved.location = Location(datacenter: "dc2", rack: "rack2")
        #expect(reason(.registerNode(moved), in: state).contains("move to dc2"))
        _ = try state.after(.registerNode(Fixture.node(2)))
    }

    @Test func `there are no more nodes than slices, nor than the limit`() throws {
        var state = try Fixture.state([.found(Fixture.founding(slices: 2))])
        state = try state.after(.registerNode(Fixture.node(2)))
        #expect(reason(.registerNode(Fixture.node(3)), in: state).contains("the ring has 2 slices"))
        _ = try state.after(.registerNode(Fixture.node(2)))

        var full = try Fixture.state([.found(Fixture.founding(slices: 1024))])
        for number in 2...UInt64(ClusterState.nodeCountMax) {
            full.nodes[Fixture.id(number)] = Fixture.node(number)
        }
        let text = reason(.registerNode(Fixture.node(1001)), in: full)
        #expect(text == "a cluster has at most 1000 nodes")
        _ = try full.after(.registerNode(Fixture.node(7)))
    }

    @Test func `owners must be registered and as many as there are slices`() throws {
        let own = SliceMap(owners: [NodeID](repeating: Fixture.id(1), count: 16))
        #expect(try founded.after(.assignOwners(own)).slices == own)
        let eight = SliceMap(owners: [NodeID](repeating: Fixture.id(1), count: 8))
        #expect(reason(.assignOwners(eight), in: founded) == "8 owners for 16 slices")
        let strange = SliceMap(owners: (0..<16).map { Fixture.id(1 + $0 % 2) })
        #expect(
            reason(.assignOwners(strange), in: founded)
                == "owner \(Fixture.id(2)) is not registered"
        )
    }

    // MARK: Schema

    @Test func `a keyspace is created once and dropped with all that is in it`() throws {
        #expect(
            withKeyspace.refusal(of: .createKeyspace(Fixture.keyspace("ml")))
                == .alreadyExists(keyspace: "ml", table: "")
        )
        var state = try withKeyspace.after(.createTable(Fixture.table("ml", "movies")))
        state = try state.after(.pushModel(Fixture.push("ml", "ranker", byte: 1)))
        state = try state.after(.createKeyspace(Fixture.keyspace("other")))
        state = try state.after(.pushModel(Fixture.push("other", "ranker", byte: 1)))
        state = try state.after(.dropKeyspace("ml"))
        #expect(state.keyspaces.keys.sorted() == ["other"])
        #expect(state.table("ml", "movies") == nil)
        #expect(state.models.keys.map(\.description) == ["other.ranker"])
        #expect(state.refusal(of: .dropKeyspace("ml")) == .notFound("keyspace ml"))
    }

    @Test func `a table gets ids that are never used again`() throws {
        var state = try withKeyspace.after(.createTable(Fixture.table("ml", "movies")))
        let first = try #require(state.table("ml", "movies"))
        #expect(first.id == TableID(1))
        #expect(
            state.refusal(of: .createTable(Fixture.table("ml", "movies")))
                == .alreadyExists(keyspace: "ml", table: "movies")
        )
        state = try state.after(.dropTable(keyspace: "ml", name: "movies"))
        #expect(state.table("ml", "movies") == nil)
        state = try state.after(.createTable(Fixture.table("ml", "movies")))
        let second = try #require(state.table("ml", "movies"))
        #expect(second.id == TableID(2))
        #expect(second.uuid != first.uuid)
        #expect(second.columns == first.columns)
    }

    @Test func `ids in a proposed table are ignored`() throws {
        var table = Fixture.table("ml", "movies")
        table.id = TableID(77)
        table.uuid = Fixture.id(9)
        #expect(
            try withKeyspace.after(.createTable(table))
                == withKeyspace.after(.createTable(Fixture.table("ml", "movies")))
        )
    }

    @Test func `what is not there cannot be used or dropped`() {
        #expect(
            founded.refusal(of: .createTable(Fixture.table("ml", "t"))) == .notFound("keyspace ml")
        )
        #expect(
            founded.refusal(of: .pushModel(Fixture.push("ml", "m", byte: 1)))
                == .notFound("keyspace ml")
        )
        #expect(
            withKeyspace.refusal(of: .dropTable(keyspace: "ml", name: "t"))
                == .notFound("table ml.t")
        )
        #expect(
            withKeyspace.refusal(of: .dropModel(ModelName(keyspace: "ml", name: "m")))
                == .notFound("model ml.m")
        )
    }

    @Test func `a model grows by versions of one signature`() throws {
        var state = try withKeyspace.after(.pushModel(Fixture.push("ml", "ranker", byte: 1)))
        let again = try state.after(.pushModel(Fixture.push("ml", "ranker", byte: 1)))
        #expect(again.models == state.models, "the same bytes are no new version")
        state = try state.after(.pushModel(Fixture.push("ml", "ranker", byte: 2)))
        let name = ModelName(keyspace: "ml", name: "ranker")
        let model = try #require(state.models[name])
        #expect(model.versions.map(\.number) == [1, 2])
        #expect(model.versions.map(\.byteCount) == [101, 102])
        let text = reason(.pushModel(Fixture.push("ml", "ranker", byte: 3, width: 5)), in: state)
        #expect(text.contains("user vector<float, 4> => x") && text.contains("vector<float, 5>"))
        state = try state.after(.dropModel(name))
        #expect(state.models.isEmpty)
        state = try state.after(.pushModel(Fixture.push("ml", "ranker", byte: 3, width: 5)))
        #expect(state.models[name]?.versions.map(\.number) == [1])
    }

    @Test func `keyspaces, tables and models are bounded`() throws {
        let limit = ClusterState.objectCountMax
        var state = withKeyspace
        let table = Fixture.table("ml", "t")
        for number in 0..<limit { state.tables["ml", default: [:]]["t\(number)"] = table }
        #expect(reason(.createTable(table), in: state).contains("at most 10000 tables"))
        let push = Fixture.push("ml", "m", byte: 1)
        for number in 0..<limit {
            let name = ModelName(keyspace: "ml", name: "m\(number)")
            state.models[name] = ModelDefinition(
                name: name,
                signature: push.signature,
                versions: [ModelVersion(number: 1, hash: push.hash, byteCount: 1)]
            )
        }
        #expect(reason(.pushModel(push), in: state).contains("at most 10000 models"))
        _ = try state.after(.pushModel(Fixture.push("ml", "m5", byte: 1)))
        for number in 1..<limit {
            state.keyspaces["k\(number)"] = Fixture.keyspace("k\(number)")
        }
        #expect(
            reason(.createKeyspace(Fixture.keyspace("more")), in: state)
                .contains("at most 10000 keyspaces")
        )
    }

    // MARK: The whole

    @Test func `the schema version changes with the schema and with nothing else`() throws {
        var state = ClusterState()
        var versions = [state.schemaVersion]
        for entry in Fixture.log(Fixture.history) {
            let before = state.schemaVersion
            try state.apply(entry)
            switch entry.change {
            case .registerNode, .assignOwners: #expect(state.schemaVersion == before)
            default:
                #expect(!versions.contains(state.schemaVersion))
                versions.append(state.schemaVersion)
            }
        }
        #expect(versions.allSatisfy { $0 == versions[0] || $0.bytes[6] >> 4 == 8 })
    }

    @Test func `altering a table changes the named options and nothing else`() throws {
        let before = try withKeyspace.after(.createTable(Fixture.table("ml", "t")))
        let table = try #require(before.table("ml", "t"))
        let changes = [
            TableOptionsChange(comment: "c", durability: .periodic),
            TableOptionsChange(defaultTimeToLiveSeconds: 9), TableOptionsChange(gcGraceSeconds: 8),
            TableOptionsChange(),
        ]
        let after = try changes.reduce(before) {
            try $0.after(.alterTable(keyspace: "ml", name: "t", $1))
        }
        var expected = table
        expected.options = TableOptions(
            comment: "c",
            defaultTimeToLiveSeconds: 9,
            gcGraceSeconds: 8,
            durability: .periodic
        )
        #expect(after.table("ml", "t") == expected)
        #expect(after.schemaVersion != before.schemaVersion)
        for (keyspace, name) in [("ml", "no"), ("no", "t")] {
            let change = ClusterChange.alterTable(keyspace: keyspace, name: name, changes[0])
            #expect(before.refusal(of: change) == .notFound("table \(keyspace).\(name)"))
        }
    }

    @Test func `two nodes that fold the same entries hold equal states`() throws {
        let encoded = Fixture.log(Fixture.history).map { $0.encoded() }
        var left = ClusterState()
        var right = ClusterState()
        for bytes in encoded {
            try left.apply(LogEntry(decoding: bytes))
            try right.apply(LogEntry(decoding: bytes))
            #expect(left == right)
        }
        #expect(try left == Fixture.state(Fixture.history))
        #expect(left.epoch == Epoch(UInt64(Fixture.history.count)))
    }

    @Test func `a refused entry leaves the state as it was`() {
        var state = withKeyspace
        let entry = LogEntry(
            epoch: state.epoch.next,
            ballot: Ballot(round: 1, node: Fixture.id(1)),
            change: .dropTable(keyspace: "ml", name: "nothing")
        )
        #expect(throws: ClusterChangeError.notFound("table ml.nothing")) { try state.apply(entry) }
        #expect(state == withKeyspace)
    }

    @Test func `errors read as sentences`() {
        let errors: [ClusterChangeError] = [
            .alreadyExists(keyspace: "ml", table: ""), .alreadyExists(keyspace: "ml", table: "t"),
            .notFound("table ml.t"), .invalid("no"), .undecided("nobody"),
        ]
        #expect(
            errors.map(\.description) == [
                "keyspace ml exists already", "ml.t exists already", "table ml.t does not exist",
                "no", "nobody",
            ]
        )
    }
}
