import Catalog
import OnnxScoring
import Scoring
import Synchronization
import Testing

@Suite struct OnnxModelTests {
    private func scores(_ rows: ScoredRows) -> [Float] { rows.scores.map { $0 ?? .nan } }

    private func isClose(_ left: [Float], _ right: [Float]) -> Bool {
        left.count == right.count && zip(left, right).allSatisfy { abs($0 - $1) <= 1e-5 }
    }

    @Test(arguments: ["linear", "mlp", "embedding", "mixed", "trees"])
    func `scores are those that numpy computes`(name: String) throws {
        let model = try OnnxFixture.model(name)
        let expected = try OnnxFixture.expected(name)
        let scored = try model.run(try batch(of: model, expected), timeLimit: .seconds(5))
        #expect(isClose(scores(scored), expected.scores), "\(scored.scores)")
        #expect(scored.statistics == ScoreStatistics(rows: expected.scores.count))
    }

    @Test(arguments: ["linear", "mlp", "embedding", "mixed", "trees"])
    func `a row's score does not depend on the batch`(name: String) throws {
        let model = try OnnxFixture.model(name)
        let expected = try OnnxFixture.expected(name)
        let all = Array(expected.scores.indices)
        let whole = scores(
            try model.run(try batch(of: model, expected), timeLimit: .seconds(5))
        )
        for row in all {
            let alone = try batch(of: model, expected, rows: [row])
            let score = scores(try model.run(alone, timeLimit: .seconds(5)))
            #expect(isClose(score, [whole[row]]))
        }
        let reversed = try batch(of: model, expected, rows: all.reversed() + all)
        let score = scores(try model.run(reversed, timeLimit: .seconds(5)))
        #expect(isClose(score, whole.reversed() + whole))
    }

    @Test func `a score that is not finite becomes null`() throws {
        let model = try OnnxFixture.model("reciprocal")
        let rows = OnnxFixture.Expected(inputs: [[[2], [0], [4]]], scores: [0, 0, 0])
        let scored = try model.run(try batch(of: model, rows), timeLimit: .seconds(5))
        #expect(scored.scores == [0.5, nil, 0.25])
        #expect(scored.statistics.nonFinite == 1)
    }

    @Test func `an empty batch needs no run`() throws {
        let model = try OnnxFixture.model("mlp")
        let empty = ScoreBatchBuilder(layout: model.layout, rowsMax: 0).finish()
        #expect(try model.run(empty, timeLimit: .seconds(5)).scores.isEmpty)
    }

    @Test func `tensors of a wrong length are named`() throws {
        let model = try OnnxFixture.model("linear")
        let scores = UnsafeMutableBufferPointer<Float>.allocate(capacity: 2)
        defer { scores.deallocate() }
        _ = [Float](repeating: 1, count: 7).withUnsafeBytes { tensor in
            #expect(
                throws: OnnxError.wrongInputLength(
                    input: "features",
                    expectedBytes: 32,
                    givenBytes: 28
                )
            ) {
                try model.run(rows: 2, inputs: [tensor], timeLimit: .seconds(1), into: scores)
            }
        }
        #expect(throws: OnnxError.wrongInputCount(expected: 1, given: 0)) {
            try model.run(rows: 2, inputs: [], timeLimit: .seconds(1), into: scores)
        }
    }

    @Test func `a signature of another model is refused when it is loaded`() throws {
        let bytes = try OnnxFixture.bytes("linear")
        var wide = try OnnxFixture.signature("linear")
        wide.parameters[0].type = .floatVector(width: 5)
        wide.inputs[0].width = 5
        var integer = try OnnxFixture.signature("linear")
        integer.inputs[0].elementType = .int64
        var named = try OnnxFixture.signature("linear")
        named.output = "absent"
        let other = try OnnxFixture.signature("mlp")
        for signature in [wide, integer, named, other] {
            let error = #expect(throws: OnnxError.self) {
                try OnnxFixture.engine.load(bytes, signature: signature)
            }
            guard case .signatureMismatch = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    @Test func `an output of two values per row is an error of the run`() throws {
        let model = try OnnxFixture.model("two_scores")
        let rows = OnnxFixture.Expected(inputs: [[[1, 2, 3], [4, 5, 6]]], scores: [0, 0])
        let error = #expect(throws: OnnxError.self) {
            try model.run(try batch(of: model, rows), timeLimit: .seconds(5))
        }
        #expect(error?.description.contains("2 x 2 values for 2 rows") == true)
    }

    @Test func `four threads share one model`() throws {
        let model = try OnnxFixture.model("mlp")
        let expected = try OnnxFixture.expected("mlp")
        let shared = try batch(of: model, expected)
        let pool = InferencePool(threadCount: 4, queueMax: 400)
        let good = Mutex(0)
        for _ in 0..<400 {
            let isTaken = pool.submit {
                guard let scored = try? model.run(shared, timeLimit: .seconds(5)) else { return }
                let close = zip(scored.scores, expected.scores).allSatisfy {
                    abs(($0 ?? .nan) - $1) <= 1e-5
                }
                if close { good.withLock { $0 += 1 } }
            }
            #expect(isTaken)
        }
        pool.shutDown()
        #expect(good.withLock { $0 } == 400)
    }
}
