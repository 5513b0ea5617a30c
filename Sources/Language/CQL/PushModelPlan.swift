package import Catalog

/// One parameter as a signature's text declares it, not yet checked against the model's inputs.
package struct SignatureDraft: Hashable, Sendable {
    /// The name by which a statement gives the argument.
    package let name: String
    /// What the argument must be.
    package let type: ModelParameterType
    /// What stands in for a null argument, `type.width` numbers; nil: the score is null then.
    package let defaultValue: [Double]?
    /// The ONNX input that takes it; nil: the input of the parameter's own name.
    package let input: String?
    /// The features of the input that it fills, half open; nil: all of them.
    package let range: Range<Int>?
}

/// CREATE [OR REPLACE] MODEL: a new version of a model.
package struct PushModelPlan: Sendable {
    /// The model's full name.
    package let name: ModelName
    /// What gives the model's bytes.
    package let source: ValueSource
    /// The statement's markers.
    package let markers: [Marker]
    /// The declared parameters; nil where the model's metadata or inputs say them.
    package let signature: [SignatureDraft]?
    /// What the bytes' sha256 must be, if the statement says so.
    package let hash: ModelHash?
    /// Whether OR REPLACE was given: a model that exists gets its next version.
    package let orReplace: Bool
    /// Whether IF NOT EXISTS was given: a model that exists stays as it is.
    package let ifNotExists: Bool

    /// Whether there is something to do: false for IF NOT EXISTS where the model exists.
    ///
    /// - Throws: `invalid` if the model exists and neither condition was given, or its keyspace is
    ///   gone.
    package func isNeeded(in state: ClusterState) throws(CQLError) -> Bool {
        guard state.keyspaces[name.keyspace] != nil else {
            throw .invalid("Keyspace '\(name.keyspace)' doesn't exist")
        }
        guard state.models[name] != nil else { return true }
        if ifNotExists { return false }
        guard orReplace else {
            throw .invalid(
                "model \(name) exists already: CREATE OR REPLACE MODEL adds its next version"
            )
        }
        return true
    }

    /// The model's bytes.
    package func bytes(_ values: [MarkerValue] = []) throws(CQLError) -> [UInt8] {
        let checked = try CheckedValues(values, for: markers)
        let bytes = try checked.required(source, "the bytes of model \(name)")
        guard !bytes.isEmpty else {
            throw .invalid("the bytes of model \(name) are none: give an ONNX model's")
        }
        return bytes
    }
}
