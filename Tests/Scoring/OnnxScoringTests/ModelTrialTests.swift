import Catalog
import OnnxScoring
import Scoring
import Testing

@Suite struct ModelTrialTests {
    private func hold(_ name: String, signature: ModelSignature? = nil) throws {
        try TrialRun.hold(
            try OnnxFixture.bytes(name),
            signature: try signature ?? OnnxFixture.signature(name),
            engine: try OnnxFixture.engine,
            limits: TrialLimits(timeLimit: .seconds(5))
        )
    }

    @Test(arguments: ["linear", "mlp", "embedding", "mixed", "trees", "reciprocal"])
    func `a model that scores passes`(name: String) throws {
        try hold(name)
    }

    @Test(arguments: [
        ("batch_dependent", "must not depend on the rows beside it"),
        ("never_finite", "none of 3 trial rows has a finite score"),
    ])
    func `a model whose scores cannot be used fails`(name: String, expected: String) throws {
        let error = #expect(throws: TrialError.self) { try hold(name) }
        #expect(error?.description.contains(expected) == true, "\(String(describing: error))")
    }

    @Test func `what the inspection refuses is not even loaded`() throws {
        let error = #expect(throws: TrialError.self) {
            try hold("endless_loop", signature: OnnxFixture.plainSignature())
        }
        #expect(error?.description.contains("Loop: control flow") == true)
    }

    // MARK: - The child process, played by a shell

    private func child(_ script: String, limit: Duration = .seconds(5)) throws {
        try ModelTrial.runInChild(
            executable: "/bin/sh",
            arguments: ["-c", script],
            request: TrialRequest(
                modelPath: "model.onnx",
                limits: TrialLimits(timeLimit: limit),
                signature: OnnxFixture.plainSignature(),
                libraryPaths: []
            )
        )
    }

    @Test func `an answer passes, and other lines do not matter`() throws {
        try child("echo noise; echo 'martlet-trial: passed'; echo more >&2")
    }

    @Test func `a reason reaches the user`() {
        #expect(throws: TrialError.failed("it is not round")) {
            try child("echo 'martlet-trial: it is not round'; exit 1")
        }
    }

    @Test func `a crash is the model's fault, also behind an answer`() {
        #expect(throws: TrialError.crashed(signal: 11)) { try child("kill -SEGV $$") }
        #expect(throws: TrialError.crashed(signal: 6)) {
            try child("echo 'martlet-trial: passed'; kill -ABRT $$")
        }
    }

    @Test func `a child that does not end is killed`() {
        let clock = ContinuousClock()
        let start = clock.now
        #expect(throws: TrialError.timedOut(limit: .milliseconds(300))) {
            try child("exec sleep 30", limit: .milliseconds(300))
        }
        // Silent or not, and with its output closed.
        #expect(throws: TrialError.timedOut(limit: .milliseconds(300))) {
            try child("exec sleep 30 >/dev/null 2>&1", limit: .milliseconds(300))
        }
        #expect(clock.now - start < .seconds(10))
    }

    @Test func `no answer and no program are told as such`() {
        for script in ["exit 0", "exit 3", "echo 'martlet-trial: passed'; exit 1"] {
            let error = #expect(throws: TrialError.self) { try child(script) }
            guard case .notHeld = error else {
                Issue.record("\(script): \(String(describing: error))")
                continue
            }
        }
        let error = #expect(throws: TrialError.self) {
            try ModelTrial.runInChild(
                executable: "/absent/martletd",
                arguments: [],
                request: TrialRequest(
                    modelPath: "",
                    limits: TrialLimits(),
                    signature: OnnxFixture.plainSignature(),
                    libraryPaths: []
                )
            )
        }
        #expect(error?.description.contains("/absent/martletd cannot be started") == true)
    }

    @Test func `a request survives the command line`() throws {
        let request = TrialRequest(
            modelPath: "a b/model.onnx",
            limits: TrialLimits(timeLimit: .milliseconds(1500)),
            signature: try OnnxFixture.signature("mixed"),
            libraryPaths: ["one", "two"]
        )
        #expect(TrialRequest(arguments: request.arguments) == request)
        #expect(TrialRequest(arguments: Array(request.arguments.prefix(9))) == nil)
        #expect(TrialRequest(arguments: []) == nil)
    }
}
