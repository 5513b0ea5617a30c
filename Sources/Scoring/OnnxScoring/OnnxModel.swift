import COnnxRuntime
package import Catalog
package import Scoring

/// A model that is loaded and can score batches, from any thread.
///
/// Call it from an ``InferencePool``, never from an event loop or Swift's cooperative pool: a run
/// blocks its thread. `@unchecked Sendable`: the session is bound before `init` returns and never
/// changed; ONNX Runtime's `Run` is thread-safe; `deinit` runs when nobody holds the model.
package final class OnnxModel: @unchecked Sendable {
    /// What the model takes and gives.
    package let signature: ModelSignature
    /// Where arguments go in its tensors.
    package let layout: ScoreLayout

    private let engine: OnnxEngine
    private let session: OpaquePointer

    init(
        _ bytes: [UInt8],
        signature: ModelSignature,
        engine: OnnxEngine
    ) throws(OnnxError) {
        var failure = ErrorText()
        let loaded = failure.fill { text, room in
            bytes.withUnsafeBytes {
                martlet_ort_load(
                    engine.pointer,
                    $0.baseAddress,
                    $0.count,
                    String(OnnxEngine.foldedConstantBytesMax),
                    text,
                    room
                )
            }
        }
        guard let loaded else { throw .modelRefused(failure.text) }
        self.engine = engine
        self.signature = signature
        session = loaded
        layout = ScoreLayout(signature)
        // From here on `deinit` frees the session, also when a check below throws.
        try check()
        try bind()
    }

    deinit { martlet_ort_session_free(session) }

    /// Scores rows.
    ///
    /// - Parameters:
    ///   - rows: the number of rows.
    ///   - inputs: one `[rows, width]` tensor per input in native byte order, in the signature's
    ///     order, best on 64-byte boundaries; only read.
    ///   - timeLimit: after it the run is ended between two operators.
    ///   - scores: takes one float per row.
    /// - Throws: ``OnnxError/timedOut(limit:)``, ``OnnxError/runFailed(_:)``, or which tensor is wrong.
    package func run(
        rows: Int,
        inputs: [UnsafeRawBufferPointer],
        timeLimit: Duration,
        into scores: UnsafeMutableBufferPointer<Float>
    ) throws(OnnxError) {
        precondition(scores.count == rows, "room for \(scores.count) scores of \(rows) rows")
        guard inputs.count == signature.inputs.count else {
            throw .wrongInputCount(expected: signature.inputs.count, given: inputs.count)
        }
        for (input, tensor) in zip(signature.inputs, inputs) {
            let expected = rows * input.width * input.elementType.byteCount
            guard tensor.count == expected else {
                throw .wrongInputLength(
                    input: input.name,
                    expectedBytes: expected,
                    givenBytes: tensor.count
                )
            }
        }
        guard rows > 0 else { return }
        var failure = ErrorText()
        let created = failure.fill { martlet_ort_run_create(engine.pointer, $0, $1) }
        guard let run = created else { throw .runFailed(failure.text) }
        defer { martlet_ort_run_free(run) }
        let ticket = engine.watchdog.arm(run, limit: timeLimit)
        let isGood = failure.fill { text, room in
            withUnsafeTemporaryAllocation(
                of: UnsafeRawPointer?.self,
                capacity: inputs.count
            ) { data in
                _ = data.initialize(fromContentsOf: inputs.map(\.baseAddress))
                return martlet_ort_score(
                    session,
                    run,
                    rows,
                    data.baseAddress,
                    scores.baseAddress,
                    text,
                    room
                )
            }
        }
        let wasEnded = engine.watchdog.disarm(ticket)
        guard !isGood else { return }
        throw wasEnded ? .timedOut(limit: timeLimit) : .runFailed(failure.text)
    }

    /// Scores a batch; what is null or not finite comes back as nil.
    package func run(
        _ batch: ScoreBatch,
        timeLimit: Duration
    ) throws(OnnxError) -> ScoredRows {
        precondition(batch.layout.signature == signature, "a batch of another model")
        let scores = UnsafeMutableBufferPointer<Float>.allocate(capacity: batch.rowCount)
        scores.initialize(repeating: 0)
        defer { scores.deallocate() }
        try batch.withInputs { (inputs) throws(OnnxError) in
            try run(rows: batch.rowCount, inputs: inputs, timeLimit: timeLimit, into: scores)
        }
        return batch.spread(UnsafeBufferPointer(scores))
    }

    // MARK: - Loading

    /// Throws unless the engine sees the inputs and the output of the signature.
    private func check() throws(OnnxError) {
        let inputs = try describe(outputs: false)
        let names = inputs.map(\.name)
        guard inputs.count == signature.inputs.count else {
            throw .signatureMismatch(
                "the model has the inputs \(names.joined(separator: ", ")), the signature "
                    + signature.inputs.map(\.name).joined(separator: ", ")
            )
        }
        for expected in signature.inputs {
            guard let actual = inputs.first(where: { $0.name == expected.name }) else {
                throw .signatureMismatch("the model has no input \(expected.name)")
            }
            let shape = actual.shape ?? []
            let isFree = shape.first.map { $0 == nil } ?? false
            guard actual.elementType == expected.elementType, shape.count == expected.rank, isFree,
                expected.rank == 1 || (shape[1] ?? expected.width) == expected.width
            else {
                throw .signatureMismatch(
                    "the input \(expected.name) is \(actual.typeText), the signature has "
                        + "\(expected.elementType)[?"
                        + (expected.rank == 2 ? ", \(expected.width)]" : "]")
                )
            }
        }
        let outputs = try describe(outputs: true)
        guard let output = outputs.first(where: { $0.name == signature.output }) else {
            throw .signatureMismatch("the model has no output \(signature.output)")
        }
        guard output.elementType == .float || output.elementType == .double else {
            throw .signatureMismatch(
                "the output \(output.name) is \(output.typeText), float or double is expected"
            )
        }
    }

    private func describe(outputs: Bool) throws(OnnxError) -> [TensorSpec] {
        var specs: [TensorSpec] = []
        for index in 0..<martlet_ort_tensor_count(session, outputs) {
            var tensor = martlet_ort_tensor()
            var failure = ErrorText()
            let isGood = failure.fill { text, room in
                martlet_ort_describe(session, outputs, index, &tensor, text, room)
            }
            guard isGood else { throw .modelRefused(failure.text) }
            let name = withUnsafeBytes(of: tensor.name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            let shape: [Int?]? =
                tensor.rank > Int(MARTLET_ORT_RANK_MAX)
                ? nil
                : withUnsafeBytes(of: tensor.dimensions) { bytes in
                    bytes.bindMemory(to: Int64.self).prefix(tensor.rank).map {
                        $0 > 0 ? Int($0) : nil
                    }
                }
            specs.append(
                TensorSpec(
                    name: name,
                    elementTypeCode: tensor.element_type == 0 ? nil : Int(tensor.element_type),
                    shape: shape
                )
            )
        }
        return specs
    }

    /// Tells the shim once how runs give their inputs.
    private func bind() throws(OnnxError) {
        // The names are copied by the shim; the terminated bytes live until then.
        let names = signature.inputs.map { Array($0.name.utf8CString) }
        var starts: [Int] = []
        var text: [CChar] = []
        for name in names {
            starts.append(text.count)
            text += name
        }
        var failure = ErrorText()
        let isGood = failure.fill { message, room in
            text.withUnsafeBufferPointer { text in
                let inputs = zip(signature.inputs, starts).map { input, start in
                    martlet_ort_input(
                        name: text.baseAddress.map { $0 + start },
                        element_type: Int32(input.elementType.rawValue),
                        element_bytes: input.elementType.byteCount,
                        rank: input.rank,
                        width: input.width
                    )
                }
                return martlet_ort_bind(
                    session,
                    inputs,
                    inputs.count,
                    signature.output,
                    message,
                    room
                )
            }
        }
        guard isGood else { throw .modelRefused(failure.text) }
    }
}
