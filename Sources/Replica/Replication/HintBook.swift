package import Catalog
package import PeerMessages
package import TokenPlacement

/// Counts the hints on this node's disk, and refuses those that would be too many.
///
/// A refused hint never fails its write: the slice becomes dirty for the node that lacks the write,
/// and repair finds out what it is. Numbers follow the disk: they are counted up before a hint is
/// written and down once it is removed, and counted anew by a scan at the start.
package struct HintBook: Sendable {
    /// What becomes of a hint.
    package enum Admission: Hashable, Sendable {
        /// It is to be written under this key.
        case store(HintKey)
        /// It is not kept; the mark is to be written here and sent to a living replica, and nil
        /// if one that covers it stands.
        case overflow(DirtyMark?)
    }

    /// The hints for one node.
    package struct Account: Hashable, Sendable {
        /// Their number.
        package fileprivate(set) var count = 0
        /// What they take on disk, about.
        package fileprivate(set) var bytes = 0
        fileprivate var countOfMinute: [Int64: Int] = [:]

        /// The minute in which the oldest was made, in microseconds since 1970; nil without hints.
        package var oldestMicros: Int64? { countOfMinute.keys.min().map { $0 * minuteMicros } }
    }

    private struct Hole: Hashable {
        var slice: SliceID
        var target: NodeID
    }

    /// Marks that are remembered before those that cover nothing any more are forgotten.
    private static let marksMax = 1 << 16

    /// Bounds.
    package var settings: HintSettings
    /// What all hints take on disk, about.
    package private(set) var bytes = 0
    private var accounts: [NodeID: Account] = [:]
    private var sequence: UInt32 = 0
    /// Since when the marks count that were given out.
    private var marks: [Hole: Int64] = [:]
    /// When those were looked for last that cover nothing any more.
    private var prunedSeconds: Int64?

    /// A book without hints.
    package init(settings: HintSettings) { self.settings = settings }

    // MARK: Events

    /// Takes up a hint that was found on disk at the start.
    package mutating func restore(key: [UInt8], valueBytes: Int) {
        guard let key = HintKey(decoding: key) else { return }
        add(key, valueBytes)
        // Whatever the clock does: no key is given out twice.
        if sequence <= key.sequence { sequence = key.sequence &+ 1 }
    }

    /// Decides about a new hint of so many bytes.
    ///
    /// - Parameters:
    ///   - target: the node that lacks the write.
    ///   - table: the write's table.
    ///   - slice: the write's slice.
    ///   - valueBytes: the size of what is to be kept.
    ///   - createdMicros: when the write began, by the clock that ages of hints are measured by.
    ///   - nowSeconds: the wall clock, by which dirty marks go.
    /// - Returns: whether it is kept.
    package mutating func admit(
        target: NodeID,
        table: TableID,
        slice: Int,
        bytes valueBytes: Int,
        createdMicros: Int64,
        nowSeconds: Int64
    ) -> Admission {
        let cost = Self.cost(valueBytes)
        guard bytes + cost <= settings.bytesMax,
            accounts[target, default: Account()].bytes + cost <= settings.bytesPerTargetMax
        else {
            return .overflow(mark(SliceID(table, slice), target, nowSeconds: nowSeconds))
        }
        let key = HintKey(
            target: target,
            slice: slice,
            createdMicros: createdMicros,
            sequence: sequence
        )
        sequence &+= 1
        add(key, valueBytes)
        return .store(key)
    }

    /// A hint is gone from the disk, or its write failed.
    package mutating func removed(key: [UInt8], valueBytes: Int) {
        guard let key = HintKey(decoding: key), var account = accounts[key.target],
            account.count > 0
        else { return }
        let minute = key.createdMicros / minuteMicros
        let left = account.countOfMinute[minute, default: 1] - 1
        account.countOfMinute[minute] = left > 0 ? left : nil
        account.count -= 1
        account.bytes = max(0, account.bytes - Self.cost(valueBytes))
        bytes = max(0, bytes - Self.cost(valueBytes))
        accounts[key.target] = account.count > 0 ? account : nil
    }

    /// A write that a node lacks gets no hint for another reason than its size: the mark to write.
    package mutating func mark(
        _ slice: SliceID,
        _ target: NodeID,
        nowSeconds: Int64
    ) -> DirtyMark? {
        let hole = Hole(slice: slice, target: target)
        let cover = settings.markCoverSeconds
        if let since = marks[hole], nowSeconds >= since, nowSeconds - since <= cover { return nil }
        if marks.count >= Self.marksMax, mayPrune(nowSeconds) {
            prunedSeconds = nowSeconds
            marks = marks.filter { nowSeconds >= $0.value && nowSeconds - $0.value <= cover }
        }
        if marks.count < Self.marksMax { marks[hole] = nowSeconds }
        return DirtyMark(
            table: slice.table,
            slice: slice.slice,
            target: target,
            sinceSeconds: nowSeconds
        )
    }

    /// Looking through all marks takes a while, and all loops wait for the book meanwhile.
    private func mayPrune(_ nowSeconds: Int64) -> Bool {
        guard let prunedSeconds, nowSeconds >= prunedSeconds else { return true }
        return nowSeconds - prunedSeconds > settings.markCoverSeconds
    }

    /// A mark could not be written: the next refused hint gives it out again.
    package mutating func markFailed(_ mark: DirtyMark) {
        marks[Hole(slice: SliceID(mark.table, mark.slice), target: mark.target)] = nil
    }

    // MARK: Queries

    /// The hints for a node.
    package func account(of target: NodeID) -> Account { accounts[target] ?? Account() }

    /// The nodes with hints, sorted.
    package var targets: [NodeID] { accounts.keys.sorted() }

    /// The number of all hints.
    package var count: Int { accounts.values.reduce(0) { $0 + $1.count } }

    /// What a hint takes on disk: value, key and a little.
    package static func cost(_ valueBytes: Int) -> Int { valueBytes + HintKey.byteCount + 16 }

    private mutating func add(_ key: HintKey, _ valueBytes: Int) {
        let cost = Self.cost(valueBytes)
        accounts[key.target, default: Account()].count += 1
        accounts[key.target, default: Account()].bytes += cost
        let minute = key.createdMicros / minuteMicros
        accounts[key.target, default: Account()].countOfMinute[minute, default: 0] += 1
        bytes += cost
    }
}

private let minuteMicros: Int64 = 60_000_000
