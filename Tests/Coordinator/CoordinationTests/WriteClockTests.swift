import Coordination
import Testing

struct WriteClockTests {
    @Test func `timestamps rise though the wall clock stands, goes back and jumps`() {
        var random = SplitMix(state: 1)
        var clock = WriteClock(loop: 2, loopCount: 3)
        var wall: Int64 = 1_700_000_000_000_000
        var last = Int64.min
        for _ in 0..<2000 {
            wall += Int64.random(in: -2_000_000...2_000_000, using: &random)
            let next = clock.next(wallMicros: wall)
            #expect(next > last)
            #expect(next >= wall)
            last = next
        }
    }

    @Test func `a clock that goes on is followed to less than the count of loops`() {
        var clock = WriteClock(loop: 4, loopCount: 7)
        for wall in stride(from: Int64(1000), to: 100_000, by: 13) {
            let next = clock.next(wallMicros: wall)
            #expect((wall..<wall + 7).contains(next))
        }
    }

    @Test func `loops never give the same timestamp`() {
        var clocks = (0..<4).map { WriteClock(loop: $0, loopCount: 4) }
        var seen: Set<Int64> = []
        for wall in [Int64(50), 50, 50, 51, 40, 90, 91, 92, 0, -7] {
            for loop in clocks.indices {
                #expect(seen.insert(clocks[loop].next(wallMicros: wall)).inserted)
            }
        }
        #expect(seen.count == 40)
    }

    @Test func `one loop gives the wall clock itself, and absurd clocks do not trap`() {
        var clock = WriteClock(loop: 0, loopCount: 1)
        #expect(clock.next(wallMicros: 5) == 5)
        #expect(clock.next(wallMicros: 5) == 6)
        #expect(clock.next(wallMicros: .max) == 1 << 62)
        #expect(clock.next(wallMicros: .max) == 1 << 62 + 1)
        var early = WriteClock(loop: 1, loopCount: 3)
        let first = early.next(wallMicros: .min)
        #expect(early.next(wallMicros: .min) == first + 3)
    }
}
