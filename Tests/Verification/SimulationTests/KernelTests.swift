import HistoryChecking
import Simulation
import Testing

struct KernelTests {
    @Test func `events happen in the order of time, then of scheduling`() {
        let kernel = Kernel(nodeCount: 1)
        var seen: [Int] = []
        for (index, time) in [30, 10, 20, 10, 30, 0].enumerated() {
            kernel.schedule(at: Nanoseconds(time), node: 0, kind: .timer) { seen.append(index) }
        }
        kernel.run(until: 100)
        #expect(seen == [5, 1, 3, 2, 0, 4])
        #expect(kernel.now == 100)
        #expect(kernel.eventCount == 6)
    }

    @Test func `many random events come out sorted`() {
        var random = SimulatedRandom(seed: 7)
        let kernel = Kernel(nodeCount: 1)
        var seen: [Nanoseconds] = []
        var expected: [Nanoseconds] = []
        for _ in 0..<3000 {
            let time = random.number(in: Nanoseconds(0)...500)
            expected.append(time)
            kernel.schedule(at: time, node: Kernel.world, kind: .timer) { seen.append(kernel.now) }
        }
        kernel.run(until: 1000)
        #expect(seen == expected.sorted())
    }

    @Test func `a cancelled event does not happen, and its place may be used again`() {
        let kernel = Kernel(nodeCount: 1)
        var seen: [Int] = []
        let first = kernel.schedule(at: 10, node: 0, kind: .timer) { seen.append(1) }
        kernel.cancel(first)
        kernel.run(until: 20)
        kernel.schedule(at: 30, node: 0, kind: .timer) { seen.append(2) }
        kernel.cancel(first)
        kernel.run(until: 40)
        #expect(seen == [2])
    }

    @Test func `events of an earlier life do not happen`() {
        let kernel = Kernel(nodeCount: 2)
        var seen: [Int] = []
        kernel.schedule(at: 10, node: 0, kind: .timer) { seen.append(0) }
        kernel.schedule(at: 10, node: 1, kind: .timer) { seen.append(1) }
        kernel.endLife(of: 0)
        kernel.schedule(at: 20, node: 0, kind: .timer) { seen.append(2) }
        kernel.run(until: 30)
        #expect(seen == [1, 2])
    }

    @Test func `a countdown strikes between two events`() {
        let kernel = Kernel(nodeCount: 1)
        var seen: [Int] = []
        for index in 0..<5 {
            kernel.schedule(at: Nanoseconds(index), node: 0, kind: .timer) { seen.append(index) }
        }
        kernel.after(events: 3) { seen.append(-1) }
        kernel.run(until: 10)
        #expect(seen == [0, 1, 2, -1, 3, 4])
    }

    @Test func `the trace tells what happened when and to whom`() {
        func trace(_ time: Nanoseconds, _ node: Int, _ digest: UInt64) -> TraceHash {
            let kernel = Kernel(nodeCount: 2)
            kernel.schedule(at: time, node: node, kind: .timer, digest: digest) {}
            kernel.run(until: 100)
            return kernel.trace
        }
        #expect(trace(1, 0, 5) == trace(1, 0, 5))
        let others = [trace(1, 0, 5), trace(2, 0, 5), trace(1, 1, 5), trace(1, 0, 6)]
        #expect(Set(others).count == 4)
    }

    @Test func `random numbers depend on the seed and the fork's name only`() {
        let root = SimulatedRandom(seed: 1)
        var drawn = root
        _ = drawn.next()
        var first = root.forked("disk", 1)
        var second = drawn.forked("disk", 1)
        var other = root.forked("disk", 2)
        let number = first.next()
        #expect(number == second.next())
        #expect(number != other.next())
    }

    @Test func `random numbers stay in their ranges`() {
        var random = SimulatedRandom(seed: 3)
        var sum: Nanoseconds = 0
        for _ in 0..<2000 {
            #expect((0..<7).contains(random.below(7)))
            #expect((-3...3).contains(random.number(in: -3...3)))
            let span = random.exponential(mean: 1000)
            #expect(span >= 0)
            sum += span
        }
        #expect((800_000...1_200_000).contains(sum / 2))
        var elements = Array(0..<20)
        random.shuffle(&elements)
        #expect(elements.sorted() == Array(0..<20))
    }

    @Test func `clocks drift and are skewed apart from each other`() {
        var clock = NodeClock()
        clock.driftPartsPerMillion = 100
        clock.skew = .seconds(-5)
        clock.origin = .seconds(1000)
        let time = Nanoseconds.seconds(100)
        #expect(clock.monotonic(at: time) == .seconds(1100) + .milliseconds(10))
        #expect(clock.wallMicros(at: time) == (NodeClock.epochSeconds + 95) * 1_000_000 + 10_000)
        #expect(clock.trueSpan(of: .seconds(1)) < .seconds(1))
    }
}
