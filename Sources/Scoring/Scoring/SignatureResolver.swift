package import Catalog

/// Brings a model and its signature together: every input is covered exactly, one output is chosen.
package enum SignatureResolver {
    /// The signature of an inspected model, from the drafts of its text or, without them, one
    /// parameter per input.
    ///
    /// - Parameters:
    ///   - model: what the inspection found.
    ///   - drafts: the declared parameters in their order; nil where no signature is given.
    /// - Returns: a signature whose parameters cover every input exactly.
    /// - Throws: ``SignatureError`` with the parameter, input or output that does not fit.
    package static func resolve(
        _ model: InspectedModel,
        drafts: [ParameterDraft]?
    ) throws(SignatureError) -> ModelSignature {
        let output = try scoreOutput(of: model)
        let drafts = if let drafts { drafts } else { try derivedDrafts(for: model.inputs) }
        try checkNames(drafts, inputs: model.inputs)
        var parameters: [ModelParameter?] = drafts.map { _ in nil }
        var inputs: [ModelInput] = []
        for spec in model.inputs {
            let members = drafts.indices.filter {
                (drafts[$0].input ?? drafts[$0].name) == spec.name
            }
            let input = try resolveInput(spec, drafts: members.map { drafts[$0] })
            for index in members {
                parameters[index] = try resolveParameter(drafts[index], spec: spec, input: input)
            }
            try checkCoverage(of: input, by: members.compactMap { parameters[$0] })
            inputs.append(input)
        }
        return ModelSignature(
            parameters: parameters.compactMap { $0 },
            inputs: inputs,
            output: output
        )
    }

    // MARK: - Output

    private static func scoreOutput(of model: InspectedModel) throws(SignatureError) -> String {
        if let named = model.metadata[InspectedModel.outputKey] {
            guard let output = model.outputs.first(where: { $0.name == named }) else {
                throw .noScore(
                    outputs: model.outputs,
                    reason: "the metadata \(InspectedModel.outputKey) names the output \(named), "
                        + "which the model does not have"
                )
            }
            guard isScore(output) else {
                throw .noScore(
                    outputs: model.outputs,
                    reason: "the output \(named), named by the metadata "
                        + "\(InspectedModel.outputKey), is not one float per row"
                )
            }
            return named
        }
        let candidates = model.outputs.filter(isScore)
        for name in ["score", "output", "probabilities", "variable"] {
            if candidates.contains(where: { $0.name == name }) { return name }
        }
        guard let only = candidates.first else {
            throw .noScore(
                outputs: model.outputs,
                reason: "no output is one float per row (float or double, [rows] or [rows, 1])"
            )
        }
        guard candidates.count == 1 else {
            throw .noScore(
                outputs: model.outputs,
                reason: "several outputs could be the score; name one \"score\", "
                    + "or set the metadata \(InspectedModel.outputKey)"
            )
        }
        return only.name
    }

    /// Whether it can be one float per row; where the graph leaves a dimension free, the trial run
    /// decides.
    private static func isScore(_ output: TensorSpec) -> Bool {
        guard output.elementType == .float || output.elementType == .double else { return false }
        guard let shape = output.shape else { return true }
        return switch shape.count {
        case 1: shape[0] == nil
        case 2: shape[0] == nil && (shape[1] ?? 1) == 1
        default: false
        }
    }

    // MARK: - Inputs

    private static func resolveInput(
        _ spec: TensorSpec,
        drafts: [ParameterDraft]
    ) throws(SignatureError) -> ModelInput {
        guard let elementType = spec.elementType else {
            throw .inputRefused(
                spec,
                reason: "float, double, int32, int64 and bool tensors are accepted"
            )
        }
        guard let shape = spec.shape, shape.count == 1 || shape.count == 2 else {
            throw .inputRefused(spec, reason: "[rows] or [rows, features] is expected")
        }
        guard shape[0] == nil else {
            throw .inputRefused(
                spec,
                reason: "its first dimension must be free, so that rows are scored in batches; "
                    + "export with a dynamic batch"
            )
        }
        if shape.count == 1 {
            return ModelInput(name: spec.name, elementType: elementType, width: 1, rank: 1)
        }
        if let width = shape[1] {
            guard width <= featuresMax else {
                throw .inputRefused(spec, reason: "the limit is \(featuresMax) features")
            }
            return ModelInput(name: spec.name, elementType: elementType, width: width)
        }
        let declared = drafts.map { $0.range?.upperBound ?? $0.type.width }.max() ?? 0
        guard declared > 0 else {
            throw .inputRefused(
                spec,
                reason: "the graph leaves the number of its features free; declare the parameter "
                    + "with its width in a signature"
            )
        }
        guard declared <= featuresMax else {
            throw .inputRefused(
                spec,
                reason: "\(declared) features are declared, the limit is \(featuresMax)"
            )
        }
        return ModelInput(name: spec.name, elementType: elementType, width: declared)
    }

    /// The most features of one input: eight of the widest vectors.
    private static let featuresMax = 8 * CQLType.vectorDimensionMax

    // MARK: - Parameters

    private static func checkNames(
        _ drafts: [ParameterDraft],
        inputs: [TensorSpec]
    ) throws(SignatureError) {
        var seen: Set<String> = []
        for draft in drafts {
            guard seen.insert(draft.name).inserted else { throw .duplicateParameter(draft.name) }
            let input = draft.input ?? draft.name
            guard inputs.contains(where: { $0.name == input }) else {
                throw .unknownInput(
                    parameter: draft.name,
                    input: input,
                    inputs: inputs.map(\.name)
                )
            }
        }
    }

    private static func resolveParameter(
        _ draft: ParameterDraft,
        spec: TensorSpec,
        input: ModelInput
    ) throws(SignatureError) -> ModelParameter {
        let accepted = acceptedTypes(input.elementType)
        guard accepted.matches(draft.type) else {
            throw .wrongType(
                parameter: draft.name,
                given: draft.type,
                input: spec,
                expected: accepted.text
            )
        }
        if let range = draft.range {
            guard range.lowerBound >= 0, !range.isEmpty, range.upperBound <= input.width else {
                throw .outsideInput(
                    parameter: draft.name,
                    input: input.name,
                    width: input.width,
                    given: range
                )
            }
        }
        let expected = draft.range?.count ?? input.width
        guard draft.type.width == expected else {
            throw .wrongWidth(
                parameter: draft.name,
                input: input.name,
                expected: expected,
                given: draft.type.width
            )
        }
        try checkDefault(draft)
        return ModelParameter(
            name: draft.name,
            type: draft.type,
            defaultValue: draft.defaultValue,
            input: input.name,
            range: draft.range
        )
    }

    /// Which arguments fill an input: numbers widen to floats, but never turn into indexes.
    private static func acceptedTypes(
        _ elementType: TensorElementType
    ) -> (text: String, matches: (ModelParameterType) -> Bool) {
        switch elementType {
        case .float, .double:
            ("float, double, int, bigint, boolean and vector<float, n>", { _ in true })
        case .int64: ("bigint, int and boolean", { [.bigint, .int, .boolean].contains($0) })
        case .int32: ("int and boolean", { [.int, .boolean].contains($0) })
        case .bool: ("boolean", { $0 == .boolean })
        }
    }

    private static func checkDefault(_ draft: ParameterDraft) throws(SignatureError) {
        guard let values = draft.defaultValue else { return }
        guard values.count == draft.type.width else {
            throw .wrongDefault(
                parameter: draft.name,
                reason: "\(draft.type.width) values expected, \(values.count) given"
            )
        }
        for value in values {
            let fits =
                switch draft.type {
                case .float, .floatVector: Float(value).isFinite
                case .double: value.isFinite
                case .int: Int32(exactly: value) != nil
                case .bigint: Int64(exactly: value) != nil
                case .boolean: value == 0 || value == 1
                }
            guard fits else {
                throw .wrongDefault(
                    parameter: draft.name,
                    reason: "\(value) is no finite \(draft.type.cqlType.cqlText)"
                )
            }
        }
    }

    private static func checkCoverage(
        of input: ModelInput,
        by parameters: [ModelParameter]
    ) throws(SignatureError) {
        let whole = 0..<input.width
        let parts =
            parameters
            .map { (name: $0.name, range: $0.range ?? whole) }
            .sorted { ($0.range.lowerBound, $0.name) < ($1.range.lowerBound, $1.name) }
        var covered = 0
        var last = ""
        for part in parts {
            guard part.range.lowerBound >= covered else {
                throw .overlap(
                    input: input.name,
                    feature: part.range.lowerBound,
                    first: last,
                    second: part.name
                )
            }
            guard part.range.lowerBound == covered else {
                throw .uncovered(input: input.name, features: covered..<part.range.lowerBound)
            }
            covered = part.range.upperBound
            last = part.name
        }
        guard covered == input.width else {
            throw .uncovered(input: input.name, features: covered..<input.width)
        }
    }
}
