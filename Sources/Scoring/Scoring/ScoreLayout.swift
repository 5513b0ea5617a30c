package import Catalog

/// Where each argument of a model goes in the tensors of a batch; made once per model.
///
/// Every input is one block of `[rows, width]` elements in native byte order. All blocks of a batch
/// stand in one allocation, each on a 64-byte boundary.
package struct ScoreLayout: Sendable {
    /// Where one parameter's values go; plain bits, so that a row costs no reference counting.
    struct Slot: Sendable {
        let type: ModelParameterType
        let elementType: TensorElementType
        let input: Int
        /// The bytes from the row's start in its input.
        let offset: Int
        /// The bytes of the values there.
        let byteCount: Int
    }

    /// The signature that the layout is for.
    package let signature: ModelSignature

    let slots: [Slot]
    /// The DEFAULT of each parameter in its input's encoding.
    let defaults: [[UInt8]?]
    /// The bytes of one row, by input.
    let strides: [Int]

    /// The layout of a signature, which must have been resolved against its model.
    package init(_ signature: ModelSignature) {
        self.signature = signature
        strides = signature.inputs.map { $0.width * $0.elementType.byteCount }
        slots = signature.parameters.map { parameter in
            guard
                let index = signature.inputs.firstIndex(where: { $0.name == parameter.input }),
                parameter.type.width == parameter.range?.count ?? signature.inputs[index].width,
                (parameter.range?.upperBound ?? 0) <= signature.inputs[index].width
            else { preconditionFailure("the signature was not resolved: \(parameter)") }
            let elementType = signature.inputs[index].elementType
            return Slot(
                type: parameter.type,
                elementType: elementType,
                input: index,
                offset: (parameter.range?.lowerBound ?? 0) * elementType.byteCount,
                byteCount: parameter.type.width * elementType.byteCount
            )
        }
        defaults = zip(signature.parameters, slots).map { parameter, slot in
            parameter.defaultValue.map { slot.elementType.encode($0) }
        }
    }

    /// Where each input's block begins for a number of rows, and behind them the whole length.
    func offsets(rows: Int) -> [Int] {
        var offsets = [0]
        var next = 0
        for stride in strides {
            next = (next + stride * rows + 63) & ~63
            offsets.append(next)
        }
        return offsets
    }
}

extension TensorElementType {
    /// The numbers as elements of a tensor, in native byte order.
    fileprivate func encode(_ numbers: [Double]) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in numbers {
            switch self {
            case .float: withUnsafeBytes(of: Float(number)) { bytes += $0 }
            case .double: withUnsafeBytes(of: number) { bytes += $0 }
            case .int32: withUnsafeBytes(of: Int32(clamping: Int64(number))) { bytes += $0 }
            case .int64: withUnsafeBytes(of: Int64(number)) { bytes += $0 }
            case .bool: bytes.append(number == 0 ? 0 : 1)
            }
        }
        return bytes
    }
}
