import TokenPlacement

/// A hash of 128 bits of a row's canonical form: equal where replicas need not exchange the row.
package struct RowDigest: Hashable, Sendable, CustomStringConvertible {
    /// The first half.
    package var high: UInt64
    /// The second half.
    package var low: UInt64

    /// The digest with both halves.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The digest of a byte string.
    package init(hashing bytes: UnsafeRawBufferPointer) {
        (high, low) = Murmur3.hash128(bytes)
    }

    /// The digest of a row that is not there, and of one of which nothing is left that matters.
    package static let absent = RowMerge.emptyRow.withUnsafeBytes { RowDigest(hashing: $0) }

    /// One digest of many, in the order in which they are given.
    package static func combine(_ digests: some Sequence<RowDigest>) -> RowDigest {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16 * digests.underestimatedCount)
        for digest in digests { digest.append(to: &bytes) }
        return bytes.withUnsafeBytes { RowDigest(hashing: $0) }
    }

    /// The sixteen bytes, the first half first, big-endian.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16)
        append(to: &bytes)
        return bytes
    }

    package var description: String {
        bytes.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
    }

    private func append(to bytes: inout [UInt8]) {
        withUnsafeBytes(of: high.bigEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: low.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
