import Catalog
import Testing

/// The text of a signature, and the names and versions of models.
@Suite struct ModelSignatureTests {
    private func text(_ parameters: ModelParameter...) -> String {
        ModelSignature(parameters: parameters, inputs: [], output: "score").text
    }

    @Test func `an input of the parameter's own name is left out`() {
        #expect(
            text(
                ModelParameter(name: "user", type: .floatVector(width: 64), input: "user"),
                ModelParameter(name: "age", type: .int, input: "age")
            ) == "user vector<float, 64>, age int"
        )
    }

    @Test func `a slice of an input is written half open`() {
        #expect(
            text(
                ModelParameter(
                    name: "user",
                    type: .floatVector(width: 4),
                    input: "x",
                    range: 0..<4
                ),
                ModelParameter(name: "age", type: .float, input: "x", range: 4..<5),
                ModelParameter(name: "other", type: .double, input: "y")
            ) == "user vector<float, 4> => x[0..4], age float => x[4..5], other double => y"
        )
    }

    @Test func `defaults are constants of the parameter's type`() {
        func parameter(_ type: ModelParameterType, _ value: [Double]) -> String {
            text(ModelParameter(name: "p", type: type, defaultValue: value, input: "p"))
        }
        #expect(parameter(.float, [0.5]) == "p float DEFAULT 0.5")
        #expect(parameter(.double, [-3]) == "p double DEFAULT -3.0")
        #expect(parameter(.int, [-3]) == "p int DEFAULT -3")
        #expect(parameter(.bigint, [1_099_511_627_776]) == "p bigint DEFAULT 1099511627776")
        #expect(parameter(.boolean, [1]) == "p boolean DEFAULT true")
        #expect(parameter(.boolean, [0]) == "p boolean DEFAULT false")
        #expect(
            parameter(.floatVector(width: 2), [0, 1.5]) == "p vector<float, 2> DEFAULT [0.0, 1.5]"
        )
    }

    @Test func `names that are no words are quoted`() {
        #expect(text(ModelParameter(name: "Age", type: .int, input: "Age")) == "\"Age\" int")
        #expect(text(ModelParameter(name: "age", type: .int, input: "Age")) == "age int => Age")
        #expect(
            text(ModelParameter(name: "x_1", type: .int, input: "in.1", range: 0..<1))
                == "x_1 int => \"in.1\"[0..1]"
        )
        #expect(text(ModelParameter(name: "1st", type: .int, input: "1st")) == "\"1st\" int")
        #expect(text(ModelParameter(name: "a\"b", type: .int, input: "a\"b")) == "\"a\"\"b\" int")
    }

    @Test func `parameter types and CQL types stand for each other`() {
        let types: [ModelParameterType] = [
            .float, .double, .int, .bigint, .boolean, .floatVector(width: 9),
        ]
        for type in types { #expect(ModelParameterType(type.cqlType) == type) }
        #expect(types.map(\.width) == [1, 1, 1, 1, 1, 9])
        for type in [CQLType.text, .blob, .uuid, .timestamp, .list(.float), .smallint] {
            #expect(ModelParameterType(type) == nil)
        }
    }

    @Test func `a model's newest version is the current one`() throws {
        let hashes = try (1...3).map {
            try #require(ModelHash([UInt8](repeating: UInt8($0), count: 32)))
        }
        let model = ModelDefinition(
            name: ModelName(keyspace: "ml", name: "ranker"),
            signature: ModelSignature(parameters: [], inputs: [], output: "score"),
            versions: hashes.enumerated().map {
                ModelVersion(number: $0.offset + 1, hash: $0.element, byteCount: 10)
            }
        )
        #expect(model.current.number == 3)
        #expect(model.version(2)?.hash == hashes[1])
        #expect(model.version(4) == nil)
        #expect(model.name.description == "ml.ranker")
    }

    @Test func `a hash has 32 bytes and is written in 64 digits`() {
        #expect(ModelHash([UInt8](repeating: 0, count: 31)) == nil)
        #expect(ModelHash([UInt8](repeating: 0, count: 33)) == nil)
        let hash = ModelHash([0x0A, 0xFF] + [UInt8](repeating: 0, count: 30))
        #expect(hash?.description == "0aff" + String(repeating: "0", count: 60))
    }
}
