import Catalog
import Coordination
import PeerMessages
import Testing
import TokenPlacement

struct LatencyTrackerTests {
    private let a = Fixture.a
    private let b = Fixture.b
    private let c = Fixture.c

    private func tracker(_ latencies: [(NodeID, Duration)], times: Int = 20) -> LatencyTracker {
        var tracker = LatencyTracker()
        for round in 0..<times {
            for (node, latency) in latencies {
                tracker.answered(node, after: latency, now: .milliseconds(round))
            }
        }
        return tracker
    }

    // MARK: Order

    @Test func `tiny differences are none, and doublings are buckets`() {
        let tracker = tracker([
            (a, .microseconds(200)), (b, .microseconds(900)), (c, .microseconds(4100)),
        ])
        #expect(tracker.buckets(of: [a, b, c]) == [a: 0, b: 0, c: 3])
        #expect(tracker.buckets(of: [b, c]) == [b: 0, c: 2], "compared with who is asked for")
        #expect(tracker.buckets(of: [a, Fixture.d]) == [a: 0, Fixture.d: 0])
    }

    @Test func `a failure makes a node slow, answers make it fast again`() {
        var tracker = tracker([(a, .milliseconds(1)), (b, .milliseconds(1))])
        tracker.failed(b, now: .milliseconds(30))
        #expect((tracker.buckets(of: [a, b])[b] ?? 0) >= 4)
        var rounds = 0
        while tracker.buckets(of: [a, b])[b] != 0 {
            tracker.answered(b, after: .milliseconds(1), now: .milliseconds(31))
            rounds += 1
            #expect(rounds < 30)
        }
        #expect(rounds > 3)
    }

    @Test func `what a node answers at once makes it fast again, and sets no delay`() {
        var tracker = tracker([(a, .milliseconds(40)), (b, .milliseconds(1))])
        #expect((tracker.buckets(of: [a, b])[a] ?? 0) >= 4)
        let delay = tracker.delay(percentile: 99, timeout: .seconds(5))
        for _ in 0..<1000 { tracker.answeredAtOnce(a) }
        #expect(tracker.buckets(of: [a, b])[a] == 0)
        #expect(tracker.delay(percentile: 99, timeout: .seconds(5)) == delay)
        var empty = LatencyTracker()
        empty.answeredAtOnce(a)
        #expect(empty.buckets(of: [a, b]) == [a: 0, b: 0])
    }

    @Test func `who is overdue counts as slow as it is at least, before it answers`() {
        var tracker = tracker([(a, .milliseconds(1)), (b, .milliseconds(1))])
        tracker.overdue(b, for: .milliseconds(5), now: .milliseconds(30))
        #expect(tracker.buckets(of: [a, b]) == [a: 0, b: 2])
        tracker.overdue(b, for: .milliseconds(1), now: .milliseconds(30))
        #expect(tracker.buckets(of: [a, b]) == [a: 0, b: 2], "it never makes a node faster")
    }

    @Test func `failures are bounded`() {
        var tracker = tracker([(a, .milliseconds(1))])
        for _ in 0..<100 { tracker.failed(b, now: .seconds(1)) }
        #expect(tracker.buckets(of: [a, b])[b] == 13)
    }

    @Test func `a slow node that is idle drifts back to the fastest, and is tried again`() {
        var tracker = tracker([(a, .milliseconds(1)), (b, .milliseconds(40))])
        var last = 100
        var seen: [Int] = []
        for second in stride(from: 1, through: 120, by: 1) {
            tracker.answered(a, after: .milliseconds(1), now: .seconds(second))
            let bucket = tracker.buckets(of: [a, b])[b] ?? -1
            #expect(bucket <= last)
            if bucket != last { seen.append(bucket) }
            last = bucket
        }
        #expect(seen == [5, 4, 3, 2, 1, 0])
    }

    @Test func `a node that is no more is forgotten`() {
        var tracker = tracker([(a, .milliseconds(1)), (b, .milliseconds(40))])
        #expect(tracker.buckets(of: [a, b])[b] == 5)
        tracker.forget(allBut: [a])
        #expect(tracker.buckets(of: [a, b])[b] == 0)
    }

