/// A value that belongs to one event loop: it may be handed around, and is touched only there.
///
/// `@unchecked Sendable`: every access checks that it happens on the loop.
package struct LoopBound<Value>: @unchecked Sendable {
    private let stored: Value

    /// The loop that the value belongs to.
    package let executor: any LoopExecutor

    /// Binds a value to a loop; called on it.
    package init(_ value: Value, on executor: any LoopExecutor) {
        stored = value
        self.executor = executor
    }

    /// The value; only on its loop.
    package var value: Value {
        precondition(executor.isCurrent, "a value was touched off its event loop")
        return stored
    }

    /// The value, for whoever wires a node together before anything runs on its loops.
    package var beforeRunning: Value { stored }

    /// Runs `body` on the loop: at once if that is where this is called.
    package func perform(_ body: @escaping @Sendable (Value) -> Void) {
        if executor.isCurrent {
            body(stored)
        } else {
            executor.execute { body(value) }
        }
    }
}
