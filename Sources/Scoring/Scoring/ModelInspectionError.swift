/// Why an ONNX file is not accepted.
package enum ModelInspectionError: Error, Equatable, CustomStringConvertible {
    /// A bound of ``ModelInspectionLimits`` is passed.
    case overLimit(what: String, limit: Int, actual: Int)
    /// The bytes end within something, or are not protobuf.
    case malformed(what: String, offset: Int)
    /// Something that a model must have is not there.
    case missing(what: String)
    /// The graph uses an operator that is not on the list.
    case operatorRefused(name: String, domain: String, reason: String)
    /// The file uses a part of ONNX that is not accepted.
    case featureRefused(what: String, advice: String)

    package var description: String {
        switch self {
        case .overLimit(let what, let limit, let actual):
            "the model has \(actual) \(what), the limit is \(limit)"
        case .malformed(let what, let offset):
            "the bytes are not an ONNX model: \(what) at byte \(offset)"
        case .missing(let what):
            "the bytes are not a whole ONNX model: \(what) is missing"
        case .operatorRefused(let name, let domain, let reason):
            "the model uses the operator \(domain.isEmpty ? name : "\(domain).\(name)"): \(reason)"
        case .featureRefused(let what, let advice):
            "the model uses \(what), which is not accepted: \(advice)"
        }
    }
}

/// The bounds within which an ONNX file is read.
package struct ModelInspectionLimits: Equatable, Sendable {
    /// The most bytes of a file; 64 MiB by default.
    package var bytesMax: Int
    /// The most operators of a graph.
    package var nodesMax: Int
    /// The most inputs, and the most outputs; the engine's shim has room for 64.
    package var tensorsMax: Int
    /// The most constants that stand in the file.
    package var initializersMax: Int
    /// The most bytes of a name.
    package var nameBytesMax: Int
    /// The most entries of metadata.
    package var metadataEntriesMax: Int
    /// The most bytes of one entry's value.
    package var metadataValueBytesMax: Int

    /// Limits, each with its default.
    package init(
        bytesMax: Int = 64 << 20,
        nodesMax: Int = 10_000,
        tensorsMax: Int = 64,
        initializersMax: Int = 20_000,
        nameBytesMax: Int = 511,
        metadataEntriesMax: Int = 256,
        metadataValueBytesMax: Int = 64 << 10
    ) {
        self.bytesMax = bytesMax
        self.nodesMax = nodesMax
        self.tensorsMax = tensorsMax
        self.initializersMax = initializersMax
        self.nameBytesMax = nameBytesMax
        self.metadataEntriesMax = metadataEntriesMax
        self.metadataValueBytesMax = metadataValueBytesMax
    }
}
