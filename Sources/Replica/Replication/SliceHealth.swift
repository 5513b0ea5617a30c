package import Catalog
package import TokenPlacement

/// Which slices of this node's disk may be read and written.
///
/// All may, unless a part of the disk was damaged or lost. Such a slice is first purged (what is
/// left of it is dropped; it takes no writes, which the drop would take along), then rebuilt from
/// its replicas (it takes writes, but what it holds is not all). The order of the steps is the
/// driver's: on the way down ``set(_:_:)`` first, then persist; on the way up persist first.
package struct SliceHealth: Hashable, Sendable {
    /// Why a slice cannot be read.
    package enum State: UInt8, Hashable, Sendable {
        /// What is left of it is being dropped. Exits: to rebuilding.
        case purging = 0
        /// Its rows are being fetched. Exits: to readable, once all other replicas gave theirs.
        case rebuilding = 1
    }

    /// The number of slices of the ring.
    package let sliceCount: Int
    private var states: [SliceID: State] = [:]

    /// A disk of which all can be read; `sliceCount` is a power of two.
    package init(sliceCount: Int = 1) {
        precondition(
            sliceCount.nonzeroBitCount == 1 && sliceCount > 0,
            "\(sliceCount) slices: a power of two is needed"
        )
        self.sliceCount = sliceCount
    }

    // MARK: Events

    /// Takes up a key of the node's own and its value, as they were found at the start.
    ///
    /// - Returns: whether they are a slice's state.
    @discardableResult
    package mutating func restore(key: [UInt8], value: [UInt8]) -> Bool {
        guard let (slice, state) = SliceKeys.state(key: key, value: value) else { return false }
        states[slice] = state
        return true
    }

    /// Gives a slice a state, nil: it can be read.
    ///
    /// - Returns: what makes that last; nil if the slice has the state already.
    @discardableResult
    package mutating func set(_ state: State?, _ slice: SliceID) -> LocalChange? {
        guard states[slice] != state else { return nil }
        states[slice] = state
        return Self.change(to: state, slice)
    }

    /// Forgets the slices of all tables but some: the others were dropped.
    package mutating func keep(tables: Set<TableID>) -> [LocalChange] {
        let gone = states.keys.filter { !tables.contains($0.table) }.sorted()
        for slice in gone { states[slice] = nil }
        return gone.map { Self.change(to: nil, $0) }
    }

    // MARK: Queries

    /// What makes a slice's state last.
    package static func change(to state: State?, _ slice: SliceID) -> LocalChange {
        SliceKeys.put(state, slice)
    }

    /// Whether every slice can be read.
    package var isWell: Bool { states.isEmpty }

    /// A slice's state, nil if it can be read.
    package func state(of slice: SliceID) -> State? { states[slice] }

    /// The slices with a state, sorted.
    package func slices(_ state: State) -> [SliceID] {
        states.filter { $0.value == state }.keys.sorted()
    }

    /// The slice that a token of a table lies in.
    package func slice(_ table: TableID, _ token: Token) -> SliceID {
        SliceID(table, SliceID.slice(of: token, sliceCount: sliceCount))
    }

    /// Whether a row may be read.
    @inline(__always)
    package func mayRead(_ table: TableID, _ token: Token) -> Bool {
        states.isEmpty || states[slice(table, token)] == nil
    }

    /// Whether a row may be written.
    @inline(__always)
    package func mayWrite(_ table: TableID, _ token: Token) -> Bool {
        states.isEmpty || states[slice(table, token)] != .purging
    }

    /// Whether all rows of some tokens may be read.
    package func mayRead(_ table: TableID, tokens: ClosedRange<Token>) -> Bool {
        if states.isEmpty { return true }
        let first = SliceID.slice(of: tokens.lowerBound, sliceCount: sliceCount)
        let last = SliceID.slice(of: tokens.upperBound, sliceCount: sliceCount)
        return !states.keys.contains { $0.table == table && (first...last).contains($0.slice) }
    }
}
