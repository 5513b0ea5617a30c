import Foundation
import RocksStorage
import Storage
import Synchronization

/// SplitMix64: the same numbers for the same seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
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
}

/// A row format for tests: an ascending set of numbers, four bytes each; merging is union.
enum NumberSet {
    static let merging = RowMerging { operands in
        encode(operands.reduce(into: Set<UInt32>()) { $0.formUnion(decode(Array($1))) })
    }

    static func encode(_ numbers: Set<UInt32>) -> [UInt8] {
        numbers.sorted().flatMap { number in
            withUnsafeBytes(of: number.bigEndian) { Array($0) }
        }
    }

    static func decode(_ bytes: [UInt8]) -> Set<UInt32> {
        Set(
            stride(from: 0, to: bytes.count, by: 4).map { start in
                bytes[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) }
            }
        )
    }
}

/// The key of a numbered row; keys sort as numbers do.
func key(_ number: Int) -> [UInt8] { bytes("k\(10_000 + number)") }

/// Writes of numbered rows.
func rows(_ numbers: Range<Int>) -> StoreWrites {
    var writes = StoreWrites()
    for number in numbers { writes.merge(NumberSet.encode([1]), into: key(number)) }
    return writes
}

/// Collects outcomes; can hold the writer inside the call.
final class RecordingSink: CommitSink {
    private struct State {
        var calls: [[CommitOutcome]] = []
        var holds = false
    }

    private let state = Mutex(State())
    private let entered = DispatchSemaphore(value: 0)
    private let released = DispatchSemaphore(value: 0)
    private let answered = DispatchSemaphore(value: 0)

    func committed(_ outcomes: [CommitOutcome]) {
        let holds = state.withLock { state in
            state.calls.append(outcomes)
            defer { state.holds = false }
            return state.holds
        }
        if holds {
            entered.signal()
            released.wait()
        }
        for _ in outcomes { answered.signal() }
    }

    /// The next call does not return before ``release()``.
    func holdNextCall() { state.withLock { $0.holds = true } }
    func waitUntilHeld() { entered.wait() }
    func release() { released.signal() }

    /// Waits for that many outcomes more.
    func waitForOutcomes(_ count: Int) {
        for _ in 0..<count { answered.wait() }
    }

    var calls: [[CommitOutcome]] { state.withLock { $0.calls } }
    var outcomes: [CommitOutcome] { calls.flatMap { $0 } }
    var acknowledged: Set<UInt64> { Set(outcomes.filter { $0.error == nil }.map(\.ticket)) }
}

/// A folder that is removed with this object; what an earlier run left behind is never in it.
final class TemporaryFolder {
    let path = NSTemporaryDirectory() + "martlet-store-\(UUID().uuidString)"

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }
}

extension RocksOptions {
    /// Small bounds, so that tests reach them.
    static func small(path: String = "/store") -> RocksOptions {
        var options = RocksOptions(path: path)
        options.blockCacheBytes = 4 << 20
        options.rowCacheBytes = 1 << 20
        options.memtableBytes = 256 << 10
        options.totalWALBytesMax = 1 << 20
        return options
    }
}

extension RocksStore {
    /// A store of number sets on a simulated disk.
    convenience init(
        on disk: SimulatedDisk,
        options: RocksOptions = .small(),
        acknowledgement: StoreEnvironment.Acknowledgement = .afterSync
    ) throws {
        try self.init(
            options: options,
            merging: NumberSet.merging,
            environment: disk.environment(acknowledgement: acknowledgement)
        )
    }
}

extension StoreWrites {
    /// One batch that merges a number into rows.
    static func merging(_ number: UInt32, into keys: [UInt8]...) -> StoreWrites {
        var writes = StoreWrites()
        for key in keys { writes.merge(NumberSet.encode([number]), into: key) }
        return writes
    }
}

/// The bytes of a text.
func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
