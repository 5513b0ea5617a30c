package import Catalog

/// One row's argument of a model, as it stands in the row.
package enum ScoreArgument {
    /// The value is null, expired or stale.
    case null
    /// The value in the native protocol's encoding; it must stay valid until the row is appended.
    case value(UnsafeRawBufferPointer)
}

/// A value that is not of its parameter's type.
package struct ScoreArgumentError: Error, Equatable, CustomStringConvertible {
    /// The parameter's name.
    package let parameter: String
    /// What the parameter takes.
    package let expected: ModelParameterType
    /// The bytes that were given.
    package let givenByteCount: Int

    /// The error for a value of a wrong length.
    package init(parameter: String, expected: ModelParameterType, givenByteCount: Int) {
        self.parameter = parameter
        self.expected = expected
        self.givenByteCount = givenByteCount
    }

    package var description: String {
        let bytes = expected.encodedByteCount
        guard case .floatVector(let width) = expected else {
            return "the argument \(parameter) takes \(expected.cqlType.cqlText) "
                + "(\(bytes) bytes), \(givenByteCount) bytes were given"
        }
        let given =
            givenByteCount % 4 == 0
            ? "vector<float, \(givenByteCount / 4)>" : "\(givenByteCount) bytes"
        return "the argument \(parameter) takes vector<float, \(width)>, \(given) was given"
    }
}

extension ModelParameterType {
    /// The bytes of a value in the native protocol's encoding.
    package var encodedByteCount: Int {
        switch self {
        case .boolean: 1
        case .float, .int: 4
        case .double, .bigint: 8
        case .floatVector(let width): 4 * width
        }
    }
}
