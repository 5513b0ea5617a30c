import Coordination
import Testing

@Suite
struct WriteClockTests {
    @Test
    func `timestamps follow the wall clock and grow though it stands or goes back`() {
        let clock = WriteClock()
        var last = Int64.min
        for wall: Int64 in [100, 100, 100, 90, 5, 101, 102, 500, 499, 2_000_000] {
            let next = clock.next(wallMicros: wall)
            #expect(next > last)
            #expect(next >= wall)
            last = next
        }
        #expect(last == 2_000_000)
    }

    @Test
    func `a clock that went back loses nothing to what another loop gave before`() {
        // One clock for all loops: a write behind another one, wherever it came in, is later.
        let clock = WriteClock()
        let before = clock.next(wallMicros: 3_600_000_000)
        #expect(clock.next(wallMicros: 1) == before + 1)
        #expect(clock.next(wallMicros: 2) == before + 2)
    }

    @Test
    func `threads never get the same timestamp`() async {
        let clock = WriteClock()
        let all = await withTaskGroup(of: [Int64].self) { group in
            for _ in 0..<4 {
                group.addTask { (0..<5000).map { _ in clock.next(wallMicros: 7) } }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(Set(all).count == 20_000)
        #expect(all.min() == 7)
        #expect(all.max() == 20_006)
    }

    @Test
    func `extreme clocks neither trap nor repeat`() {
        let clock = WriteClock()
        #expect(clock.next(wallMicros: .min) == -(1 << 62))
        #expect(clock.next(wallMicros: .min) == -(1 << 62) + 1)
        #expect(clock.next(wallMicros: .max) == 1 << 62)
        #expect(clock.next(wallMicros: .max) == 1 << 62 + 1)
    }
}
