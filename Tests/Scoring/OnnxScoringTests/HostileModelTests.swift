import Catalog
import OnnxScoring
import Scoring
import Testing

@Suite struct HostileModelTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    /// What a push does with bytes, short of the child process: inspects, resolves, loads, runs.
    private func push(_ bytes: [UInt8]) throws {
        let signature = try SignatureResolver.resolve(
            try ModelInspector.inspect(bytes),
            drafts: nil
        )
        let model = try OnnxFixture.engine.load(bytes, signature: signature)
        var builder = ScoreBatchBuilder(layout: model.layout, rowsMax: 2)
        let width = signature.parameters.map(\.type.encodedByteCount).max() ?? 0
        let zeros = [UInt8](repeating: 0, count: width)
        for _ in 0..<2 {
            try zeros.withUnsafeBytes { bytes in
                try builder.appendRow { index in
                    let count = signature.parameters[index].type.encodedByteCount
                    return .value(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                }
            }
        }
        _ = try model.run(builder.finish(), timeLimit: .seconds(20))
    }

    @Test func `the whole files pass`() throws {
        for name in ["linear", "mlp", "trees", "embedding", "mixed"] {
            try push(try OnnxFixture.bytes(name))
        }
    }

    @Test func `truncated files are refused and the engine lives on`() throws {
        let bytes = try OnnxFixture.bytes("mlp")
        for count in stride(from: 0, to: bytes.count, by: 13) {
            // The engine on its own, then the way of a push.
            _ = try? OnnxFixture.engine.load(
                Array(bytes[..<count]),
                signature: try OnnxFixture.signature("mlp")
            )
            _ = try? push(Array(bytes[..<count]))
        }
        #expect(throws: (any Error).self) { try push(Array(bytes[..<(bytes.count / 2)])) }
        try push(bytes)
    }

    @Test func `200 files with a flipped byte never crash`() throws {
        var generator = Generator(state: 11)
        for name in ["mlp", "trees"] {
            let bytes = try OnnxFixture.bytes(name)
            for _ in 0..<100 {
                var mutant = bytes
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                mutant[place] ^= UInt8.random(in: 1...255, using: &generator)
                _ = try? push(mutant)
            }
            try push(bytes)
        }
    }

    @Test func `an endless model is ended at its time limit, and the next run is not`() throws {
        let model = try OnnxFixture.engine.load(
            try OnnxFixture.bytes("endless_loop"),
            signature: OnnxFixture.plainSignature()
        )
        let rows = OnnxFixture.Expected(inputs: [[[1], [2]]], scores: [0, 0])
        let clock = ContinuousClock()
        let start = clock.now
        #expect(throws: OnnxError.timedOut(limit: .milliseconds(200))) {
            try model.run(try batch(of: model, rows), timeLimit: .milliseconds(200))
        }
        let taken = clock.now - start
        #expect(taken >= .milliseconds(200) && taken < .seconds(60), "\(taken)")
        let other = try OnnxFixture.model("mlp")
        let expected = try OnnxFixture.expected("mlp")
        let scored = try other.run(try batch(of: other, expected), timeLimit: .seconds(10))
        #expect(scored.scores.count == expected.scores.count)
    }

    @Test func `a tensor above the arena's cap is an error of the run`() throws {
        let model = try OnnxFixture.model("memory_bomb")
        let rows = OnnxFixture.Expected(inputs: [[[1]]], scores: [0])
        let error = #expect(throws: OnnxError.self) {
            try model.run(try batch(of: model, rows), timeLimit: .seconds(20))
        }
        guard case .runFailed = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        try push(try OnnxFixture.bytes("mlp"))
    }

    @Test func `libraries that are none are told with their reasons`() {
        let error = #expect(throws: OnnxError.self) {
            try OnnxEngine(libraryPaths: ["/absent/libonnxruntime.so.1", "libc.so.6"])
        }
        guard case .libraryUnusable(let tried) = error else {
            // An engine of this process runs already, or a reason is missing.
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(tried.count == 2)
    }

    @Test func `the places of the library stand in the documented order`() {
        #expect(
            OnnxEngine.searchPaths(configured: "", folders: ["/absent"])
                == ["libonnxruntime.so.1", "libonnxruntime.so.1.21"]
        )
        #expect(
            OnnxEngine.searchPaths(configured: "/opt/own.so", folders: ["/absent"])
                == ["/opt/own.so"]
        )
    }
}
