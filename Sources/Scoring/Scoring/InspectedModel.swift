/// What an ONNX file says of itself, read without the engine.
package struct InspectedModel: Equatable, Sendable {
    /// The version of ONNX's file format.
    package var formatVersion: Int
    /// The version of each operator set that the file asks for, by domain (`""` is ONNX's own).
    package var operatorSets: [String: Int]
    /// The file's own notes, such as `martlet.signature`.
    package var metadata: [String: String]
    /// What must be given to a run; constants that stand in the file are not among them.
    package var inputs: [TensorSpec]
    /// What a run can give.
    package var outputs: [TensorSpec]
    /// The number of operators in the graph.
    package var nodeCount: Int

    /// A description with all its parts.
    package init(
        formatVersion: Int,
        operatorSets: [String: Int],
        metadata: [String: String],
        inputs: [TensorSpec],
        outputs: [TensorSpec],
        nodeCount: Int
    ) {
        self.formatVersion = formatVersion
        self.operatorSets = operatorSets
        self.metadata = metadata
        self.inputs = inputs
        self.outputs = outputs
        self.nodeCount = nodeCount
    }

    /// The metadata key whose value names the output that is the score.
    package static let outputKey = "martlet.output"
    /// The metadata key whose value is the signature's text.
    package static let signatureKey = "martlet.signature"
}
