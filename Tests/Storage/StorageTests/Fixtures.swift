import Catalog
import Storage

/// A generator that gives the same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    mutating func pick<Value>(_ values: [Value]) -> Value { values[below(values.count)] }

    mutating func bytes(atMost count: Int) -> [UInt8] {
        (0..<below(count + 1)).map { _ in UInt8(below(256)) }
    }
}

/// Random rows over few timestamps, seconds, columns and values, so that they collide often.
struct RowGenerator {
    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func timestamp() -> WriteTimestamp {
        guard random.chance(3) else { return WriteTimestamp(Int64(random.below(8))) }
        return WriteTimestamp(random.pick([.min, .min + 1, -1, 1_700_000_000_000_000, .max]))
    }

    mutating func seconds() -> Int64 {
        guard random.chance(2) else { return Int64(random.below(6)) * 10 }
        return random.pick([.min, -1, 1_700_000_000, .max])
    }

    mutating func expiry() -> Expiry {
        Expiry(atSeconds: seconds(), timeToLiveSeconds: Int32(1 + random.below(3)))
    }

    mutating func value() -> [UInt8] {
        random.pick([[], [0], [1], [1, 0], [0xFF], [1, 2, 3, 4, 5, 6, 7, 8, 9], Array(0..<200)])
    }

    mutating func content() -> Cell.Content {
        switch random.below(10) {
        case 0..<4: .live(value())
        case 4..<7: .expiring(value(), expiry())
        case 7: .expired(atSeconds: seconds())
        default: .deleted(deletionSeconds: seconds())
        }
    }

    mutating func row() -> Row {
        var row = Row()
        if random.chance(40) {
            row.marker = RowMarker(
                timestamp: timestamp(),
                expiry: random.chance(50) ? expiry() : nil
            )
        }
        if random.chance(20) {
            row.deletion = Deletion(timestamp: timestamp(), deletionSeconds: seconds())
        }
        for column: UInt32 in [0, 1, 7, 300, .max] where random.chance(50) {
            row.cells.append(
                Cell(column: ColumnID(column), timestamp: timestamp(), content: content())
            )
        }
        for column: UInt32 in [2, 8] where random.chance(40) {
            if random.chance(30) {
                let deletion = Deletion(timestamp: timestamp(), deletionSeconds: seconds())
                row.collectionDeletions.append(
                    CollectionDeletion(column: ColumnID(column), deletion: deletion)
                )
            }
            let paths: [[UInt8]] = [[], [0], [1], [1, 1], [0xFE], Array(repeating: 7, count: 20)]
            for path in paths where random.chance(40) {
                row.cells.append(
                    Cell(
                        column: ColumnID(column),
                        path: path,
                        timestamp: timestamp(),
                        content: content()
                    )
                )
            }
        }
        return row
    }

    /// A row's bytes, or now and then something broken.
    mutating func operand(brokenPercent: Int) -> [UInt8] {
        let bytes = row().encoded()
        guard random.chance(brokenPercent) else { return bytes }
        switch random.below(5) {
        case 0: return []
        case 1: return [0xFF] + random.bytes(atMost: 6)
        case 2: return random.bytes(atMost: 12)
        case 3: return Array(bytes.prefix(random.below(bytes.count)))
        default:
            var flipped = bytes
            flipped[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
            return flipped
        }
    }
}

/// Shorthand for a column's id.
func column(_ id: UInt32) -> ColumnID { ColumnID(id) }

/// Shorthand for a timestamp.
func at(_ microseconds: Int64) -> WriteTimestamp { WriteTimestamp(microseconds) }

/// A row of one cell in column 1.
func rowOfCell(_ timestamp: Int64, _ content: Cell.Content) -> [UInt8] {
    Row(cells: [Cell(column: column(1), timestamp: at(timestamp), content: content)]).encoded()
}

/// An expiring cell's content.
func expiring(_ value: [UInt8], at seconds: Int64, ttl: Int32 = 5) -> Cell.Content {
    .expiring(value, Expiry(atSeconds: seconds, timeToLiveSeconds: ttl))
}
