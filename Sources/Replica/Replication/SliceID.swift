package import Catalog
package import TokenPlacement

/// One table's part of one token slice: the unit of hints, repair, sweeping and rebuilding.
package struct SliceID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The table.
    package var table: TableID
    /// The slice of the ring.
    package var slice: Int

    /// A table's part of a slice.
    package init(_ table: TableID, _ slice: Int) {
        self.table = table
        self.slice = slice
    }

    package var description: String { "slice \(slice) of table \(table)" }

    package static func < (left: Self, right: Self) -> Bool {
        (left.table, left.slice) < (right.table, right.slice)
    }

    /// The slice that a token lies in, of a ring of so many (a power of two).
    package static func slice(of token: Token, sliceCount: Int) -> Int {
        Int(position(token) >> UInt64(64 - sliceCount.trailingZeroBitCount))
    }

    /// The tokens of a slice, of a ring of so many (a power of two), both ends included.
    package static func tokens(ofSlice slice: Int, sliceCount: Int) -> ClosedRange<Token> {
        precondition((0..<sliceCount).contains(slice), "slice \(slice), there are \(sliceCount)")
        let shift = UInt64(64 - sliceCount.trailingZeroBitCount)
        let first = UInt64(slice) << shift
        let last = first &+ ((1 << shift) &- 1)
        return token(first)...token(last)
    }

    /// A token's distance from the least one.
    static func position(_ token: Token) -> UInt64 {
        UInt64(bitPattern: token.value) ^ (1 << 63)
    }

    /// The token at a distance from the least one.
    static func token(_ position: UInt64) -> Token {
        Token(Int64(bitPattern: position ^ (1 << 63)))
    }
}
