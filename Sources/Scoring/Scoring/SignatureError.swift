package import Catalog

/// Why a model and its signature do not fit each other.
package enum SignatureError: Error, Equatable, CustomStringConvertible {
    /// The model has an input that Martlet cannot fill.
    case inputRefused(TensorSpec, reason: String)
    /// The model has no output that can be the score.
    case noScore(outputs: [TensorSpec], reason: String)
    /// A parameter is written twice.
    case duplicateParameter(String)
    /// A parameter goes to an input that the model does not have.
    case unknownInput(parameter: String, input: String, inputs: [String])
    /// A parameter's type cannot fill its input.
    case wrongType(
        parameter: String,
        given: ModelParameterType,
        input: TensorSpec,
        expected: String
    )
    /// A parameter fills more or fewer features than its part of the input has.
    case wrongWidth(parameter: String, input: String, expected: Int, given: Int)
    /// A parameter's part lies outside its input.
    case outsideInput(parameter: String, input: String, width: Int, given: Range<Int>)
    /// A parameter's DEFAULT does not fit its type.
    case wrongDefault(parameter: String, reason: String)
    /// Two parameters fill the same feature.
    case overlap(input: String, feature: Int, first: String, second: String)
    /// No parameter fills these features.
    case uncovered(input: String, features: Range<Int>)

    package var description: String {
        switch self {
        case .inputRefused(let input, let reason):
            "the model's input \(input.name) is \(input.typeText): \(reason)"
        case .noScore(let outputs, let reason):
            "\(reason); the model's outputs are "
                + outputs.map { "\($0.name) \($0.typeText)" }.joined(separator: ", ")
        case .duplicateParameter(let name):
            "the parameter \(name) is declared twice"
        case .unknownInput(let parameter, let input, let inputs):
            "the parameter \(parameter) goes to the input \(input), which the model does not have; "
                + "its inputs are \(inputs.joined(separator: ", "))"
        case .wrongType(let parameter, let given, let input, let expected):
            "the parameter \(parameter) is \(given.cqlType.cqlText), but the input \(input.name) "
                + "is \(input.typeText), which takes \(expected)"
        case .wrongWidth(let parameter, let input, let expected, let given):
            "the parameter \(parameter) gives \(given) values, "
                + "but its part of the input \(input) has \(expected)"
        case .outsideInput(let parameter, let input, let width, let given):
            "the parameter \(parameter) goes to \(input)[\(given.lowerBound)..\(given.upperBound)],"
                + " but that input has \(width) features"
        case .wrongDefault(let parameter, let reason):
            "the DEFAULT of the parameter \(parameter) does not fit: \(reason)"
        case .overlap(let input, let feature, let first, let second):
            "the parameters \(first) and \(second) both fill feature \(feature) "
                + "of the input \(input)"
        case .uncovered(let input, let features):
            "no parameter fills \(input)[\(features.lowerBound)..\(features.upperBound)]"
        }
    }
}
