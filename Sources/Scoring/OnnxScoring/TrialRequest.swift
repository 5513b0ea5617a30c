package import Catalog

/// What a trial's child process is told, as command-line arguments.
///
/// Plain words in a fixed order: model, limits, output, inputs by fours, libraries. Names may hold
/// any text, since each is an argument of its own.
package struct TrialRequest: Equatable, Sendable {
    /// The file that holds the model.
    package var modelPath: String
    /// What the model may take.
    package var limits: TrialLimits
    /// What it must be; the parameters are not needed and stay behind.
    package var signature: ModelSignature
    /// Where ONNX Runtime is.
    package var libraryPaths: [String]

    /// A request with all its parts.
    package init(
        modelPath: String,
        limits: TrialLimits,
        signature: ModelSignature,
        libraryPaths: [String]
    ) {
        self.modelPath = modelPath
        self.limits = limits
        self.signature = ModelSignature(
            parameters: [],
            inputs: signature.inputs,
            output: signature.output
        )
        self.libraryPaths = libraryPaths
    }

    /// The arguments that ``init(arguments:)`` reads.
    package var arguments: [String] {
        var words = [
            modelPath,
            String(limits.addressSpaceBytesMax),
            String(limits.arenaBytesMax),
            String(limits.modelBytesMax),
            String(limits.timeLimit.wholeNanoseconds),
            signature.output,
            String(signature.inputs.count),
        ]
        for input in signature.inputs {
            words += [
                input.name, String(input.elementType.rawValue), String(input.width),
                String(input.rank),
            ]
        }
        return words + libraryPaths
    }

    /// The request in these arguments, or nil if they are none.
    package init?(arguments: [String]) {
        guard arguments.count >= 7,
            let addressSpaceBytesMax = Int(arguments[1]),
            let arenaBytesMax = Int(arguments[2]),
            let modelBytesMax = Int(arguments[3]),
            let nanoseconds = Int64(arguments[4]),
            let inputCount = Int(arguments[6]), inputCount >= 0, inputCount <= 4096,
            arguments.count >= 7 + 4 * inputCount
        else { return nil }
        var inputs: [ModelInput] = []
        for index in 0..<inputCount {
            let words = arguments[(7 + 4 * index)...].prefix(4).map { $0 }
            guard let code = UInt8(words[1]), let elementType = TensorElementType(rawValue: code),
                let width = Int(words[2]), width > 0,
                let rank = Int(words[3]), rank == 1 || rank == 2
            else { return nil }
            inputs.append(
                ModelInput(name: words[0], elementType: elementType, width: width, rank: rank)
            )
        }
        self.init(
            modelPath: arguments[0],
            limits: TrialLimits(
                addressSpaceBytesMax: addressSpaceBytesMax,
                arenaBytesMax: arenaBytesMax,
                modelBytesMax: modelBytesMax,
                timeLimit: .nanoseconds(nanoseconds)
            ),
            signature: ModelSignature(parameters: [], inputs: inputs, output: arguments[5]),
            libraryPaths: Array(arguments[(7 + 4 * inputCount)...])
        )
    }
}
