/// Why ONNX Runtime could not be opened, or a model not loaded or run.
package enum OnnxError: Error, Equatable, CustomStringConvertible {
    /// None of the places holds a library that can be used; each with its reason.
    case libraryUnusable(tried: [String])
    /// The engine refuses the model's bytes.
    case modelRefused(String)
    /// The model's inputs or outputs are not those of its signature.
    case signatureMismatch(String)
    /// A tensor has another length than rows times width.
    case wrongInputLength(input: String, expectedBytes: Int, givenBytes: Int)
    /// Another number of tensors was given than the model has inputs.
    case wrongInputCount(expected: Int, given: Int)
    /// The engine ended the run with an error.
    case runFailed(String)
    /// The run was ended because it took too long.
    case timedOut(limit: Duration)

    package var description: String {
        switch self {
        case .libraryUnusable(let tried):
            "ONNX Runtime cannot be opened, so that scoring is off; install it with "
                + "tools/install-onnxruntime or configure its path. Tried: "
                + (tried.isEmpty ? "nothing" : tried.joined(separator: "; "))
        case .modelRefused(let reason): "ONNX Runtime refuses the model: \(reason)"
        case .signatureMismatch(let reason): "the model does not fit its signature: \(reason)"
        case .wrongInputLength(let input, let expected, let given):
            "the input \(input) takes \(expected) bytes, \(given) were given"
        case .wrongInputCount(let expected, let given):
            "the model has \(expected) inputs, \(given) were given"
        case .runFailed(let reason): "the model failed: \(reason)"
        case .timedOut(let limit): "the model ran longer than its limit of \(limit)"
        }
    }
}
