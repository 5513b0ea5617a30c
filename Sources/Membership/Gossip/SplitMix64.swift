/// The machine's own source of random numbers, so that one seed gives one transcript.
///
/// SplitMix64 of Steele, Lea and Flood (OOPSLA 2014): a counter and a mixing function.
struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number in `0..<bound`.
    ///
    /// By multiplication, whose bias is below bound / 2^64; the standard library's own ways may draw
    /// differently in another release, and would change every golden transcript.
    mutating func index(below bound: Int) -> Int {
        precondition(bound > 0, "no index below \(bound)")
        return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// Moves `count` randomly chosen elements to the front, in random order (Fisher and Yates).
    mutating func shuffleFront<Element>(_ count: Int, of elements: inout [Element]) {
        for position in 0..<min(count, elements.count) {
            elements.swapAt(position, position + index(below: elements.count - position))
        }
    }
}
