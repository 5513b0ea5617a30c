package import Catalog
package import TokenPlacement

/// Which slices of this node's disk may be read and written.
///
/// All may, unless a part of the disk was damaged or lost. A damaged slice waits until its other
/// replicas are there, as what is left of it may be all that is left; it is then purged (what is
/// left of it is dropped; it takes no writes, which the drop would take along) and rebuilt from its
/// replicas (it takes writes, but what it holds is not all). The order of the steps is the
/// driver's: on the way down ``set(_:_:)`` first, then persist; on the way up persist first.
package struct SliceHealth: Hashable, Sendable {
    /// Why a slice cannot be read.
    package enum State: UInt8, Hashable, Sendable {
        /// What is left of it is being dropped. Exits: to rebuilding.
        case purging = 0
        /// Its rows are being fetched. Exits: to readable, once all other replicas gave theirs.
        case rebuilding = 1
        /// A part of it cannot be read, and it is not dropped yet. Exits: to purging, once its
        /// other replicas are there; to readable, if it turns out to be sound.
        case damaged = 2
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

    /// Whether what there is of some tokens may go to a replica that rebuilds them and asks all
    /// others too: also what this node has not all of.
    package func mayServeRebuild(_ table: TableID, tokens: ClosedRange<Token>) -> Bool {
        if states.isEmpty { return true }
        let first = SliceID.slice(of: tokens.lowerBound, sliceCount: sliceCount)
        let last = SliceID.slice(of: tokens.upperBound, sliceCount: sliceCount)
        return !states.contains { slice, state in
            slice.table == table && (first...last).contains(slice.slice) && state == .purging
        }
    }

    /// The tokens from the first of some on that may be read, up to a slice that may not; nil if
    /// the first may not.
    package func readablePrefix(
        _ table: TableID,
        _ tokens: ClosedRange<Token>
    ) -> ClosedRange<Token>? {
        if states.isEmpty { return tokens }
        let first = SliceID.slice(of: tokens.lowerBound, sliceCount: sliceCount)
        let last = SliceID.slice(of: tokens.upperBound, sliceCount: sliceCount)
        var least: Int?
        for id in states.keys where id.table == table && (first...last).contains(id.slice) {
            least = min(least ?? id.slice, id.slice)
        }
        guard let least else { return tokens }
        guard least > first else { return nil }
        let end = SliceID.tokens(ofSlice: least - 1, sliceCount: sliceCount).upperBound
        return tokens.lowerBound...end
    }

    /// Whether all rows of some tokens may be read.
    package func mayRead(_ table: TableID, tokens: ClosedRange<Token>) -> Bool {
        if states.isEmpty { return true }
        let first = SliceID.slice(of: tokens.lowerBound, sliceCount: sliceCount)
        let last = SliceID.slice(of: tokens.upperBound, sliceCount: sliceCount)
        return !states.keys.contains { $0.table == table && (first...last).contains($0.slice) }
    }
}
