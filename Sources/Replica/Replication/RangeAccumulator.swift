import PeerMessages
import Storage

/// Digests the rows of a range, in the order of their keys, without an allocation for each.
struct RangeAccumulator {
    private(set) var result = RangeDigest(digest: RangeAccumulator.empty, rowCount: 0)
    private var scratch: [UInt8] = []

    /// The digest of a range without rows.
    static let empty = RowDigest(high: 0, low: 0)

    /// Adds a row: what comes behind the table in its key, and the digest of its canonical form.
    ///
    /// A row of which nothing is left does not count, whether it is still stored or not.
    mutating func add(key: ArraySlice<UInt8>, row: RowDigest) {
        guard row != .absent else { return }
        scratch.removeAll(keepingCapacity: true)
        // The digests have a fixed size, so that no two lists of rows give the same bytes.
        append(result.digest.high)
        append(result.digest.low)
        append(row.high)
        append(row.low)
        scratch.append(contentsOf: key)
        result.digest = scratch.withUnsafeBytes { RowDigest(hashing: $0) }
        result.rowCount += 1
    }

    /// The digest of what was added since the last call.
    mutating func take() -> RangeDigest {
        defer { result = RangeDigest(digest: Self.empty, rowCount: 0) }
        return result
    }

    private mutating func append(_ value: UInt64) {
        withUnsafeBytes(of: value.bigEndian) { scratch.append(contentsOf: $0) }
    }
}
