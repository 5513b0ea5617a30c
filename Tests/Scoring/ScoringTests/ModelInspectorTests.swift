import Catalog
import Scoring
import Testing

@Suite struct ModelInspectorTests {
    @Test func `a plain model is described as its graph declares it`() throws {
        let model = try ModelInspector.inspect(try Fixture.model("mlp"))
        #expect(
            model.inputs == [
                TensorSpec(name: "user_vec", elementType: .float, shape: [nil, 8]),
                TensorSpec(name: "movie_vec", elementType: .float, shape: [nil, 8]),
                TensorSpec(name: "popularity", elementType: .float, shape: [nil, 1]),
            ]
        )
        #expect(
            model.outputs == [TensorSpec(name: "score", elementType: .float, shape: [nil, 1])]
        )
        #expect(model.formatVersion == 9)
        #expect(model.operatorSets == ["": 17, "ai.onnx.ml": 3])
        #expect(model.nodeCount == 4)
    }

    @Test func `metadata and other element types are read`() throws {
        let linear = try ModelInspector.inspect(try Fixture.model("linear"))
        #expect(
            linear.metadata[InspectedModel.signatureKey]
                == "age int => features[0..1], rest vector<float, 3> => features[1..4]"
        )
        let mixed = try ModelInspector.inspect(try Fixture.model("mixed"))
        #expect(mixed.inputs.map(\.elementType) == [.int32, .bool, .double])
        let embedding = try ModelInspector.inspect(try Fixture.model("embedding"))
        #expect(embedding.inputs.map(\.typeText) == ["int64[?]"])
    }

    @Test(arguments: ["trees", "classifier", "reciprocal", "memory_bomb", "two_scores"])
    func `models of accepted operators pass`(name: String) throws {
        _ = try ModelInspector.inspect(try Fixture.model(name))
    }

    @Test(arguments: [
        ("endless_loop", "Loop: control flow"),
        ("function", "functions of its own"),
        ("unknown_domain", "own.Twice: only operators of ai.onnx and ai.onnx.ml"),
        ("random", "RandomUniformLike: a score must not depend on chance"),
        ("external", "constants outside of the file"),
    ])
    func `what a node must not load is refused by name`(name: String, expected: String) throws {
        let bytes = try Fixture.model(name)
        let error = #expect(throws: ModelInspectionError.self) {
            try ModelInspector.inspect(bytes)
        }
        #expect(error?.description.contains(expected) == true, "\(String(describing: error))")
    }

    @Test func `each limit is named with what was found`() throws {
        let bytes = try Fixture.model("mlp")
        func error(_ limits: ModelInspectionLimits) -> ModelInspectionError? {
            #expect(throws: ModelInspectionError.self) {
                try ModelInspector.inspect(bytes, limits: limits)
            }
        }
        #expect(
            error(.init(bytesMax: 100))
                == .overLimit(what: "bytes", limit: 100, actual: bytes.count)
        )
        #expect(
            error(.init(nodesMax: 3)) == .overLimit(what: "operators", limit: 3, actual: 4)
        )
        #expect(error(.init(tensorsMax: 2)) == .overLimit(what: "inputs", limit: 2, actual: 3))
        #expect(
            error(.init(initializersMax: 1)) == .overLimit(what: "constants", limit: 1, actual: 2)
        )
        #expect(
            error(.init(bytesMax: 100))?.description
                == "the model has \(bytes.count) bytes, the limit is 100"
        )
    }

    @Test func `an empty file and noise are no models`() {
        #expect(throws: ModelInspectionError.self) { try ModelInspector.inspect([]) }
        #expect(throws: ModelInspectionError.self) {
            try ModelInspector.inspect(Array("hello, this is not a model".utf8))
        }
    }

    @Test func `no truncation passes for the whole model`() throws {
        let bytes = try Fixture.model("mlp")
        let whole = try ModelInspector.inspect(bytes)
        for count in 0..<bytes.count {
            // A cut between two fields leaves valid protobuf, but never the same model.
            let cut = try? ModelInspector.inspect(Array(bytes[..<count]))
            #expect(cut != whole, "cut at \(count)")
        }
    }

    @Test func `bytes of noise and flipped bytes are read or refused, never a crash`() throws {
        var generator = SeededGenerator(state: 7)
        let bytes = try Fixture.model("trees")
        for _ in 0..<2000 {
            var mutant = bytes
            for _ in 0..<3 {
                mutant[Int.random(in: 0..<mutant.count, using: &generator)] =
                    UInt8.random(in: 0...255, using: &generator)
            }
            _ = try? ModelInspector.inspect(mutant)
            let noise = (0..<40).map { _ in UInt8.random(in: 0...255, using: &generator) }
            _ = try? ModelInspector.inspect(noise)
        }
    }
}
