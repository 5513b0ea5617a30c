/// The element types of an ONNX tensor that a model's input may have here.
///
/// Raw values are ONNX's own (`TensorProto.DataType`).
package enum TensorElementType: UInt8, Hashable, Sendable, CaseIterable {
    case float = 1
    case int32 = 6
    case int64 = 7
    case bool = 9
    case double = 11

    /// The bytes of one element.
    package var byteCount: Int {
        switch self {
        case .float, .int32: 4
        case .int64, .double: 8
        case .bool: 1
        }
    }
}

/// What a parameter of a model takes: a number, a truth value, or a vector of floats.
package enum ModelParameterType: Hashable, Sendable {
    case float
    case double
    case int
    case bigint
    case boolean
    case floatVector(width: Int)

    /// How many features the parameter fills in its input.
    package var width: Int {
        if case .floatVector(let width) = self { width } else { 1 }
    }

    /// The type of the CQL values that it takes.
    package var cqlType: CQLType {
        switch self {
        case .float: .float
        case .double: .double
        case .int: .int
        case .bigint: .bigint
        case .boolean: .boolean
        case .floatVector(let width): .vector(dimension: width)
        }
    }

    /// The parameter type that takes values of a CQL type, or nil if none does.
    package init?(_ type: CQLType) {
        switch type {
        case .float: self = .float
        case .double: self = .double
        case .int: self = .int
        case .bigint: self = .bigint
        case .boolean: self = .boolean
        case .vector(let dimension): self = .floatVector(width: dimension)
        default: return nil
        }
    }
}

/// One named, typed argument of a model, and where in the ONNX inputs its values go.
package struct ModelParameter: Hashable, Sendable {
    /// The name by which a statement gives the argument.
    package var name: String
    /// What the argument must be.
    package var type: ModelParameterType
    /// What stands in for a null argument: `type.width` numbers.
    ///
    /// Without it the score is null.
    package var defaultValue: [Double]?
    /// The ONNX input that the values go to.
    package var input: String
    /// The features of that input which they fill, from 0, half open; nil: all of them.
    package var range: Range<Int>?

    /// A parameter with all its parts.
    package init(
        name: String,
        type: ModelParameterType,
        defaultValue: [Double]? = nil,
        input: String,
        range: Range<Int>? = nil
    ) {
        self.name = name
        self.type = type
        self.defaultValue = defaultValue
        self.input = input
        self.range = range
    }
}

/// One tensor that a model is given: `[rows, width]` elements (or `[rows]`, where `rank` is 1).
package struct ModelInput: Hashable, Sendable {
    /// The input's name in the ONNX graph.
    package var name: String
    /// The type of its elements.
    package var elementType: TensorElementType
    /// The features of one row.
    package var width: Int
    /// 2 for `[rows, width]`, 1 for `[rows]`.
    package var rank: Int

    /// An input with all its parts.
    package init(name: String, elementType: TensorElementType, width: Int, rank: Int = 2) {
        self.name = name
        self.elementType = elementType
        self.width = width
        self.rank = rank
    }
}

/// What a model takes and gives.
///
/// It is fixed per name: what changes it needs a new name.
package struct ModelSignature: Hashable, Sendable {
    /// The arguments, in the order in which positional ones are given.
    package var parameters: [ModelParameter]
    /// The tensors that the arguments fill, in the graph's order.
    package var inputs: [ModelInput]
    /// The output that holds one score per row.
    package var output: String

    /// A signature with all its parts.
    package init(parameters: [ModelParameter], inputs: [ModelInput], output: String) {
        self.parameters = parameters
        self.inputs = inputs
        self.output = output
    }

    /// The parameter list as `martlet model push --signature` takes it.
    package var text: String {
        parameters.map { parameter in
            var text = Self.quoted(parameter.name, isFolded: true)
            text += " \(parameter.type.cqlType.cqlText)"
            if let value = parameter.defaultValue {
                text += " DEFAULT \(parameter.type.literal(value))"
            }
            let input = Self.quoted(parameter.input, isFolded: false)
            if let range = parameter.range {
                text += " => \(input)[\(range.lowerBound)..\(range.upperBound)]"
            } else if parameter.input != parameter.name {
                text += " => \(input)"
            }
            return text
        }.joined(separator: ", ")
    }

    /// The name as it must be written: in double quotes unless it is a word, and, where words are
    /// folded to lower case, one without capitals.
    private static func quoted(_ name: String, isFolded: Bool) -> String {
        func isLetter(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || !isFolded && (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
        }
        let isWord =
            name.utf8.first.map(isLetter) ?? false
            && name.utf8.allSatisfy {
                isLetter($0) || $0 == UInt8(ascii: "_")
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
            }
        if isWord { return name }
        let inner = name.split(separator: "\"", omittingEmptySubsequences: false)
        return "\"" + inner.joined(separator: "\"\"") + "\""
    }
}

extension ModelParameterType {
    /// The constant that stands for a default value.
    fileprivate func literal(_ value: [Double]) -> String {
        let first = value.first ?? 0
        switch self {
        case .floatVector: return "[\(value.map { "\($0)" }.joined(separator: ", "))]"
        case .boolean: return first == 0 ? "false" : "true"
        case .int, .bigint:
            let text = "\(first)"
            return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
        case .float, .double: return "\(first)"
        }
    }
}
