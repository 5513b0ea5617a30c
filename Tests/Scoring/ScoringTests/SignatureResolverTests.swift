import Catalog
import Scoring
import Testing

@Suite struct SignatureResolverTests {
    private func inspected(
        _ inputs: [TensorSpec],
        outputs: [TensorSpec] = [
            TensorSpec(name: "score", elementType: .float, shape: [nil, 1])
        ],
        metadata: [String: String] = [:]
    ) -> InspectedModel {
        InspectedModel(
            formatVersion: 9,
            operatorSets: ["": 17],
            metadata: metadata,
            inputs: inputs,
            outputs: outputs,
            nodeCount: 1
        )
    }

    private let features = TensorSpec(name: "features", elementType: .float, shape: [nil, 4])

    private func error(
        _ model: InspectedModel,
        _ drafts: [ParameterDraft]?
    ) -> SignatureError? {
        #expect(throws: SignatureError.self) {
            try SignatureResolver.resolve(model, drafts: drafts)
        }
    }

    @Test func `without a signature each input is one parameter`() throws {
        let model = inspected([
            TensorSpec(name: "User Vec", elementType: .float, shape: [nil, 8]),
            TensorSpec(name: "user:vec", elementType: .float, shape: [nil, 1]),
            TensorSpec(name: "2nd", elementType: .int64, shape: [nil]),
            TensorSpec(name: "flag", elementType: .bool, shape: [nil, 1]),
            TensorSpec(name: "wide", elementType: .double, shape: [nil, 3]),
        ])
        let signature = try SignatureResolver.resolve(model, drafts: nil)
        #expect(
            signature.parameters.map(\.name)
                == ["user_vec", "user_vec_2", "input_2nd", "flag", "wide"]
        )
        #expect(
            signature.parameters.map(\.type)
                == [
                    .floatVector(width: 8), .float, .bigint, .boolean, .floatVector(width: 3),
                ]
        )
        #expect(signature.inputs.map(\.rank) == [2, 2, 1, 2, 2])
        #expect(signature.output == "score")
    }

    @Test func `slices cover an input and keep the order of the signature`() throws {
        let drafts = [
            ParameterDraft(
                name: "rest",
                type: .floatVector(width: 3),
                input: "features",
                range: 1..<4
            ),
            ParameterDraft(
                name: "age",
                type: .int,
                defaultValue: [30],
                input: "features",
                range: 0..<1
            ),
        ]
        let signature = try SignatureResolver.resolve(inspected([features]), drafts: drafts)
        #expect(signature.parameters.map(\.name) == ["rest", "age"])
        #expect(signature.parameters[1].defaultValue == [30])
        #expect(
            signature.inputs
                == [ModelInput(name: "features", elementType: .float, width: 4, rank: 2)]
        )
    }

    @Test func `a free width comes from the signature`() throws {
        let model = inspected([
            TensorSpec(name: "x", elementType: .float, shape: [nil, nil])
        ])
        let drafts = [ParameterDraft(name: "x", type: .floatVector(width: 5))]
        #expect(try SignatureResolver.resolve(model, drafts: drafts).inputs[0].width == 5)
        guard case .inputRefused = error(model, nil) else {
            Issue.record("a free width was accepted without a signature")
            return
        }
    }

    @Test func `gaps, overlaps and strangers are named`() {
        let model = inspected([features])
        func part(_ name: String, _ range: Range<Int>) -> ParameterDraft {
            ParameterDraft(
                name: name,
                type: range.count == 1 ? .float : .floatVector(width: range.count),
                input: "features",
                range: range
            )
        }
        #expect(
            error(model, [part("a", 0..<1), part("b", 2..<4)])
                == .uncovered(input: "features", features: 1..<2)
        )
        #expect(
            error(model, [part("a", 0..<3)]) == .uncovered(input: "features", features: 3..<4)
        )
        #expect(
            error(model, [part("a", 0..<3), part("b", 2..<4)])
                == .overlap(input: "features", feature: 2, first: "a", second: "b")
        )
        #expect(
            error(model, [part("a", 0..<2), part("b", 2..<5)])
                == .outsideInput(parameter: "b", input: "features", width: 4, given: 2..<5)
        )
        #expect(error(model, [part("a", 0..<2), part("a", 2..<4)]) == .duplicateParameter("a"))
        #expect(
            error(model, [ParameterDraft(name: "y", type: .float)])
                == .unknownInput(parameter: "y", input: "y", inputs: ["features"])
        )
        #expect(error(model, []) == .uncovered(input: "features", features: 0..<4))
    }

    @Test func `wrong types, widths and defaults are named`() {
        let ids = TensorSpec(name: "ids", elementType: .int64, shape: [nil])
        #expect(
            error(inspected([ids]), [ParameterDraft(name: "ids", type: .float)])?.description
                == "the parameter ids is float, but the input ids is int64[?], "
                + "which takes bigint, int and boolean"
        )
        #expect(
            error(
                inspected([features]),
                [ParameterDraft(name: "features", type: .floatVector(width: 5))]
            ) == .wrongWidth(parameter: "features", input: "features", expected: 4, given: 5)
        )
        for (type, value) in [
            (ModelParameterType.bigint, [0.5]), (.int, [3e9]), (.boolean, [2]), (.bigint, [1, 2]),
        ] {
            let draft = ParameterDraft(name: "ids", type: type, defaultValue: value)
            guard case .wrongDefault = error(inspected([ids]), [draft]) else {
                Issue.record("DEFAULT \(value) was accepted for \(type)")
                continue
            }
        }
    }

    @Test func `inputs that cannot be filled row by row are refused`() {
        for shape: [Int?]? in [[1, 4], [4], [nil, 2, 2], [], nil] {
            let spec = TensorSpec(name: "x", elementType: .float, shape: shape)
            guard case .inputRefused = error(inspected([spec]), nil) else {
                Issue.record("\(spec.typeText) was accepted")
                continue
            }
        }
        let text = TensorSpec(name: "x", elementTypeCode: 8, shape: [nil, 1])
        guard case .inputRefused = error(inspected([text]), nil) else {
            Issue.record("a string input was accepted")
            return
        }
    }

    @Test func `the score is the only float output, a known name, or what the metadata names`()
        throws
    {
        let label = TensorSpec(name: "label", elementType: .int64, shape: [nil])
        let first = TensorSpec(name: "first", elementType: .float, shape: [nil])
        let second = TensorSpec(name: "variable", elementType: .double, shape: [nil, 1])
        let wide = TensorSpec(name: "probabilities", elementType: .float, shape: [nil, 2])
        func output(_ outputs: [TensorSpec], _ metadata: [String: String] = [:]) throws -> String {
            let model = inspected([features], outputs: outputs, metadata: metadata)
            return try SignatureResolver.resolve(model, drafts: nil).output
        }
        #expect(try output([label, first, wide]) == "first")
        #expect(try output([first, second]) == "variable")
        #expect(try output([first, second], [InspectedModel.outputKey: "first"]) == "first")
        #expect(throws: SignatureError.self) { try output([label, wide]) }
        #expect(throws: SignatureError.self) {
            try output([first, wide], [InspectedModel.outputKey: "probabilities"])
        }
        #expect(throws: SignatureError.self) {
            try output([first], [InspectedModel.outputKey: "absent"])
        }
        let other = TensorSpec(name: "other", elementType: .float, shape: [nil])
        #expect(throws: SignatureError.self) { try output([first, other]) }
    }

    @Test func `a classifier's metadata chooses its output`() throws {
        let model = try ModelInspector.inspect(try Fixture.model("classifier"))
        #expect(try SignatureResolver.resolve(model, drafts: nil).output == "chosen")
    }
}
