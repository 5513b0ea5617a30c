package import Catalog

/// An input or an output as an ONNX graph declares it.
package struct TensorSpec: Hashable, Sendable {
    /// The name in the graph, exactly as written there.
    package var name: String
    /// ONNX's code of the element type (`TensorProto.DataType`), or nil where it is no tensor.
    package var elementTypeCode: Int?
    /// The dimensions, nil where one is free; nil as a whole where the graph declares no shape.
    package var shape: [Int?]?

    /// A tensor with all its parts.
    package init(name: String, elementTypeCode: Int?, shape: [Int?]?) {
        self.name = name
        self.elementTypeCode = elementTypeCode
        self.shape = shape
    }

    /// A tensor of one of the element types that Martlet gives and takes.
    package init(name: String, elementType: TensorElementType, shape: [Int?]?) {
        self.init(name: name, elementTypeCode: Int(elementType.rawValue), shape: shape)
    }

    /// The element type, or nil if Martlet has no values for it.
    package var elementType: TensorElementType? {
        elementTypeCode.flatMap(UInt8.init(exactly:)).flatMap(TensorElementType.init(rawValue:))
    }

    /// The type and shape as an error names them, such as `float[?, 64]`.
    package var typeText: String {
        guard let elementTypeCode else { return "something else than a tensor" }
        let names: [Int: String] = [
            1: "float", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
            8: "string", 9: "bool", 10: "float16", 11: "double", 12: "uint32", 13: "uint64",
            16: "bfloat16",
        ]
        let name = names[elementTypeCode] ?? "element type \(elementTypeCode)"
        guard let shape else { return "\(name) of unknown shape" }
        return name + "[" + shape.map { $0.map(String.init) ?? "?" }.joined(separator: ", ") + "]"
    }
}
