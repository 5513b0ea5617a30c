/// What is stored, and how much of it a request asks for.
struct FeatureShape: Sendable {
    /// Entities in a request.
    let entities: Int
    /// Features of an entity.
    let features: Int
    /// Entities that are stored, with the keys from 0.
    let keys: Int

    /// A feature's value: any number will do, as long as it is not the same everywhere.
    func value(key: Int, feature: Int) -> Float {
        Float((key &* 31 &+ feature &* 17) % 10_007) / 10_007
    }

    /// The distinct keys of one request.
    func draw(_ generator: inout SplitMix64) -> [Int] {
        var drawn: Set<Int> = []
        var list: [Int] = []
        list.reserveCapacity(entities)
        while list.count < entities {
            let key = Int.random(in: 0..<keys, using: &generator)
            if drawn.insert(key).inserted { list.append(key) }
        }
        return list
    }
}

/// A generator of random numbers that a seed repeats (Steele, Lea, Flood: SplitMix).
struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
