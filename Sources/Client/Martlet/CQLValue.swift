public import Foundation

/// A value that is bound to a marker or was read from a column, whatever its type.
public indirect enum CQLValue: Hashable, Sendable {
    /// A key of a map with its value.
    public struct Entry: Hashable, Sendable {
        /// The key.
        public var key: CQLValue
        /// The value.
        public var value: CQLValue

        /// A key with its value.
        public init(key: CQLValue, value: CQLValue) {
            self.key = key
            self.value = value
        }
    }

    /// Null: a write deletes the cell.
    case null
    /// Not set: a write leaves the cell as it is.
    case unset
    /// `boolean`.
    case boolean(Bool)
    /// `tinyint`, `smallint`, `int`, `bigint`.
    case integer(Int64)
    /// `float`.
    case float(Float)
    /// `double`.
    case double(Double)
    /// `text`, `ascii`; `inet` as its usual notation.
    case text(String)
    /// `blob`, and whatever type this client does not know.
    case blob([UInt8])
    /// `uuid`, `timeuuid`.
    case uuid(UUID)
    /// `timestamp`, in milliseconds.
    case timestamp(Date)
    /// `vector<float, n>`.
    case vector([Float])
    /// `list`, `set`.
    case list([CQLValue])
    /// `map`.
    case map([Entry])
}

/// A type whose values can be bound to markers.
///
/// The marker's type decides how a value is sent: an `Int` fits `tinyint` to `bigint` (if it is in
/// range), `timestamp` (as milliseconds), `float` and `double`; `[Float]` fits `vector` and `list`.
public protocol CQLBindable: Sendable {
    /// The value to bind.
    var cqlValue: CQLValue { get }

    /// The value to bind for an array of values of this type: a list if the type does not say
    /// otherwise.
    static func cqlValue(ofArray array: [Self]) -> CQLValue
}

extension CQLBindable {
    /// A list of the elements.
    public static func cqlValue(ofArray array: [Self]) -> CQLValue {
        .list(array.map(\.cqlValue))
    }
}

extension CQLValue: CQLBindable {
    /// The value itself.
    public var cqlValue: CQLValue { self }
}

extension Bool: CQLBindable {
    /// A `boolean`.
    public var cqlValue: CQLValue { .boolean(self) }
}

extension Int: CQLBindable {
    /// A whole number.
    public var cqlValue: CQLValue { .integer(Int64(self)) }
}

extension Int8: CQLBindable {
    /// A whole number.
    public var cqlValue: CQLValue { .integer(Int64(self)) }
}

extension Int16: CQLBindable {
    /// A whole number.
    public var cqlValue: CQLValue { .integer(Int64(self)) }
}

extension Int32: CQLBindable {
    /// A whole number.
    public var cqlValue: CQLValue { .integer(Int64(self)) }
}

extension Int64: CQLBindable {
    /// A whole number.
    public var cqlValue: CQLValue { .integer(self) }
}

extension UInt8: CQLBindable {
    /// A whole number.
    public var cqlValue: CQLValue { .integer(Int64(self)) }

    /// A `blob`.
    public static func cqlValue(ofArray array: [UInt8]) -> CQLValue { .blob(array) }
}

extension Float: CQLBindable {
    /// A `float`.
    public var cqlValue: CQLValue { .float(self) }

    /// A `vector<float, n>`, or a list of floats if the marker is one.
    public static func cqlValue(ofArray array: [Float]) -> CQLValue { .vector(array) }
}

extension Double: CQLBindable {
    /// A `double`.
    public var cqlValue: CQLValue { .double(self) }
}

extension String: CQLBindable {
    /// A `text`.
    public var cqlValue: CQLValue { .text(self) }
}

extension UUID: CQLBindable {
    /// A `uuid`.
    public var cqlValue: CQLValue { .uuid(self) }
}

extension Date: CQLBindable {
    /// A `timestamp`.
    public var cqlValue: CQLValue { .timestamp(self) }
}

extension Optional: CQLBindable where Wrapped: CQLBindable {
    /// The value, or null.
    public var cqlValue: CQLValue { self?.cqlValue ?? .null }
}

extension Array: CQLBindable where Element: CQLBindable {
    /// A `list`, a `blob` of `UInt8`, or a `vector` of `Float`.
    public var cqlValue: CQLValue { Element.cqlValue(ofArray: self) }
}

extension Set: CQLBindable where Element: CQLBindable {
    /// A `set`.
    public var cqlValue: CQLValue { .list(map(\.cqlValue)) }
}

extension Dictionary: CQLBindable where Key: CQLBindable, Value: CQLBindable {
    /// A `map`.
    public var cqlValue: CQLValue {
        .map(map { CQLValue.Entry(key: $0.key.cqlValue, value: $0.value.cqlValue) })
    }
}
