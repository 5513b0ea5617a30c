package import Catalog

/// One parameter as a signature's text declares it, not yet checked against a model.
package struct ParameterDraft: Hashable, Sendable {
    /// The name by which a statement gives the argument.
    package var name: String
    /// What the argument must be.
    package var type: ModelParameterType
    /// What stands in for a null argument, or nil if the score is null then.
    package var defaultValue: [Double]?
    /// The ONNX input that takes it; nil: the input of the parameter's own name.
    package var input: String?
    /// The features of the input that it fills, half open; nil: all of them.
    package var range: Range<Int>?

    /// A draft with all its parts.
    package init(
        name: String,
        type: ModelParameterType,
        defaultValue: [Double]? = nil,
        input: String? = nil,
        range: Range<Int>? = nil
    ) {
        self.name = name
        self.type = type
        self.defaultValue = defaultValue
        self.input = input
        self.range = range
    }
}
