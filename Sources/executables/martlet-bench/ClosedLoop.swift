internal import Histogram

/// One connection that has one request under way.
protocol Lane: Sendable {
    /// Asks for the entities with the keys, and returns how many rows came.
    func read(_ keys: [Int]) async throws -> Int

    /// Closes the connection.
    func close()
}

/// What a run has measured.
struct Measurement: Sendable {
    var seconds: Double
    var requests: Int
    var rows: Int
    /// Rows that were asked for and did not come; there should be none.
    var rowsMissed: Int
    /// Nanoseconds.
    var p50: UInt64
    var p99: UInt64
    var max: UInt64

    var requestsPerSecond: Double { Double(requests) / seconds }
    var rowsPerSecond: Double { Double(rows) / seconds }
}

/// Has every lane ask again as soon as it has its answer.
struct ClosedLoop: Sendable {
    /// Drawn before the time runs, so that drawing is not measured.
    private static let requestsDrawn = 256

    let shape: FeatureShape
    let seed: UInt64
    let warmup: Duration
    let duration: Duration

    private struct LaneResult: Sendable {
        var latencies: Histogram<UInt32>
        var requests = 0
        var rows = 0
        var rowsMissed = 0
    }

    func run(_ lanes: [any Lane]) async throws -> Measurement {
        let clock = ContinuousClock()
        let draws = lanes.indices.map { lane in
            var generator = SplitMix64(seed: seed &* 1_000_003 &+ UInt64(lane))
            return (0..<Self.requestsDrawn).map { _ in shape.draw(&generator) }
        }
        let start = clock.now + warmup
        let end = start + duration
        let results = try await withThrowingTaskGroup(of: LaneResult.self) { group in
            for (lane, requests) in zip(lanes, draws) {
                group.addTask { try await Self.run(lane, requests, from: start, to: end) }
            }
            var results: [LaneResult] = []
            for try await result in group { results.append(result) }
            return results
        }
        var latencies = Self.histogram()
        for result in results { latencies.add(result.latencies) }
        let (seconds, attoseconds) = duration.components
        return Measurement(
            seconds: Double(seconds) + Double(attoseconds) / 1e18,
            requests: results.reduce(0) { $0 + $1.requests },
            rows: results.reduce(0) { $0 + $1.rows },
            rowsMissed: results.reduce(0) { $0 + $1.rowsMissed },
            p50: latencies.valueAtPercentile(50),
            p99: latencies.valueAtPercentile(99),
            max: latencies.max
        )
    }

    /// Nanoseconds up to a minute in three digits.
    private static func histogram() -> Histogram<UInt32> {
        Histogram<UInt32>(
            lowestDiscernibleValue: 1000,
            highestTrackableValue: 60_000_000_000,
            numberOfSignificantValueDigits: .three
        )
    }

    @concurrent
    private static func run(
        _ lane: any Lane,
        _ requests: [[Int]],
        from start: ContinuousClock.Instant,
        to end: ContinuousClock.Instant
    ) async throws -> LaneResult {
        let clock = ContinuousClock()
        var result = LaneResult(latencies: histogram())
        var index = 0
        while true {
            let keys = requests[index % requests.count]
            index += 1
            let sent = clock.now
            if sent >= end { return result }
            let rows = try await lane.read(keys)
            let now = clock.now
            // What began in the warm-up or ended too late is not counted.
            guard sent >= start, now <= end else { continue }
            let elapsed = (now - sent).components
            let nanoseconds =
                UInt64(elapsed.seconds) * 1_000_000_000
                + UInt64(elapsed.attoseconds / 1_000_000_000)
            result.latencies.record(nanoseconds)
            result.requests += 1
            result.rows += rows
            result.rowsMissed += keys.count - rows
        }
    }
}
