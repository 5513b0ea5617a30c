import Catalog
import Foundation
import OnnxScoring
import Scoring

/// The models that Tests/Scoring/make_fixtures.py writes, and the engine that runs them.
enum OnnxFixture {
    struct NoEngine: Error, CustomStringConvertible {
        let description: String
    }

    /// Inputs as `[rows][width]` numbers in the graph's order, and the scores that numpy computes.
    struct Expected: Decodable {
        let inputs: [[[Double]]]
        let scores: [Float]
    }

    /// A process has one engine: all suites share it.
    private static let opened = Result {
        OnnxEngine.prepareEnvironment()
        do {
            return try OnnxEngine(libraryPaths: libraryPaths, arenaBytesMax: 256 << 20)
        } catch {
            throw NoEngine(
                description: "these tests need ONNX Runtime: run tools/install-onnxruntime, or set "
                    + "MARTLET_ONNXRUNTIME to the library or its folder (\(error))"
            )
        }
    }

    static var engine: OnnxEngine {
        get throws { try opened.get() }
    }

    static var libraryPaths: [String] {
        OnnxEngine.searchPaths(
            configured: ProcessInfo.processInfo.environment["MARTLET_ONNXRUNTIME"],
            folders: [checkout.appending(path: ".martlet/onnxruntime").path()]
        )
    }

    private static var checkout: URL {
        (0..<4).reduce(URL(filePath: #filePath)) { url, _ in url.deletingLastPathComponent() }
    }

    static func path(_ name: String) -> String {
        checkout.appending(path: "Tests/Scoring/Fixtures/\(name)").path()
    }

    static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: path("\(name).onnx"))))
    }

    static func expected(_ name: String) throws -> Expected {
        let data = try Data(contentsOf: URL(filePath: path("expected.json")))
        let all = try JSONDecoder().decode([String: Expected].self, from: data)
        guard let expected = all[name] else { throw NoEngine(description: "no scores of \(name)") }
        return expected
    }

    static func signature(_ name: String) throws -> ModelSignature {
        try SignatureResolver.resolve(try ModelInspector.inspect(try bytes(name)), drafts: nil)
    }

    static func model(_ name: String) throws -> OnnxModel {
        try engine.load(try bytes(name), signature: try signature(name))
    }

    /// A signature of one float input `x`, for models that the inspector refuses.
    static func plainSignature(width: Int = 1) -> ModelSignature {
        ModelSignature(
            parameters: [
                ModelParameter(
                    name: "x",
                    type: width == 1 ? .float : .floatVector(width: width),
                    input: "x"
                )
            ],
            inputs: [ModelInput(name: "x", elementType: .float, width: width)],
            output: "score"
        )
    }
}

/// Encodes numbers as a driver sends the argument of a parameter.
func encoded(_ numbers: [Double], as type: ModelParameterType) -> [UInt8] {
    func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
    return numbers.flatMap { number -> [UInt8] in
        switch type {
        case .float, .floatVector: bigEndian(Float(number).bitPattern)
        case .double: bigEndian(number.bitPattern)
        case .int: bigEndian(Int32(number))
        case .bigint: bigEndian(Int64(number))
        case .boolean: [number == 0 ? 0 : 1]
        }
    }
}

/// The rows of a fixture as a batch; without a choice, all of them.
func batch(
    of model: OnnxModel,
    _ expected: OnnxFixture.Expected,
    rows: [Int]? = nil
) throws -> ScoreBatch {
    let rows = rows ?? Array(expected.scores.indices)
    var builder = ScoreBatchBuilder(layout: model.layout, rowsMax: rows.count)
    for row in rows {
        let values = model.signature.parameters.indices.map { index in
            encoded(expected.inputs[index][row], as: model.signature.parameters[index].type)
        }
        let starts = values.indices.map { index in values[..<index].reduce(0) { $0 + $1.count } }
        try values.flatMap { $0 }.withUnsafeBytes { bytes in
            try builder.appendRow { index in
                let end = starts[index] + values[index].count
                return .value(UnsafeRawBufferPointer(rebasing: bytes[starts[index]..<end]))
            }
        }
    }
    return builder.finish()
}
