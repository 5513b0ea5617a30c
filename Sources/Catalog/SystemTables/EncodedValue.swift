import Catalog
import TokenPlacement

/// A value in the native protocol's encoding (native_protocol_v4.spec, section 6), or null.
struct EncodedValue {
    /// The encoded value; nil is null.
    let bytes: [UInt8]?

    static let null = EncodedValue(bytes: nil)

    static func text(_ value: String) -> Self { Self(bytes: Array(value.utf8)) }

    static func blob(_ value: some Sequence<UInt8>) -> Self { Self(bytes: Array(value)) }

    static func boolean(_ value: Bool) -> Self { Self(bytes: [value ? 1 : 0]) }

    static func int(_ value: Int) -> Self { integer(Int32(clamping: value)) }

    static func bigint(_ value: Int) -> Self { integer(Int64(value)) }

    /// An epoch, as a `bigint`.
    static func epoch(_ value: Epoch) -> Self { integer(Int64(clamping: value.value)) }

    /// A point in time, given in seconds since 1970.
    static func timestamp(seconds: Int64) -> Self {
        let (millis, isOver) = seconds.multipliedReportingOverflow(by: 1000)
        return integer(isOver ? (seconds < 0 ? .min : .max) : millis)
    }

    /// A point in time, given in milliseconds since 1970.
    static func timestamp(millis: Int64) -> Self { integer(millis) }

    static func double(_ value: Double) -> Self { integer(value.bitPattern) }

    static func uuid(_ value: NodeID) -> Self { Self(bytes: value.bytes) }

    /// An address given as text; null if it is none.
    static func inet(_ text: String) -> Self { Self(bytes: InetText.bytes(of: text)) }

    static func list(_ elements: [String]) -> Self {
        Self(bytes: CollectionCoding.encode(elements.map { Array($0.utf8) }))
    }

    /// A set's elements stand in the order of their bytes, each once.
    static func set(_ elements: [String]) -> Self {
        let encoded = Set(elements).map { Array($0.utf8) }
        return Self(
            bytes: CollectionCoding.encode(encoded.sorted { $0.lexicographicallyPrecedes($1) })
        )
    }

    /// Tokens as a set of texts; null without any, as Cassandra's unfrozen empty sets are.
    static func tokens(_ tokens: [Token]) -> Self {
        tokens.isEmpty ? .null : .set(tokens.map(\.description))
    }

    /// A map's entries stand in the order that they are given in.
    static func map(_ entries: [(String, String)]) -> Self {
        Self(
            bytes: CollectionCoding.encode(
                entries.map { (key: Array($0.0.utf8), value: Array($0.1.utf8)) }
            )
        )
    }

    private static func integer(_ value: some FixedWidthInteger) -> Self {
        Self(bytes: withUnsafeBytes(of: value.bigEndian) { Array($0) })
    }
}
