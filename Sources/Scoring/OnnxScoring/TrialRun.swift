package import Catalog
import Scoring

/// Loads a model and runs it on made-up rows, in this very process.
///
/// Each row is scored alone and again among the others: a model whose scores depend on the batch
/// would rank the same row differently from request to request.
package enum TrialRun {
    /// Throws unless the model can be used.
    ///
    /// - Throws: ``TrialError/failed(_:)`` and nothing else.
    package static func hold(
        _ bytes: [UInt8],
        signature: ModelSignature,
        engine: OnnxEngine,
        limits: TrialLimits
    ) throws(TrialError) {
        let model: OnnxModel
        do throws(ModelInspectionError) {
            _ = try ModelInspector.inspect(
                bytes,
                limits: ModelInspectionLimits(bytesMax: limits.modelBytesMax)
            )
        } catch { throw .failed("\(error)") }
        do throws(OnnxError) {
            model = try engine.load(bytes, signature: signature)
        } catch { throw .failed("\(error)") }
        let together = try scores(of: Array(0..<rowCount), model, limits)
        for row in 0..<rowCount {
            let alone = try scores(of: [row], model, limits)[0]
            guard agree(alone, together[row]) else {
                throw .failed(
                    "the same row scores \(alone) alone and \(together[row]) in a batch of "
                        + "\(rowCount); a score must not depend on the rows beside it"
                )
            }
        }
        guard together.contains(where: \.isFinite) else {
            throw .failed("none of \(rowCount) trial rows has a finite score")
        }
    }

    private static let rowCount = 3

    /// A row of zeros, a row of ones, a row of several values; indexes are all zero.
    private static func value(row: Int, feature: Int) -> Double {
        switch row {
        case 0: 0
        case 1: 1
        default: Double(feature % 7) * 0.25 - 0.5
        }
    }

    private static func scores(
        of rows: [Int],
        _ model: OnnxModel,
        _ limits: TrialLimits
    ) throws(TrialError) -> [Float] {
        var tensors: [UnsafeMutableRawBufferPointer] = []
        defer { for tensor in tensors { tensor.deallocate() } }
        for input in model.signature.inputs {
            let size = input.elementType.byteCount
            let tensor = UnsafeMutableRawBufferPointer.allocate(
                byteCount: rows.count * input.width * size,
                alignment: 64
            )
            tensors.append(tensor)
            tensor.initializeMemory(as: UInt8.self, repeating: 0)
            for (place, row) in rows.enumerated() {
                for feature in 0..<input.width {
                    let number = value(row: row, feature: feature)
                    let offset = (place * input.width + feature) * size
                    switch input.elementType {
                    case .float:
                        tensor.storeBytes(of: Float(number), toByteOffset: offset, as: Float.self)
                    case .double:
                        tensor.storeBytes(of: number, toByteOffset: offset, as: Double.self)
                    case .bool: tensor[offset] = row == 1 ? 1 : 0
                    case .int32, .int64: break
                    }
                }
            }
        }
        let scores = UnsafeMutableBufferPointer<Float>.allocate(capacity: rows.count)
        defer { scores.deallocate() }
        scores.initialize(repeating: 0)
        do throws(OnnxError) {
            try model.run(
                rows: rows.count,
                inputs: tensors.map { UnsafeRawBufferPointer($0) },
                timeLimit: limits.timeLimit,
                into: scores
            )
        } catch { throw .failed("\(error)") }
        return Array(scores)
    }

    private static func agree(_ left: Float, _ right: Float) -> Bool {
        if left == right || left.isNaN && right.isNaN { return true }
        return abs(left - right) <= 1e-4 * max(1, abs(left))
    }
}