    @Test func `candidates are ordered by datacenter, then latency, then coverage`() throws {
        let view = Fixture.view(nodes: 5, .simple(factor: 3), node: Fixture.e)
        let partition = try Fixture.partition(on: [a, b, c], in: view)
        func candidates(_ tracker: LatencyTracker?) throws -> [NodeID] {
            try view.group(
                [partition],
                keyspace: "ks",
                consistency: .quorum,
                latencies: tracker
            )[0].candidates
        }
        #expect(try candidates(nil) == [a, b, c])
        #expect(
            try candidates(
                tracker([
                    (a, .milliseconds(9)), (b, .milliseconds(1)), (c, .microseconds(1100)),
                ])
            ) == [b, c, a]
        )
    }

    @Test func `this node is first unless it is markedly slower`() throws {
        let view = Fixture.view(nodes: 5, .simple(factor: 3), node: c)
        let partition = try Fixture.partition(on: [a, b, c], in: view)
        func first(_ own: Duration) throws -> NodeID {
            let tracker = tracker([
                (a, .milliseconds(1)), (b, .milliseconds(1)), (c, own),
            ])
            return try view.group(
                [partition],
                keyspace: "ks",
                consistency: .quorum,
                latencies: tracker
            )[0].candidates[0]
        }
        #expect(try first(.milliseconds(1)) == c)
        #expect(try first(.microseconds(3500)) == c)
        #expect(try first(.milliseconds(5)) == a)
    }

    @Test func `a fast node elsewhere comes behind a slow one here`() throws {
        let strategy = ReplicationStrategy.networkTopology([
            DatacenterFactor(datacenter: "east", factor: 1),
            DatacenterFactor(datacenter: "west", factor: 1),
        ])
        let whole = Fixture.view(nodes: 2, strategy, datacenters: ["east", "west"], node: b)
        let tracker = tracker([(a, .milliseconds(1)), (b, .milliseconds(90))])
        let group = try whole.group(
            [.init(key: [1])],
            keyspace: "ks",
            consistency: .one,
            latencies: tracker
        )[0]
        #expect(group.candidates == [b, a])
    }

    // MARK: Delay

    @Test func `until enough is measured the delay is half of the read's time`() {
        var tracker = LatencyTracker()
        for _ in 0..<31 { tracker.answered(a, after: .milliseconds(3), now: .zero) }
        #expect(tracker.delay(percentile: 99, timeout: .seconds(5)) == .milliseconds(2500))
        tracker.answered(a, after: .milliseconds(3), now: .zero)
        let delay = tracker.delay(percentile: 99, timeout: .seconds(5))
        #expect(delay >= .milliseconds(3) && delay < .microseconds(3400))
    }

    @Test func `the delay is the percentile, within an eighth`() {
        var tracker = LatencyTracker()
        for number in 1...1000 {
            tracker.answered(a, after: .microseconds(number * 100), now: .zero)
        }
        for (percentile, micros) in [(50.0, 50_000.0), (90, 90_000), (99, 99_000), (100, 100_000)] {
            let delay = tracker.delay(percentile: percentile, timeout: .seconds(5))
            let ratio = delay / .microseconds(1) / micros
            #expect(ratio >= 1 && ratio < 1.13, "\(percentile): \(delay)")
        }
    }

    @Test func `the delay is at least a millisecond and at most half of the read's time`() {
        let fast = tracker([(a, .microseconds(5))], times: 100)
        #expect(fast.delay(percentile: 99, timeout: .seconds(5)) == .milliseconds(1))
        #expect(fast.delay(percentile: 99, timeout: .zero) == .milliseconds(1))
        let slow = tracker([(a, .seconds(4))], times: 100)
        #expect(slow.delay(percentile: 99, timeout: .seconds(5)) == .milliseconds(2500))
        let absurd = tracker([(a, .seconds(400_000_000))], times: 100)
        #expect(absurd.delay(percentile: 99, timeout: .seconds(5)) == .milliseconds(2500))
    }

    @Test func `old latencies are forgotten`() {
        var tracker = tracker([(a, .milliseconds(500))], times: 8000)
        #expect(tracker.delay(percentile: 99, timeout: .seconds(5)) > .milliseconds(400))
        for _ in 0..<60_000 { tracker.answered(a, after: .milliseconds(2), now: .zero) }
        #expect(tracker.delay(percentile: 99, timeout: .seconds(5)) < .milliseconds(3))
    }
}
