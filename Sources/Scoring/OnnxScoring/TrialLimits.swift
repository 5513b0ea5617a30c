/// What a model may take while it is on trial.
package struct TrialLimits: Equatable, Sendable {
    /// The address space of the child process; 2 GiB by default.
    package var addressSpaceBytesMax: Int
    /// The cap of the child's arena.
    package var arenaBytesMax: Int
    /// The most bytes of a model.
    package var modelBytesMax: Int
    /// After it the child is killed; 10 s by default.
    package var timeLimit: Duration

    /// Limits, each with its default.
    package init(
        addressSpaceBytesMax: Int = 2 << 30,
        arenaBytesMax: Int = 512 << 20,
        modelBytesMax: Int = 64 << 20,
        timeLimit: Duration = .seconds(10)
    ) {
        self.addressSpaceBytesMax = addressSpaceBytesMax
        self.arenaBytesMax = arenaBytesMax
        self.modelBytesMax = modelBytesMax
        self.timeLimit = timeLimit
    }
}

/// Why a model did not pass its trial; the text is for whoever pushed it.
package enum TrialError: Error, Equatable, CustomStringConvertible {
    /// The trial could not be held; it says nothing of the model.
    case notHeld(String)
    /// The model was loaded or run, and is not what it should be.
    case failed(String)
    /// The child process was killed by a signal, as by a fault in the engine or for its memory.
    case crashed(signal: Int32)
    /// The child process did not come to an end in time.
    case timedOut(limit: Duration)

    package var description: String {
        switch self {
        case .notHeld(let reason): "the model could not be tried: \(reason)"
        case .failed(let reason): "the model failed its trial: \(reason)"
        case .crashed(let signal):
            "the model failed its trial: loading or running it crashed a child process "
                + "(signal \(signal))"
        case .timedOut(let limit):
            "the model failed its trial: loading and running it took longer than \(limit)"
        }
    }
}
