/// How the pieces of one row become one: what RocksDB's merge operator calls.
///
/// A value of its own so that the store can be tested without the row format, and the other way
/// round. The function never fails, never reads a clock, is associative and commutative, and
/// merging one piece yields that piece: RocksDB may merge in any grouping, and a piece that is
/// alone is not passed through it.
package struct RowMerging: Sendable {
    /// Merges pieces (at least two) of one row; the buffers are valid during the call only.
    package let merge: @Sendable (_ operands: [UnsafeRawBufferPointer]) -> [UInt8]

    /// Merges by a function with the properties above.
    package init(
        _ merge: @escaping @Sendable (_ operands: [UnsafeRawBufferPointer]) -> [UInt8]
    ) {
        self.merge = merge
    }
}
