import Replication
import Testing

@Suite struct TokenBucketTests {
    @Test func `a debt is paid at the rate`() {
        var bucket = TokenBucket(bytesPerSecond: 1_000)
        #expect(bucket.isReady(now: .zero))
        bucket.take(500, now: .zero)
        #expect(!bucket.isReady(now: .zero))
        #expect(bucket.ready(now: .zero) == .milliseconds(500))
        #expect(!bucket.isReady(now: .milliseconds(499)))
        #expect(bucket.isReady(now: .milliseconds(500)))
        #expect(bucket.ready(now: .seconds(3)) == .seconds(3))
    }

    @Test func `debts add up`() {
        var bucket = TokenBucket(bytesPerSecond: 1_000)
        bucket.take(500, now: .zero)
        bucket.take(500, now: .zero)
        #expect(bucket.ready(now: .zero) == .seconds(1))
    }

    @Test func `time without use saves up no more than the burst`() {
        var bucket = TokenBucket(bytesPerSecond: 1_000, burstBytes: 300)
        bucket.take(300, now: .seconds(100))
        #expect(bucket.isReady(now: .seconds(100)))
        bucket.take(400, now: .seconds(100))
        #expect(bucket.ready(now: .seconds(100)) == .milliseconds(100_400))
    }

    @Test func `a rate of zero bounds nothing`() {
        var bucket = TokenBucket(bytesPerSecond: 0, burstBytes: 0)
        bucket.take(.max, now: .seconds(1))
        #expect(bucket.isReady(now: .seconds(1)))
    }

    @Test func `a slow rate has a burst of one second, and a greater page goes through`() {
        var slow = TokenBucket.paced(bytesPerSecond: 6_144)
        #expect(slow.burstBytes == 6_144)
        slow.take(262_144, now: .seconds(100))
        #expect(slow.ready(now: .seconds(100)) > .seconds(141))
        #expect(slow.isReady(now: .seconds(142)))
        #expect(TokenBucket.paced(bytesPerSecond: 16 << 20).burstBytes == 1 << 20)
        #expect(TokenBucket.paced(bytesPerSecond: 0).isReady(now: .zero))
    }

    @Test func `nothing taken costs nothing`() {
        var bucket = TokenBucket(bytesPerSecond: 1)
        bucket.take(0, now: .zero)
        bucket.take(-5, now: .zero)
        #expect(bucket.isReady(now: .zero))
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `in any window no more is taken than rate, burst and one piece`(seed: UInt64) {
        var random = CacheRandom(seed: seed)
        var bucket = TokenBucket(bytesPerSecond: 1_000, burstBytes: 200)
        var taken: [(at: Duration, bytes: Int)] = []
        var now = Duration.zero
        for _ in 0..<200 {
            now += .milliseconds(random.below(150))
            guard bucket.isReady(now: now) else { continue }
            let bytes = random.below(300)
            bucket.take(bytes, now: now)
            taken.append((now, bytes))
        }
        #expect(taken.count > 20)
        for first in taken.indices {
            var sum = 0
            for last in first..<taken.count {
                sum += taken[last].bytes
                let allowed = .milliseconds(sum - 200 - taken[last].bytes) as Duration
                #expect(allowed <= taken[last].at - taken[first].at)
            }
        }
    }
}
