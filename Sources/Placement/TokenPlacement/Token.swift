/// A position on the ring: where Murmur3 puts a partition key.
///
/// Tokens are exactly those of Cassandra's Murmur3Partitioner, so that its drivers route to
/// Martlet's replicas. The ring is read upwards and wraps behind the greatest token.
package struct Token: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The position, in the whole range of a signed 64-bit number.
    package var value: Int64

    /// The token at a position.
    package init(_ value: Int64) { self.value = value }

    /// The least position: no key hashes to it (Murmur3Partitioner moves it to the greatest).
    package static let minimum = Token(.min)

    /// The token of a partition key, given as the bytes that are hashed.
    ///
    /// For a key of one column these are the value's bytes; for several, each value behind its
    /// 16-bit length and before a zero byte (Cassandra's CompositeType).
    package init(partitionKey: [UInt8]) {
        let hash = Int64(bitPattern: Murmur3.cassandraHash(of: partitionKey).0)
        value = hash == .min ? .max : hash
    }

    package var description: String { String(value) }

    package static func < (left: Token, right: Token) -> Bool { left.value < right.value }
}
