internal import Foundation
package import HistoryChecking

/// The simulator's source of random numbers: the same seed gives the same numbers everywhere.
///
/// SplitMix64 of Steele, Lea and Flood (OOPSLA 2014). Every subsystem has a generator of its own,
/// forked by name from the seed, so that one more draw in one of them changes nothing elsewhere.
package struct SimulatedRandom: RandomNumberGenerator, Sendable {
    private let seed: UInt64
    private var state: UInt64

    /// The numbers of a seed.
    package init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    /// Numbers of another subsystem; independent of what was drawn so far.
    package func forked(_ name: String, _ index: Int = 0) -> SimulatedRandom {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let mixed = Self.mix(seed &+ 0x632B_E593_B8D4_21C7) ^ Self.mix(hash)
        return SimulatedRandom(seed: Self.mix(mixed &+ UInt64(bitPattern: Int64(index))))
    }

    /// The first number: a seed for something else.
    package var firstNumber: UInt64 { Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15) }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// A number in `0..<bound`.
    package mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0, "no number below \(bound)")
        return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A number of a range.
    package mutating func number(in range: ClosedRange<Int64>) -> Int64 {
        let width = UInt64(bitPattern: range.upperBound &- range.lowerBound)
        guard width < .max else { return Int64(bitPattern: next()) }
        let offset = next().multipliedFullWidth(by: width + 1).high
        return range.lowerBound &+ Int64(bitPattern: offset)
    }

    /// A number of a range.
    package mutating func number(in range: ClosedRange<Int>) -> Int {
        Int(number(in: Int64(range.lowerBound)...Int64(range.upperBound)))
    }

    /// A number from 0 to below 1.
    package mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A number of a range.
    package mutating func fraction(in range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * fraction()
    }

    /// Whether something of a probability happens.
    package mutating func chance(_ probability: Double) -> Bool {
        probability > 0 && fraction() < probability
    }

    /// An exponentially distributed span with a mean.
    package mutating func exponential(mean: Nanoseconds) -> Nanoseconds {
        Nanoseconds(-log(1 - fraction()) * Double(mean))
    }

    /// One of some elements.
    package mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[below(elements.count)]
    }

    /// One of some elements, the more likely the greater its weight.
    package mutating func pick<Element>(weighted elements: [(Element, weight: Int)]) -> Element {
        let sum = elements.reduce(0) { $0 + $1.weight }
        var rest = below(sum)
        for (element, weight) in elements {
            if rest < weight { return element }
            rest -= weight
        }
        preconditionFailure("the weights add up to \(sum), \(rest) is left")
    }

    /// Puts elements into random order (Fisher and Yates).
    package mutating func shuffle<Element>(_ elements: inout [Element]) {
        for position in elements.indices {
            elements.swapAt(position, position + below(elements.count - position))
        }
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
