import Catalog

extension SignatureResolver {
    /// One parameter per input, named as the input as far as CQL allows.
    static func derivedDrafts(
        for inputs: [TensorSpec]
    ) throws(SignatureError) -> [ParameterDraft] {
        var taken: Set<String> = []
        var drafts: [ParameterDraft] = []
        for spec in inputs {
            let base = identifier(from: spec.name)
            var name = base
            var suffix = 2
            while !taken.insert(name).inserted {
                name = "\(base)_\(suffix)"
                suffix += 1
            }
            let type = try derivedType(for: spec)
            drafts.append(ParameterDraft(name: name, type: type, input: spec.name))
        }
        return drafts
    }

    /// The CQL type that fills the whole input.
    private static func derivedType(
        for spec: TensorSpec
    ) throws(SignatureError) -> ModelParameterType {
        let shape = spec.shape ?? []
        let width = shape.count == 2 ? shape[1] : 1
        switch (spec.elementType, width) {
        case (.float?, 1?): return .float
        case (.double?, 1?): return .double
        case (.int32?, 1?): return .int
        case (.int64?, 1?): return .bigint
        case (.bool?, 1?): return .boolean
        case (.float?, let width?), (.double?, let width?):
            guard width <= CQLType.vectorDimensionMax else {
                throw .inputRefused(
                    spec,
                    reason: "a vector has at most \(CQLType.vectorDimensionMax) dimensions; "
                        + "give a signature that splits it"
                )
            }
            return .floatVector(width: width)
        case (.float?, nil), (.double?, nil):
            throw .inputRefused(
                spec,
                reason: "the graph leaves the number of its features free; give a signature"
            )
        case (nil, _):
            throw .inputRefused(
                spec,
                reason: "float, double, int32, int64 and bool tensors are accepted"
            )
        default:
            throw .inputRefused(
                spec,
                reason: "no CQL type fills it whole; give a signature with a parameter "
                    + "for each feature"
            )
        }
    }

    /// The name as an unquoted CQL identifier: lower case, letters, digits and underscores.
    private static func identifier(from name: String) -> String {
        var text = ""
        for scalar in name.unicodeScalars {
            switch scalar {
            case "a"..."z", "0"..."9", "_": text.unicodeScalars.append(scalar)
            case "A"..."Z": text += scalar.properties.lowercaseMapping
            default: text += "_"
            }
        }
        while text.hasPrefix("_") { text.removeFirst() }
        if let first = text.unicodeScalars.first, ("a"..."z").contains(first) { return text }
        return text.isEmpty ? "input" : "input_\(text)"
    }
}
