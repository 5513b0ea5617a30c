/// The memory of a batch's tensors: one allocation on a 64-byte boundary.
///
/// It may cross threads (`@unchecked Sendable`): only the one ``ScoreBatchBuilder`` that made it
/// writes to it, that builder cannot be copied and is consumed when the batch is finished, and a
/// finished batch only reads.
final class ScoreBuffer: @unchecked Sendable {
    let base: UnsafeMutableRawPointer

    init(byteCount: Int) {
        base = .allocate(byteCount: max(byteCount, 64), alignment: 64)
    }

    deinit { base.deallocate() }
}

/// The rows of one request that a model can score, as the tensors that it takes.
package struct ScoreBatch: Sendable {
    /// The layout that the tensors have.
    package let layout: ScoreLayout
    /// The rows in the tensors.
    package let rowCount: Int
    /// All rows that were given, also those that a null argument kept out.
    package var givenRowCount: Int { statistics.rows }
    /// What is known before the model ran.
    package let statistics: ScoreStatistics

    let buffer: ScoreBuffer
    let offsets: [Int]
    /// The place of each given row in the tensors, or -1; nil if none was left out.
    let places: [Int32]?

    /// Hands out the tensors, one per input, valid during the call.
    package func withInputs<Result, Failure: Error>(
        _ body: ([UnsafeRawBufferPointer]) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let inputs = layout.strides.indices.map { index in
            UnsafeRawBufferPointer(
                start: UnsafeRawPointer(buffer.base + offsets[index]),
                count: layout.strides[index] * rowCount
            )
        }
        return try withExtendedLifetime(buffer) { () throws(Failure) in try body(inputs) }
    }

    /// The scores of all given rows, from those of the batch; what is null or not finite is nil.
    package func spread(_ scores: UnsafeBufferPointer<Float>) -> ScoredRows {
        precondition(scores.count == rowCount, "\(scores.count) scores for \(rowCount) rows")
        var statistics = statistics
        let spread = [Float?](unsafeUninitializedCapacity: givenRowCount) { target, count in
            for row in 0..<givenRowCount {
                let place = places.map { Int($0[row]) } ?? row
                var score: Float? = place < 0 ? nil : scores[place]
                if let number = score, !number.isFinite {
                    statistics.nonFinite += 1
                    score = nil
                }
                target.initializeElement(at: row, to: score)
            }
            count = givenRowCount
        }
        return ScoredRows(scores: spread, statistics: statistics)
    }
}

/// The scores of a request's rows, in the order in which the rows were given.
package struct ScoredRows: Equatable, Sendable {
    /// One score per row; nil where it is null.
    package let scores: [Float?]
    /// How they came about.
    package let statistics: ScoreStatistics
}
