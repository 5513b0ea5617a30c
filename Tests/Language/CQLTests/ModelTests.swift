import CQL
import Catalog
import Testing

struct ModelTests {
    private func push(_ world: World, _ cql: String) throws -> PushModelPlan {
        guard case .pushModel(let plan) = try world.plan(cql).action else {
            throw Unexpected(cql: cql)
        }
        return plan
    }

    @Test func `a model is pushed with its signature and hash`() throws {
        let world = try World.movies()
        let cql = """
            CREATE MODEL ml.fresh FROM ? WITH signature = 'user_vec vector<float, 2> DEFAULT [0, 1.5],
            popularity float DEFAULT 0.1 => features[3..4], n bigint => "Count", b boolean DEFAULT true'
            AND sha256 = '\(String(repeating: "aB", count: 32))'
            """
        let plan = try push(world, cql)
        #expect(plan.name == ModelName(keyspace: "ml", name: "fresh"))
        #expect(plan.markers.map(\.name) == ["bytes"])
        #expect(plan.markers.map(\.type) == [.blob])
        #expect(plan.hash?.bytes == Array(repeating: 0xAB, count: 32))
        let signature = try #require(plan.signature)
        #expect(signature.map(\.name) == ["user_vec", "popularity", "n", "b"])
        #expect(signature.map(\.type) == [.floatVector(width: 2), .float, .bigint, .boolean])
        #expect(signature.map(\.defaultValue) == [[0, 1.5], [0.1], nil, [1]])
        #expect(signature.map(\.input) == [nil, "features", "Count", nil])
        #expect(signature.map(\.range) == [nil, 3..<4, nil, nil])
        #expect(try plan.bytes([.value([1, 2])]) == [1, 2])
        #expect(try plan.isNeeded(in: world.state))
        for value in [MarkerValue.null, .unset, .value([])] {
            expectRefusal(refusal { try plan.bytes([value]) }, "invalid", ["ml.fresh"], "\(value)")
        }
        #expect(try push(world, "CREATE MODEL ml.x FROM 0x0102").bytes() == [1, 2])
    }

    @Test func `an existing model needs OR REPLACE`() throws {
        let world = try World.movies()
        expectRefusal(
            refusal { try push(world, "CREATE MODEL ml.ranker FROM ?") },
            "invalid",
            ["ml.ranker exists", "OR REPLACE"],
            "exists"
        )
        let replacing = try push(world, "CREATE OR REPLACE MODEL ml.ranker FROM ?")
        #expect(replacing.orReplace)
        #expect(try replacing.isNeeded(in: world.state))
        let conditional = try push(world, "CREATE MODEL IF NOT EXISTS ml.ranker FROM ?")
        #expect(try conditional.isNeeded(in: world.state) == false)
    }

    @Test func `a model is dropped`() throws {
        let world = try World.movies()
        guard case .dropModel(let name, false) = try world.plan("DROP MODEL ml.ranker").action
        else { throw Unexpected(cql: "DROP") }
        #expect(name == ModelName(keyspace: "ml", name: "ranker"))
        guard case .dropModel(_, true) = try world.plan("DROP MODEL IF EXISTS ml.no").action
        else { throw Unexpected(cql: "DROP IF EXISTS") }
        expectRefusal(refusal { try world.plan("DROP MODEL ml.no") }, "invalid", ["ml.no"], "no")
    }

    static let refused: [(String, String, [String])] = [
        ("CREATE MODEL m FROM ?", "invalid", ["No keyspace"]),
        ("CREATE MODEL no.m FROM ?", "invalid", ["Keyspace 'no'"]),
        ("CREATE MODEL system.m FROM ?", "invalid", ["not user-modifiable"]),
        ("CREATE MODEL ml.\"m@1\" FROM ?", "invalid", ["Model name 'm@1'"]),
        ("CREATE MODEL ml.now FROM ?", "invalid", ["now", "another name"]),
        ("CREATE MODEL ml.writetime FROM ?", "invalid", ["another name"]),
        ("CREATE MODEL ml.m FROM 'x'", "invalid", ["bytes of model ml.m", "blob"]),
        ("CREATE MODEL ml.m FROM ? WITH nope = 'x'", "syntax", ["'nope'"]),
        ("CREATE MODEL ml.m FROM ? WITH signature = 1", "configuration", ["signature"]),
        ("CREATE MODEL ml.m FROM ? WITH sha256 = 'ab'", "configuration", ["64", "ab"]),
        ("CREATE MODEL ml.m FROM ? WITH sha256 = 'zz'", "configuration", ["64"]),
        ("CREATE MODEL ml.m FROM ? WITH signature = 'a'", "syntax", ["signature: line 1"]),
        ("CREATE MODEL ml.m FROM ? WITH signature = 'a text'", "invalid", ["parameter a", "text"]),
        ("CREATE MODEL ml.m FROM ? WITH signature = 'a date'", "invalid", ["parameter a", "date"]),
        (
            "CREATE MODEL ml.m FROM ? WITH signature = 'a int DEFAULT 1.5'", "invalid",
            ["parameter a", "int", "1.5"]
        ),
        (
            "CREATE MODEL ml.m FROM ? WITH signature = 'a float DEFAULT NaN'", "invalid",
            ["parameter a", "finite"]
        ),
        (
            "CREATE MODEL ml.m FROM ? WITH signature = 'a float DEFAULT null'", "invalid",
            ["parameter a", "null"]
        ),
        (
            "CREATE MODEL ml.m FROM ? WITH signature = 'a vector<float, 2> DEFAULT [1]'", "invalid",
            ["parameter a", "vector<float, 2>", "1 floats"]
        ),
    ]

    @Test(arguments: refused)
    func `a wrong model statement is refused`(
        _ cql: String,
        _ kind: String,
        _ words: [String]
    ) throws {
        let world = try World.movies()
        expectRefusal(refusal { try world.plan(cql) }, kind, words, cql)
    }
}
