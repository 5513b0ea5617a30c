internal import Catalog

extension HistoryChecker {
    /// Checks that every request that was answered was answered in its time.
    package mutating func checkTimes() {
        guard let times = rules.times else { return }
        for operation in history.operations {
            guard let returned = operation.returned else { continue }
            let paused = paused(operation.node, operation.invoked, returned)
            let taken = returned - operation.invoked - paused
            let allowed = longest(operation, times)
            guard taken > allowed else { continue }
            let text =
                "it took \(taken.secondsText) s beside pauses of its coordinator, "
                + "\(allowed.secondsText) s at most are allowed"
            report(.everythingAnswers, operation, operation.keys.first ?? 0, text)
        }
    }

    private func longest(_ operation: Operation, _ times: RequestTimes) -> Nanoseconds {
        var longest = times.slack
        switch operation.request {
        case .write(_, _, let isLogged): longest += isLogged ? times.batch : times.write
        case .read: longest += times.read
        // Each page has a row or ends behind a slice, and one more shows that there is no more.
        case .scan:
            let rows = cells.keys.count { $0.table == operation.table }
            longest += times.read * Nanoseconds(rows + times.sliceCount + 1)
        case .score: longest += times.score
        case .schema: longest += times.schema
        }
        return operation.level == .any ? longest + times.hintSlack : longest
    }

    /// For how long a node did nothing within a span.
    func paused(_ node: Int, _ start: Nanoseconds, _ end: Nanoseconds) -> Nanoseconds {
        var sum: Nanoseconds = 0
        var counted = start
        for pause in history.pauses where pause.node == node {
            let from = max(pause.start, counted)
            let until = min(pause.end, end)
            guard from < until else { continue }
            sum += until - from
            counted = until
        }
        return sum
    }
}
