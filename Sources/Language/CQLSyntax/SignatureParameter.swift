/// One parameter of a model's signature text.
package struct SignatureParameter: Equatable, Sendable {
    /// The model's input, or a part of it, that takes the argument.
    package struct Input: Hashable, Sendable {
        /// The input's name exactly as written, since ONNX names are case-sensitive.
        package let name: String

        /// The half-open, 0-based range of features in the input; the whole of it if nil.
        package let features: Range<Int>?
    }

    /// The parameter's name.
    package let name: Identifier

    /// The parameter's type.
    package let type: TypeName

    /// The constant behind DEFAULT, without bind markers, columns or calls.
    package let defaultValue: Expression?

    /// What stands behind `=>`; by default the input of the parameter's own name.
    package let input: Input?
}
