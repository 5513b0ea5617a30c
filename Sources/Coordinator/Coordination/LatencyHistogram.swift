/// Counts latencies in buckets that are an eighth apart, and slowly forgets them.
///
/// Once 8,192 are counted all counts are halved, so that old ones weigh less and less.
struct LatencyHistogram: Sendable {
    /// Eight buckets for each power of two, up to 2^26 microseconds (67 s).
    private static let bucketCount = 26 * 8
    private static let countMax = 8192
    /// Fewer latencies tell nothing of their tail.
    private static let countMin = 32

    private var counts = [UInt16](repeating: 0, count: bucketCount)
    private var total = 0

    /// Counts a latency.
    mutating func record(_ micros: Double) {
        counts[Self.bucket(of: micros)] += 1
        total += 1
        guard total >= Self.countMax else { return }
        total = 0
        for bucket in counts.indices {
            counts[bucket] /= 2
            total += Int(counts[bucket])
        }
    }

    /// The upper end of the bucket below which so many of a hundred latencies are, or nil if too
    /// few were counted.
    func micros(percentile: Double) -> Int64? {
        guard total >= Self.countMin else { return nil }
        let share = min(max(percentile, 0), 100) / 100
        // Counted from above: the tail is short.
        var above = Int(Double(total) * (1 - share))
        for bucket in counts.indices.reversed() {
            above -= Int(counts[bucket])
            if above < 0 { return Self.upperEnd(of: bucket) }
        }
        return Self.upperEnd(of: 0)
    }

    private static func bucket(of micros: Double) -> Int {
        guard micros >= 1 else { return 0 }
        let whole = UInt64(min(micros, 1e12))
        let power = 63 - whole.leadingZeroBitCount
        let eighth = Int(power >= 3 ? whole >> UInt64(power - 3) : whole << UInt64(3 - power)) & 7
        return min(power * 8 + eighth, bucketCount - 1)
    }

    private static func upperEnd(of bucket: Int) -> Int64 {
        let (power, eighth) = (bucket / 8, bucket % 8)
        let eighths = Int64(8 + eighth + 1)
        return power >= 3 ? eighths << Int64(power - 3) : (eighths >> Int64(3 - power)) + 1
    }
}
